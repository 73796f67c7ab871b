/** Who asked where an actor is: answered once it is alive, or dead. */
import type { ActorDirectory } from "@iono/core";
import { push, type Asker, type Processes } from "./processes.ts";

export class ActorAddresses {
  readonly #actors: ActorDirectory;
  readonly #processes: Processes;
  readonly #askers = new Map<number, Asker[]>();

  constructor(actors: ActorDirectory, processes: Processes) {
    this.#actors = actors;
    this.#processes = processes;
  }

  ask(asker: Asker, actor: number): void {
    push(this.#askers, actor, asker);
    this.answer(actor);
  }

  /** Answers those who wait for an actor, if it is alive or dead. */
  answer(actor: number): void {
    const askers = this.#askers.get(actor);
    if (askers === undefined) return;
    const found = this.#actors.state(actor);
    if (found !== undefined && found.state !== "alive" && found.state !== "dead") return;
    this.#askers.delete(actor);
    for (const asker of askers) {
      if (found?.state === "alive") {
        const host = this.#processes.get(found.process);
        this.#processes.reply(asker, { process: found.process, path: host?.path ?? "", pid: host?.pid ?? 0 });
      } else
        this.#processes.reply(asker, {
          dead: found?.reason ?? "it is not known",
          error: found?.error ?? null,
        });
    }
  }
}
