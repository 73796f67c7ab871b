/** Values to payloads and back: the value codec with this process's hosts around it. */
import { CannotTravelError, limits, type StoreLocation } from "@iono/core";
import type { CaptureContext } from "../capture/index.ts";
import { imageOf, instantiate, loadModules, moduleNamespace, unitById } from "../capture/index.ts";
import { readValue, requiredModules, ValueReader, ValueWriter, writeValue } from "../values/index.ts";
import type {
  CodeUnit,
  DecodeHost,
  Encoded,
  EncodeHost,
  FunctionImage,
  ImportedBinding,
  PendingFunction,
} from "../values/seam.ts";
import { worthABlockBytes } from "./inline-budget.ts";
import type { Owner } from "./owner.ts";
import { Ref } from "./object-ref.ts";
import { payloadBytes, type Payload, type WireReference } from "./payload.ts";
import type { Received } from "./references.ts";

const inlineLimitBytes = limits.inlineValue.value;

/** Collects the references of one message. */
class CollectingHost implements EncodeHost {
  readonly #context: CaptureContext;
  objects: object[] = [];

  constructor(context: CaptureContext) {
    this.#context = context;
  }

  reference(value: object): number {
    const known = this.objects.indexOf(value);
    if (known >= 0) return known;
    this.objects.push(value);
    return this.objects.length - 1;
  }

  image(fn: Function, path: readonly string[]): FunctionImage | ImportedBinding {
    return imageOf(fn, path, this.#context);
  }

  knows(): boolean {
    return false;
  }
}

class ReceivingHost implements DecodeHost {
  objects: readonly object[] = [];

  reference(index: number): object {
    const object = this.objects[index];
    if (object === undefined)
      throw new Error(`malformed value: reference ${index} of ${this.objects.length}`);
    return object;
  }

  module(url: string): Record<string, unknown> {
    return moduleNamespace(url);
  }

  instantiate(unit: CodeUnit, origin?: string): PendingFunction {
    return instantiate(unit, origin);
  }

  unit(id: string): CodeUnit {
    return unitById(id);
  }
}

/** An encoded value and what must stay alive while it travels. */
export interface Outgoing {
  readonly payload: Payload;
  /** Refs and handles inside it, and the handle of its block. */
  readonly holds: readonly object[];
}

export class Codec {
  readonly #owner: Owner;
  readonly host: CollectingHost;
  /** Arguments of many tasks, one after another; tasks point into its buffer. */
  readonly slab = new ValueWriter(64 * 1024);
  readonly #scratch = new ValueWriter(4 * 1024);
  /** A writer and host in use further out: encoding a remote function encodes functions inside functions. */
  #depth = 0;
  readonly #reader = new ValueReader(new Uint8Array(0), 0, 0, []);
  readonly #receiving = new ReceivingHost();
  /** Decodes values without references or imports. */
  readonly plainHost: DecodeHost = new ReceivingHost();
  readonly context: CaptureContext;

  constructor(owner: Owner, context: CaptureContext) {
    this.#owner = owner;
    this.context = context;
    this.host = new CollectingHost(context);
  }

  /**
   * Encodes one value. Above the inline limit (with `toStore`, from a page on) it goes to the store, pinned for
   * `pinnedFor` (this process by default).
   * @throws CannotTravelError naming the path below `path`
   */
  encode(
    value: unknown,
    path: string[],
    pinnedFor = this.#owner.identity.processNumber,
    toStore = false,
  ): Outgoing {
    const nested = this.#depth > 0;
    const writer = nested ? new ValueWriter(1024) : this.#scratch;
    const host = new CollectingHost(this.context);
    this.#depth++;
    let encoded;
    try {
      writer.reset();
      writeValue(writer, value, host, path);
      encoded = writer.take();
    } finally {
      this.#depth--;
    }
    const references: WireReference[] = [];
    for (const object of host.objects) {
      try {
        references.push(this.#owner.references.leave(object));
      } catch (error) {
        throw error instanceof CannotTravelError
          ? new CannotTravelError([...path, ...error.path], error.message, { cause: error })
          : error;
      }
    }
    if (references.length > 0) this.#boundReferences(host.objects, references, path);
    let size = encoded.bytes.length;
    for (const part of encoded.parts) size += part.length;
    if ((size > inlineLimitBytes || (toStore && size >= worthABlockBytes)) && this.#owner.hasStore) {
      const store = this.#owner.store;
      const location = store.write(encoded, pinnedFor);
      const mine = pinnedFor === this.#owner.identity.processNumber;
      const holds = mine ? [...host.objects, store.adopt(location)] : host.objects;
      return { payload: { form: 2, location, references }, holds };
    }
    if (references.length === 0 && encoded.parts.length === 0)
      return { payload: { form: 0, bytes: encoded.bytes }, holds: [] };
    // Parts are views of the caller's memory: an inline payload that outlives this call needs its own copy (I3).
    const parts = encoded.parts.map(copyOf);
    return { payload: { form: 1, bytes: encoded.bytes, parts, references }, holds: host.objects };
  }

  /** What refs inside a value bring along: much of it moves to the store, too much is refused. */
  #boundReferences(objects: readonly object[], references: WireReference[], path: readonly string[]): void {
    let bytes = weightOf(references, path);
    for (
      let i = 0;
      i < references.length && bytes > limits.inlineArguments.value && this.#owner.hasStore;
      i++
    ) {
      const object = objects[i];
      const reference = references[i];
      if (
        !(object instanceof Ref) ||
        reference.kind !== "object" ||
        reference.payload === undefined ||
        reference.failed === true
      )
        continue;
      if (reference.payload.form === 2 || payloadBytes(reference.payload) < worthABlockBytes) continue;
      bytes -= payloadBytes(reference.payload);
      references[i] = { ...reference, payload: this.#owner.moveToStore(object) };
    }
    if (bytes > mostReferenceBytes) {
      throw new CannotTravelError(
        [...path],
        `cannot travel: the refs inside it bring along ${bytes} bytes of small values; put fewer in one value`,
      );
    }
  }

  /** The same value in the store, held by this process. */
  toStore(payload: Exclude<Payload, { form: 2 }>): Outgoing {
    const { store } = this.#owner;
    const parts = payload.form === 1 ? payload.parts : noParts;
    const location = store.write(
      { bytes: payload.bytes, parts: [...parts] },
      this.#owner.identity.processNumber,
    );
    return {
      payload: { form: 2, location, references: payload.form === 1 ? payload.references : [] },
      holds: [store.adopt(location)],
    };
  }

  /** A value above the inline limit, put into the store without blocking; null when the value is small. */
  async encodeLarge(
    value: unknown,
  ): Promise<{ payload: Payload; objects: readonly object[]; holds: readonly object[] } | null> {
    if (!this.#owner.hasStore) return null;
    const writer = new ValueWriter(4096);
    const host = new CollectingHost(this.context);
    writeValue(writer, value, host, []);
    const encoded = writer.take();
    let size = encoded.bytes.length;
    for (const part of encoded.parts) size += part.length;
    if (size <= inlineLimitBytes) return null;
    const references = host.objects.map((object) => this.#owner.references.leave(object));
    const { store, identity } = this.#owner;
    // What waits for room is copied first: the caller may change the value as soon as it has the promise (I3).
    const location =
      store.tryWrite(encoded, identity.processNumber) ??
      (await store.writeAsync(
        { bytes: encoded.bytes, parts: encoded.parts.map(copyOf) },
        identity.processNumber,
      ));
    return {
      payload: { form: 2, location, references },
      objects: host.objects,
      holds: [...host.objects, this.#owner.store.adopt(location)],
    };
  }

  /** Decodes plain value bytes in place, without references, parts or imports. */
  decodePlain(chunk: Uint8Array, start: number, end: number): unknown {
    this.#reader.reset(chunk, start, end, noParts);
    this.#receiving.objects = noObjects;
    return readValue(this.#reader, this.#receiving);
  }

  /** Modules that must be imported before the payload can be decoded. */
  modules(received: Received): string[] {
    const { payload } = received;
    return payload.form === 2 ? [] : requiredModules(payload.bytes);
  }

  /** Whether the value must be fetched from another node before it can be decoded. */
  isElsewhere({ payload, copy }: Received): boolean {
    return payload.form === 2 && copy === null && this.#owner.store.isRemote(payload.location);
  }

  /** Fetches an argument of a task from another node. */
  async fetch(received: Received): Promise<void> {
    const { payload } = received;
    if (payload.form === 2) await this.#owner.store.fetch(payload.location, "argument", received);
  }

  #stored(received: Received, location: StoreLocation): Promise<Encoded> {
    const { store } = this.#owner;
    if (!store.isRemote(location)) return store.readAsync(location);
    return received.copy === null
      ? this.#fromElsewhere(received, location)
      : store.readCopy(location, received);
  }

  /** The running task gives up its turn while the value comes; cancelling it ends that. */
  async #fromElsewhere(received: Received, location: StoreLocation): Promise<Encoded> {
    const interrupted = Promise.withResolvers<never>();
    const resume = this.#owner.surroundings.waiting(interrupted.reject);
    try {
      return await Promise.race([this.#owner.store.readCopy(location, received), interrupted.promise]);
    } finally {
      resume?.();
    }
  }

  /** Decodes a received payload afresh. */
  async decode(received: Received): Promise<unknown> {
    const { payload } = received;
    const encoded = payload.form === 2 ? await this.#stored(received, payload.location) : payload;
    const modules = requiredModules(encoded.bytes);
    if (modules.length > 0) await loadModules(modules);
    const reader = new ValueReader(
      encoded.bytes,
      0,
      encoded.bytes.length,
      "parts" in encoded ? copies(payload, encoded.parts) : noParts,
    );
    const host = new ReceivingHost();
    host.objects = received.objects;
    return readValue(reader, host);
  }
}

/** Parts of an inline payload are kept by the ref: each decode gets its own copy (I3). Those of the store are private already. */
function copies(payload: Payload, parts: readonly Uint8Array[]): readonly Uint8Array[] {
  return payload.form === 2 ? parts : parts.map(copyOf);
}

function copyOf(part: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(part);
}

/** Half of what a frame may hold. */
const mostReferenceBytes = limits.frame.value / 2;
const mostReferenceDepth = 200;

/** Bytes that references bring along, roughly; stops counting when they are too many. */
function weightOf(references: readonly WireReference[], path: readonly string[], depth = 1): number {
  if (depth > mostReferenceDepth) {
    throw new CannotTravelError(
      [...path],
      `cannot travel: refs lie inside values of refs more than ${mostReferenceDepth} deep`,
    );
  }
  let bytes = 0;
  for (const reference of references) {
    bytes += referenceBytes;
    if (reference.kind !== "object" || reference.payload === undefined) continue;
    const { payload } = reference;
    if (payload.form !== 2) bytes += payloadBytes(payload);
    if (payload.form !== 0) bytes += weightOf(payload.references, path, depth + 1);
    // A list of many small refs goes on to be counted, as it may move to the store.
    if (depth > 1 && bytes > mostReferenceBytes) return bytes;
  }
  return bytes;
}

const referenceBytes = 64;

const noParts: readonly Uint8Array[] = [];
const noObjects: readonly object[] = [];
