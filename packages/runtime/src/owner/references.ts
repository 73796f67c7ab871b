/**
 * Refs, handles and remote functions inside values: how they leave this process and how they come in.
 *
 * A ref that leaves carries its small value, or its location; only a pending one asks its owner (I1). The sender keeps
 * what it sent alive until the receiver has answered, and the receiver pins and registers before it answers, so that
 * there is no moment in which nobody holds the object.
 */
import { CannotTravelError, IonoError } from "@iono/core";
import type { StoreHandle } from "../objects/index.ts";
import { isSettled, Ref, refState, type Identity } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import type { ObjectReference, Payload, WireReference } from "./payload.ts";

/** Kinds of references other than refs: each room that has one registers how it travels. */
export interface ReferenceKind<W extends WireReference = WireReference> {
  readonly kind: W["kind"];
  /** Undefined when the object is not of this kind. */
  leave(object: object, owner: Owner): W | undefined;
  arrive(wire: W, owner: Owner): object;
}

/** A received payload with its references made real, kept by a ref or by a task's arguments. */
export class Received {
  readonly payload: Payload;
  readonly objects: readonly object[];
  readonly handle: StoreHandle | null;
  /** The copy on this node of a value in another node's store, once somebody has read it here. */
  copy: StoreHandle | null = null;

  constructor(payload: Payload, objects: readonly object[], handle: StoreHandle | null) {
    this.payload = payload;
    this.objects = objects;
    this.handle = handle;
  }
}

export class References {
  readonly #owner: Owner;
  readonly #kinds: ReferenceKind[] = [];
  /** Own refs whose id has left the process. */
  readonly #escaped = new Map<number, WeakRef<Ref>>();
  /** Refs of other processes, so that the same id is the same object. */
  readonly #borrowed = new Map<string, WeakRef<Ref>>();
  readonly #left = new WeakSet<Ref>();
  readonly #identities = new Map<number, Identity>();
  readonly #forget = new FinalizationRegistry<number | string>((key) => {
    if (typeof key === "number") this.#drop(this.#escaped, key);
    else this.#drop(this.#borrowed, key);
  });

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  register(kind: ReferenceKind): void {
    this.#kinds.push(kind);
  }

  /** How an object met in a value travels. The caller keeps the object alive until the receiver has answered. */
  leave(object: object): WireReference {
    if (object instanceof Ref) return this.#leaveRef(object);
    for (const kind of this.#kinds) {
      const wire = kind.leave(object, this.#owner);
      if (wire !== undefined) return wire;
    }
    throw new CannotTravelError(
      [],
      `${object.constructor?.name ?? "this object"} cannot be sent to another process`,
    );
  }

  arrive(wire: WireReference): object {
    if (wire.kind === "object") return this.#arriveRef(wire);
    const kind = this.#kinds.find((each) => each.kind === wire.kind);
    if (kind === undefined)
      throw new IonoError("ObjectLost", `a reference of unknown kind "${wire.kind}" arrived`);
    return kind.arrive(wire, this.#owner);
  }

  /**
   * A payload as it is sent on: a ref inside it that was pending when the payload was made takes along what it has got
   * since, for its owner may have forgotten it (I1).
   */
  current(received: Received): Received {
    const { payload, objects, handle } = received;
    if (payload.form === 0 || !isOutdated(received, new Set())) return received;
    const references = payload.references.map((wire, i) => {
      const object = objects[i];
      return object instanceof Ref && isSettled(object) ? this.leave(object) : wire;
    });
    const current = new Received({ ...payload, references }, objects, handle);
    current.copy = received.copy;
    return current;
  }

  /** The same for a payload kept with what it holds: the objects of its references, or the Received it came as. */
  currentPayload(payload: Payload, holds: readonly object[]): Payload {
    const [first] = holds;
    return this.current(first instanceof Received ? first : new Received(payload, holds, null)).payload;
  }

  /** Something contains the ref from now on that does not pin its block itself. */
  contained(ref: Ref): void {
    this.#left.add(ref);
  }

  /** The ref has been sent, or is inside something that was: letting go of it here must not take it from there. */
  hasLeft(ref: Ref): boolean {
    return this.#left.has(ref);
  }

  /** The own ref with this sequence, if it has left the process and is still alive. */
  escaped(sequence: number): Ref | undefined {
    return this.#escaped.get(sequence)?.deref();
  }

  /** Makes the references of a payload real and pins its block, in whichever node's store it is. */
  receive(payload: Payload, pinned: boolean): Received {
    if (payload.form === 0) return new Received(payload, none, null);
    const objects = payload.references.map((wire) => this.arrive(wire));
    if (payload.form === 1) return new Received(payload, objects, null);
    const store = this.#owner.store;
    const handle = pinned ? store.adopt(payload.location) : store.hold(payload.location);
    return new Received(payload, objects, handle);
  }

  identity(processNumber: number): Identity {
    let identity = this.#identities.get(processNumber);
    if (identity === undefined) this.#identities.set(processNumber, (identity = { processNumber }));
    return identity;
  }

  #leaveRef(ref: Ref): ObjectReference {
    const owner = ref.home.processNumber;
    const { sequence } = ref;
    this.#left.add(ref);
    if (ref.home === this.#owner.identity && !this.#escaped.has(sequence)) {
      this.#escaped.set(sequence, new WeakRef(ref));
      this.#forget.register(ref, sequence);
    }
    if (ref.state === refState.pending) return { kind: "object", owner, sequence };
    if (ref.state === refState.freed) {
      throw new IonoError("ObjectFreed", `${ref.id} was released and cannot be sent`);
    }
    const failed = ref.state === refState.error;
    return {
      kind: "object",
      owner,
      sequence,
      payload: this.#owner.payloadOf(ref),
      ...(failed ? { failed } : {}),
    };
  }

  #arriveRef(wire: ObjectReference): Ref {
    if (wire.owner === this.#owner.identity.processNumber) {
      const own = this.escaped(wire.sequence);
      if (own !== undefined) return own;
    }
    const key = `${wire.owner}-${wire.sequence}`;
    const known = this.#borrowed.get(key)?.deref();
    if (known !== undefined) {
      if (wire.payload !== undefined && known.state === refState.pending)
        this.#fill(known, wire.payload, wire.failed === true);
      return known;
    }
    const ref = new Ref(this.identity(wire.owner), wire.sequence);
    this.#borrowed.set(key, new WeakRef(ref));
    this.#forget.register(ref, key);
    if (wire.payload !== undefined) this.#fill(ref, wire.payload, wire.failed === true);
    else this.#owner.borrows.watch(ref);
    return ref;
  }

  #fill(ref: Ref, payload: Payload, failed: boolean): void {
    this.#owner.settleWith(ref, payload, failed, false);
  }

  #drop<K>(map: Map<K, WeakRef<Ref>>, key: K): void {
    if (map.get(key)?.deref() === undefined) map.delete(key);
  }
}

function isOutdated({ payload, objects }: Received, seen: Set<object>): boolean {
  if (payload.form === 0) return false;
  return payload.references.some((wire, i) => {
    const object = objects[i];
    if (wire.kind !== "object" || !(object instanceof Ref) || !isSettled(object) || seen.has(object))
      return false;
    seen.add(object);
    return wire.payload === undefined || (object.value instanceof Received && isOutdated(object.value, seen));
  });
}

const none: readonly object[] = [];
