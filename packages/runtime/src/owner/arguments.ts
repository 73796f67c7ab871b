/** Arguments of a task that are more than plain values: refs, what contains refs, and what is large. */
import { limits, payloadForms, taskFlags, type StoreLocation } from "@iono/core";
import type { StoreClient } from "../objects/index.ts";
import type { Outgoing } from "./codec.ts";
import type { Definition } from "./definition.ts";
import { Failure, toError } from "./failure.ts";
import { addWaiter, Ref, refState, type Identity } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import { packPayload, payloadBytes, type Payload } from "./payload.ts";
import { Task, type Destination } from "./task.ts";

/** The blocks of refs that are arguments of one task: they stay until it is over, whoever lets go of the refs. */
class ArgumentPins {
  readonly #store: StoreClient;
  readonly #locations: StoreLocation[] = [];

  constructor(store: StoreClient) {
    this.#store = store;
  }

  /** Throws ObjectFreed, ObjectLost. */
  add(location: StoreLocation): void {
    this.#store.pin(location);
    this.#locations.push(location);
  }

  release(): void {
    for (const location of this.#locations.splice(0)) this.#store.unpin(location);
  }
}

/** A task with such arguments: values are encoded now, refs wait for their values. */
export function encodeComposite(
  owner: Owner,
  sequence: number,
  ref: Ref,
  definition: Definition,
  destination: Destination,
  args: readonly unknown[],
): Task {
  const task = new Task(sequence, ref, definition, destination, nothing, 0, 0, args.length);
  task.flags |= taskFlags.composite;
  // Values are snapshotted now (I3); refs wait for their values.
  const toStore = owner.inline.exceededBy(0) && owner.hasStore;
  const held = args.map((value, i) =>
    value instanceof Ref ? value : owner.codec.encode(value, [`argument ${i}`], undefined, toStore),
  );
  task.held = held;
  for (const each of new Set(held)) {
    if (each instanceof Ref && each.state === refState.pending) {
      task.unsettled++;
      addWaiter(each, task);
    }
  }
  if (task.unsettled === 0) resolveArguments(owner, task);
  return task;
}

/** Writes the composite arguments: every ref among them is settled. */
export function resolveArguments(owner: Owner, task: Task): void {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const held = task.held as Array<Ref | Outgoing>;
  try {
    const payloads: Payload[] = [];
    for (const each of held) {
      if (each instanceof Ref && (each.state === refState.error || each.state === refState.freed)) {
        task.failedDependency ??= each;
        return;
      }
      payloads.push(each instanceof Ref ? owner.payloadOf(each) : each.payload);
    }
    boundArguments(owner, payloads, held);
    pinArguments(owner, payloads, held);
    if (task.destination.near !== undefined) {
      const node = nodeOfData(payloads);
      if (node > 0) task.destination = task.destination.near(node);
    }
    for (const payload of payloads) {
      const packed = packPayload(payload);
      const header = Buffer.allocUnsafe(5);
      header.writeUInt32LE(packed.length + 1, 0);
      header[4] = payload.form;
      pieces.push(header, packed);
      length += 5 + packed.length;
    }
  } catch (error) {
    // A ref released meanwhile: the call fails with that, it does not throw into an unrelated place.
    task.failedDependency = failedRef(owner.identity, error);
    return;
  }
  task.bytes = Buffer.concat(pieces, length);
  task.at = 0;
  task.length = length;
}

/** Blocks of refs among the arguments: whoever lets go of such a ref does not take it from the task. */
function pinArguments(owner: Owner, payloads: readonly Payload[], held: object[]): void {
  let pins: ArgumentPins | null = null;
  for (const [i, payload] of payloads.entries()) {
    if (payload.form !== payloadForms.stored || !(held[i] instanceof Ref)) continue;
    if (pins === null) held.push((pins = new ArgumentPins(owner.store)));
    pins.add(payload.location);
  }
}

/** The node that has most of what is stored, if that is much: moving the task there costs less. 0: it makes no difference. */
function nodeOfData(payloads: readonly Payload[]): number {
  const bytes = new Map<number, number>();
  for (const payload of payloads) {
    if (payload.form !== payloadForms.stored) continue;
    const { node, size } = payload.location;
    bytes.set(node, (bytes.get(node) ?? 0) + size);
  }
  let best = 0;
  let most = limits.localityBytes.value;
  for (const [node, total] of bytes) {
    if (total < most) continue;
    best = node;
    most = total;
  }
  return best;
}

/** What is too much to travel inline moves to the store, the largest first (`limits.inlineArguments`). */
function boundArguments(owner: Owner, payloads: Payload[], held: object[]): void {
  const mostBytes = limits.inlineArguments.value;
  let total = 0;
  for (const payload of payloads) if (payload.form !== payloadForms.stored) total += payloadBytes(payload);
  if (total <= mostBytes || !owner.hasStore) return;
  const largest = payloads
    .map((_, i) => i)
    .sort((a, b) => payloadBytes(payloads[b]) - payloadBytes(payloads[a]));
  const moved = new Map<Payload, Payload>();
  for (const i of largest) {
    if (total <= mostBytes) return;
    const payload = payloads[i];
    if (payload.form === payloadForms.stored) continue;
    let stored = moved.get(payload);
    if (stored === undefined) {
      const outgoing = owner.codec.toStore(payload);
      moved.set(payload, (stored = outgoing.payload));
      held.push(...outgoing.holds);
    }
    payloads[i] = stored;
    total -= payloadBytes(payload);
  }
}

/** The task is over: what its arguments held is let go. */
export function releaseArguments(task: Task): void {
  const last = task.held?.at(-1);
  if (last instanceof ArgumentPins) last.release();
  task.held = null;
}

function failedRef(identity: Identity, error: unknown): Ref {
  const ref = new Ref(identity, 0);
  ref.state = refState.error;
  ref.value = new Failure(null, toError(error));
  return ref;
}

const nothing = new Uint8Array(0);
