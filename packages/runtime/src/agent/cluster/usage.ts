/** What a node tells of itself: soon after it changes, but not more often than others need to know. */
import type { ResourceVector } from "@iono/core";

export interface NodeUse {
  readonly available: ResourceVector;
  readonly queued: number;
  readonly isDraining: boolean;
}

/** Changes within this time go out together. */
const gatherMs = 20;
/** What has changed little is told this often. */
const littleMs = 500;

export class Usage {
  readonly #read: () => NodeUse;
  readonly #tell: (use: NodeUse) => void;
  #told: NodeUse | null = null;
  #toldAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(read: () => NodeUse, tell: (use: NodeUse) => void) {
    this.#read = read;
    this.#tell = tell;
  }

  changed(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => this.#look(), gatherMs);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #look(): void {
    this.#timer = undefined;
    const use = this.#read();
    const told = this.#told;
    if (told !== null && sameVector(use.available, told.available) && use.queued === told.queued) return;
    // Whether something waits, and what is free, matters; how much waits does not need to be exact.
    const isLittle =
      told !== null && sameVector(use.available, told.available) && use.queued > 0 === told.queued > 0;
    if (isLittle && performance.now() - this.#toldAtMs < littleMs) {
      this.#timer = setTimeout(() => this.#look(), littleMs);
      return;
    }
    this.#told = use;
    this.#toldAtMs = performance.now();
    this.#tell(use);
  }
}

function sameVector(a: ResourceVector, b: ResourceVector): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name]);
}
