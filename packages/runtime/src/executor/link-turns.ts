/** The links of an executor: whose entry is next, and the results that wait in them. */
import type { ExecutorLink } from "./executor-link.ts";

export class LinkTurns {
  readonly #links: ExecutorLink[] = [];
  #turn = 0;
  #flushArmed = false;
  readonly #flushNow = (): void => {
    this.#flushArmed = false;
    this.flush();
  };

  /** The loopback is `first`: what this process's own tasks wait for comes before all else. */
  add(link: ExecutorLink, first: boolean): void {
    if (first) this.#links.unshift(link);
    else this.#links.push(link);
  }

  remove(link: ExecutorLink): void {
    const at = this.#links.indexOf(link);
    if (at >= 0) this.#links.splice(at, 1);
  }

  /** The next link with an entry: round robin, the loopback before all others, or alone. */
  next(loopbackOnly: boolean): ExecutorLink | null {
    const links = this.#links;
    const count = loopbackOnly ? Math.min(links.length, 1) : links.length;
    if (count === 1 && loopbackOnly && !links[0].link.isLoopback) return null;
    if (count === 1) return links[0].entries.length > 0 && links[0].starting === 0 ? links[0] : null;
    if (count > 0 && links[0].link.isLoopback && links[0].entries.length > 0) return links[0];
    for (let i = 0; i < count; i++) {
      this.#turn = this.#turn + 1 >= count ? 0 : this.#turn + 1;
      const link = links[this.#turn];
      if (link.entries.length > 0 && link.starting === 0) return link;
    }
    return null;
  }

  flush(): void {
    for (const link of this.#links) if (link.pendingResults) link.flush();
  }

  flushSoon(): void {
    if (this.#flushArmed) return;
    this.#flushArmed = true;
    setImmediate(this.#flushNow);
  }

  /** Cancels of what has ended already: every entry of their link has begun. */
  forgetLateCancels(): void {
    for (const { cancels, entries } of this.#links) {
      if (cancels.size > 0 && entries.length === 0) cancels.handle({ type: "caught up" });
    }
  }

  /** Calls `done` once everything written has reached the other ends. */
  close(done: () => void): void {
    let open = this.#links.length;
    const closed = (): void => {
      if (--open <= 0) done();
    };
    if (open === 0) done();
    for (const { link } of [...this.#links]) {
      if (link.isLoopback) closed();
      else {
        link.listen({ frame() {}, closed });
        link.close();
      }
    }
  }
}
