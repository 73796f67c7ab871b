/** One direction of a proxied connection: reads one socket, does what its faults say, writes the other. */
import type { Socket } from "node:net";
import { lossDelayMs } from "./proxy-faults.ts";
import type { Bucket, Faults } from "./proxy-faults.ts";
import type { Random } from "./proxy-random.ts";

export interface DirectionCounters {
  /** Read from the one side. */
  received: number;
  /** Written to the other. */
  delivered: number;
  /** Thrown away. */
  dropped: number;
  /** Bits flipped. */
  corrupted: number;
}

export function newCounters(): DirectionCounters {
  return { received: 0, delivered: 0, dropped: 0, corrupted: 0 };
}

interface Item {
  /** Undefined: no bytes, but the ending. */
  readonly bytes: Buffer | undefined;
  readonly ending: "end" | "reset" | undefined;
  readonly dueAtMs: number;
}

export interface PipeOptions {
  readonly source: Socket;
  readonly sink: Socket;
  readonly random: Random;
  /** Of this connection, and of the whole proxy. */
  readonly counters: readonly DirectionCounters[];
  /** Resets the whole connection. */
  readonly reset: () => void;
}

/** What a way holds besides the bytes that are in flight: the queue of a router. */
const queueBytes = 256 * 1024;
const mostBufferedBytes = 16 * 1024 * 1024;
/** Taken for the bytes in flight when no rate is set: 1 Gbit/s. */
const plainBytesPerSecond = 125_000_000;

export class Pipe {
  readonly #options: PipeOptions;
  #faults: Faults;
  #bucket: Bucket;
  #queue: Item[] = [];
  /** Of the first item, how much has been written. */
  #written = 0;
  #queuedBytes = 0;
  #lastDueAtMs = 0;
  #reserved: { bytes: number; atMs: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #sinkIsFull = false;
  #paused = false;
  #corruptNext = false;
  /** Bytes read, counted for `corruptEveryBytes`. */
  #readBytes = 0;
  #deliveredBytes = 0;
  /** The last bytes before `resetAfterBytes` are on their way. */
  #resetting = false;
  /** The way is cut: what comes is thrown away, and the end of one side is not told to the other. */
  #cut = false;

  constructor(options: PipeOptions, faults: Faults, bucket: Bucket) {
    this.#options = options;
    this.#faults = faults;
    this.#bucket = bucket;
    const { source, sink } = options;
    source.on("data", (chunk: Buffer) => this.#read(chunk));
    source.on("end", () => {
      // It has given up a connection whose other side is gone: nobody else would end it.
      if (this.#cut) source.destroy();
      else this.#push(undefined, "end", 0);
    });
    source.on("error", () => this.#push(undefined, "reset", 0));
    sink.on("drain", () => {
      this.#sinkIsFull = false;
      this.#pump();
    });
    sink.on("close", () => this.#discard());
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  change(faults: Faults, bucket: Bucket): void {
    this.#faults = faults;
    if (bucket !== this.#bucket) this.#reserved = undefined;
    this.#bucket = bucket;
    if (faults.delivery === "drop") this.#discard();
    this.#stopWaiting();
    this.#pump();
  }

  corruptNext(): void {
    this.#corruptNext = true;
  }

  /** Nothing passes any more, and nobody is told. */
  cut(): void {
    this.#cut = true;
    this.#queue = [];
    this.#discard();
    this.#stopWaiting();
  }

  #count(field: keyof DirectionCounters, amount: number): void {
    for (const counters of this.#options.counters) counters[field] += amount;
  }

  #read(chunk: Buffer): void {
    this.#count("received", chunk.length);
    this.#corrupt(chunk);
    this.#readBytes += chunk.length;
    if (this.#cut || this.#faults.delivery === "drop" || this.#options.sink.destroyed) {
      this.#count("dropped", chunk.length);
      return;
    }
    this.#push(chunk, undefined, lossDelayMs(this.#faults, chunk.length, this.#options.random));
  }

  #corrupt(chunk: Buffer): void {
    const { random } = this.#options;
    const flip = (at: number): void => {
      chunk[at] ^= 1 << Math.floor(random() * 8);
      this.#count("corrupted", 1);
    };
    if (this.#corruptNext) {
      this.#corruptNext = false;
      flip(Math.floor(random() * chunk.length));
    }
    const every = this.#faults.corruptEveryBytes;
    if (every === Infinity) return;
    for (let at = every - 1 - (this.#readBytes % every); at < chunk.length; at += every) flip(at);
  }

  #push(bytes: Buffer | undefined, ending: Item["ending"], delayMs: number): void {
    if (this.#cut) return;
    const { latencyMs, jitterMs } = this.#faults;
    const nowMs = performance.now();
    const dueAtMs = Math.max(
      this.#lastDueAtMs,
      nowMs + latencyMs + jitterMs * this.#options.random() + delayMs,
    );
    this.#lastDueAtMs = dueAtMs;
    this.#queue.push({ bytes, ending, dueAtMs });
    this.#queuedBytes += bytes?.length ?? 0;
    if (this.#queuedBytes >= this.#limitBytes() && !this.#paused) {
      this.#paused = true;
      this.#options.source.pause();
    }
    this.#pump();
  }

  #limitBytes(): number {
    const { latencyMs, jitterMs, bytesPerSecond } = this.#faults;
    const rate = bytesPerSecond === Infinity ? plainBytesPerSecond : bytesPerSecond;
    return Math.min(mostBufferedBytes, queueBytes + ((latencyMs + jitterMs) / 1000) * rate);
  }

  /** Drops the bytes in the queue; an end that stands behind them stays. */
  #discard(): void {
    this.#count("dropped", this.#queuedBytes);
    this.#queue = this.#queue.filter(({ bytes }) => bytes === undefined);
    this.#queuedBytes = 0;
    this.#written = 0;
    this.#resumeWhenEmptyEnough();
  }

  #resumeWhenEmptyEnough(): void {
    if (!this.#paused || this.#queuedBytes > this.#limitBytes() / 2) return;
    this.#paused = false;
    this.#options.source.resume();
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#immediate !== undefined) clearImmediate(this.#immediate);
    this.#immediate = undefined;
  }

  #waitUntil(atMs: number, nowMs: number): void {
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        this.#pump();
      },
      Math.ceil(atMs - nowMs),
    );
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      if (this.#timer !== undefined || this.#immediate !== undefined || this.#sinkIsFull) return;
      if (this.#faults.delivery === "stall") return;
      const nowMs = performance.now();
      const [item] = this.#queue;
      if (item.dueAtMs > nowMs) return this.#waitUntil(item.dueAtMs, nowMs);
      if (item.bytes === undefined) this.#finish(item.ending);
      else if (!this.#deliver(item.bytes, nowMs)) return;
    }
  }

  #finish(ending: Item["ending"]): void {
    this.#queue.shift();
    const { sink } = this.#options;
    if (sink.destroyed) return;
    if (ending === "end") sink.end();
    else if (sink.connecting) sink.destroy();
    else sink.resetAndDestroy();
  }

  /** Writes a piece. False when it is not its time yet, or another turn's. */
  #deliver(bytes: Buffer, nowMs: number): boolean {
    const { sliceBytes, resetAfterBytes } = this.#faults;
    if (this.#resetting) return false;
    const toReset = resetAfterBytes - this.#deliveredBytes;
    if (toReset <= 0) {
      this.#options.reset();
      return false;
    }
    const limited = this.#bucket.bytesPerSecond !== Infinity;
    const size = Math.min(
      bytes.length - this.#written,
      sliceBytes,
      toReset,
      limited ? (this.#reserved?.bytes ?? this.#bucket.quantumBytes) : Infinity,
    );
    if (limited) {
      this.#reserved ??= { bytes: size, atMs: this.#bucket.reserve(size, nowMs) };
      if (this.#reserved.atMs > nowMs) {
        this.#waitUntil(this.#reserved.atMs, nowMs);
        return false;
      }
      this.#reserved = undefined;
    }
    this.#write(bytes.subarray(this.#written, this.#written + size), size === toReset);
    if (this.#written === bytes.length) {
      this.#written = 0;
      this.#queue.shift();
    }
    this.#resumeWhenEmptyEnough();
    return size !== toReset;
  }

  #write(piece: Buffer, last: boolean): void {
    const { sink, reset } = this.#options;
    this.#written += piece.length;
    this.#queuedBytes -= piece.length;
    this.#deliveredBytes += piece.length;
    this.#count("delivered", piece.length);
    // A reset would take along what the kernel has not been given yet.
    this.#resetting = last;
    this.#sinkIsFull = !sink.write(piece, last ? () => reset() : undefined);
    if (this.#faults.sliceBytes === Infinity) return;
    this.#immediate = setImmediate(() => {
      this.#immediate = undefined;
      this.#pump();
    });
  }
}
