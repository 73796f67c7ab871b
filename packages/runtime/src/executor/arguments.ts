/** The arguments of an entry: plain values back to back, or payloads (protocol/owner-worker.ts). */
import type { Owner } from "../owner/owner.ts";
import { unpackPayload } from "../owner/payload.ts";
import type { Received } from "../owner/references.ts";
import { readValue, ValueReader } from "../values/index.ts";

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

  /** Payloads: what they refer to is pinned here, and registered with its owner, before they are read. */
  async composite(chunk: Buffer, from: number, end: number): Promise<unknown[]> {
    const { references, borrows, codec } = this.#owner;
    const received: Received[] = [];
    for (let at = from; at < end;) {
      const length = chunk.readUInt32LE(at);
      const form = chunk[at + 4];
      received.push(references.receive(unpackPayload(form, chunk, at + 5, at + 4 + length), false));
      at += 4 + length;
    }
    await borrows.confirmed();
    return Promise.all(received.map((each) => codec.decode(each)));
  }
}

const noParts: readonly Uint8Array[] = [];
