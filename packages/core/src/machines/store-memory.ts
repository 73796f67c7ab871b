import { PageRanges } from "./page-ranges.ts";
import { storePageBytes, type StoreInstruction, type StoreOptions } from "./store-events.ts";

/** Pages being committed, for an owner or to have some in advance. */
export interface Commit<Owner> {
  readonly start: number;
  readonly pages: number;
  readonly owner: Owner | undefined;
}

/** Room for a block. `commit`: its pages must be committed first. */
export interface Room {
  readonly start: number;
  readonly commit: boolean;
}

/** The pages of the store's file: which are free, which are committed, how many may be. */
export class StoreMemory<Owner> {
  /** Committed and free. */
  readonly warm = new PageRanges();
  /** Holes of the file. */
  readonly cold = new PageRanges();
  readonly #commits = new Map<number, Commit<Owner>>();
  readonly #prefaultPages: number;
  #nextCommit = 1;
  #limitPages: number;
  #committedPages = 0;

  constructor(options: StoreOptions) {
    this.#limitPages = Math.floor(options.capacityBytes / storePageBytes);
    this.#prefaultPages = Math.floor(options.prefaultBytes / storePageBytes);
    this.cold.add(0, Math.floor(options.segmentBytes / storePageBytes));
  }

  get limitPages(): number {
    return this.#limitPages;
  }

  get committedPages(): number {
    return this.#committedPages;
  }

  get commits(): Iterable<Commit<Owner>> {
    return this.#commits.values();
  }

  /** Pages that must be freed before `pages` can be had; not positive when they can be had now. */
  shortage(pages: number): number {
    return pages - (this.#limitPages - this.#committedPages) - this.warm.total;
  }

  /** Takes room, giving warm pages back where needed; undefined when there is none. */
  take(pages: number, out: StoreInstruction[]): Room | undefined {
    const warm = this.warm.takeBestFit(pages);
    if (warm >= 0) return { start: warm, commit: false };
    const grown = this.#grow(pages, out);
    if (grown >= 0) return { start: grown, commit: true };
    if (this.shortage(pages) > 0) return undefined;
    const start = this.cold.takeFirstFit(pages);
    if (start < 0) return undefined;
    this.#makeRoom(pages, out);
    return { start, commit: true };
  }

  /** Frees pages; they stay committed. */
  free(start: number, pages: number): void {
    this.warm.add(start, pages);
  }

  commit(start: number, pages: number, owner: Owner | undefined, out: StoreInstruction[]): void {
    const commit = this.#nextCommit++;
    this.#commits.set(commit, { start, pages, owner });
    const range = { offset: start * storePageBytes, bytes: pages * storePageBytes };
    out.push({ kind: "commit", commit, ...range, prefault: owner === undefined });
  }

  /** Commits some pages in advance, when the store is growing and has room. */
  prefault(out: StoreInstruction[]): void {
    const pages = this.#prefaultPages;
    if (pages === 0 || this.warm.total >= pages || this.#limitPages - this.#committedPages < pages) return;
    for (const { owner } of this.#commits.values()) if (owner === undefined) return;
    const start = this.cold.takeFirstFit(pages);
    if (start < 0) return;
    this.#committedPages += pages;
    this.commit(start, pages, undefined, out);
  }

  /** A commit is done. Pages that were committed in advance are warm now. */
  committed(id: number): Commit<Owner> | undefined {
    const commit = this.#commits.get(id);
    this.#commits.delete(id);
    if (commit !== undefined && commit.owner === undefined) this.warm.add(commit.start, commit.pages);
    return commit;
  }

  /** The system refused pages: be a smaller store from now on. */
  commitFailed(id: number, out: StoreInstruction[]): Commit<Owner> | undefined {
    const commit = this.#commits.get(id);
    if (commit === undefined) return undefined;
    this.#commits.delete(id);
    const { start, pages } = commit;
    out.push({ kind: "release", offset: start * storePageBytes, bytes: pages * storePageBytes });
    this.cold.add(start, pages);
    this.#committedPages -= pages;
    const half = this.#committedPages + Math.floor(pages / 2);
    this.#limitPages = Math.max(this.#committedPages, Math.min(this.#limitPages, half));
    return commit;
  }

  /** Lengthens the longest warm range that has cold pages behind it, so that less must be committed afresh. */
  #grow(pages: number, out: StoreInstruction[]): number {
    const room = this.#limitPages - this.#committedPages;
    let start = -1;
    let longest = 0;
    for (const [from, count] of this.warm) {
      if (count <= longest || !this.cold.contains(from + count, pages - count)) continue;
      if (pages - count - room > this.warm.total - count) continue;
      start = from;
      longest = count;
    }
    if (start < 0) return -1;
    this.warm.remove(start, longest);
    this.cold.remove(start + longest, pages - longest);
    this.#makeRoom(pages - longest, out);
    return start;
  }

  /** Counts `pages` as committed, making holes of warm pages when they would be too many. */
  #makeRoom(pages: number, out: StoreInstruction[]): void {
    this.#committedPages += pages;
    while (this.#committedPages > this.#limitPages) {
      const range = this.warm.takeSmallest(this.#committedPages - this.#limitPages);
      if (range === undefined) throw new Error("no warm pages to give back");
      this.cold.add(range.start, range.count);
      this.#committedPages -= range.count;
      out.push({
        kind: "release",
        offset: range.start * storePageBytes,
        bytes: range.count * storePageBytes,
      });
    }
  }
}
