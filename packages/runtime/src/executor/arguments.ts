/** The arguments of an entry: plain values back to back, or payloads (protocol/owner-worker.ts). */
import type { Owner } from "../owner/owner.ts";
import { unpackPayload } from "../owner/payload.ts";
import type { Received } from "../owner/references.ts";
import { readValue, ValueReader } from "../values/index.ts";

/** The task begins to wait, and gives its turn to others until the result is called. */
type Wait = (interrupt: (reason: Error) => void) => (() => void) | null;

export class ArgumentReader {
  readonly #owner: Owner;
  readonly #reader = new ValueReader(new Uint8Array(0), 0, 0, []);

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  plain(chunk: Buffer, from: number, end: number): unknown[] {
    const args: unknown[] = [];
    if (from === end) return args;
    const reader = this.#reader;
    reader.reset(chunk, from, end, noParts);
    while (reader.position < end) args.push(readValue(reader, this.#owner.codec.plainHost));
    return args;
  }

  /** Plain values for a function that is still being decoded. */
  async late(loaded: Promise<void>, chunk: Buffer, from: number, end: number): Promise<unknown[]> {
    await loaded;
    return this.plain(chunk, from, end);
  }

  /**
   * Payloads: what they refer to is pinned here, and registered with its owner, before they are read. Values of other
   * nodes are fetched first; the task waits meanwhile.
   */
  async composite(chunk: Buffer, from: number, end: number, wait: Wait = () => null): Promise<unknown[]> {
    const { references, borrows, codec } = this.#owner;
    const received: Received[] = [];
    for (let at = from; at < end;) {
      const length = chunk.readUInt32LE(at);
      const form = chunk[at + 4];
      received.push(references.receive(unpackPayload(form, chunk, at + 5, at + 4 + length), false));
      at += 4 + length;
    }
    if (received.some((each) => codec.isElsewhere(each))) await this.#fetch(received, wait);
    await borrows.confirmed();
    return Promise.all(received.map((each) => codec.decode(each)));
  }

  /** Rejects as soon as the task is cancelled. */
  async #fetch(received: readonly Received[], wait: Wait): Promise<void> {
    const { codec } = this.#owner;
    const elsewhere = received.filter((each) => codec.isElsewhere(each));
    const interrupted = Promise.withResolvers<never>();
    const resume = wait(interrupted.reject);
    try {
      const fetched = Promise.all(elsewhere.map((each) => codec.fetch(each)));
      await Promise.race([fetched, interrupted.promise]);
    } finally {
      resume?.();
    }
  }
}

const noParts: readonly Uint8Array[] = [];
