/** The functions and methods that owners define on their links. */
import { unitsPerResource, type ResourceVector } from "@iono/core";
import type { Companion } from "../owner/companions.ts";
import { toError } from "../owner/failure.ts";
import type { Owner } from "../owner/owner.ts";
import { unpackMessage, type Payload } from "../owner/payload.ts";
import type { ExecutorDefinition, ExecutorLink } from "./executor-link.ts";

interface WireDefinition {
  readonly number: number;
  readonly key: string;
  readonly name: string;
  readonly method: string | null;
  readonly group: string;
  readonly generator: boolean;
  readonly numReturns: number;
  readonly backpressure: number;
  readonly maxCalls: number;
  readonly payload: Payload | null;
  readonly resources: ResourceVector;
  readonly companions: readonly Companion[];
}

export class Definitions {
  readonly #owner: Owner;
  readonly #learn: (key: string, payload: Payload) => void;

  /** @param learn keeps code that arrived, by key */
  constructor(owner: Owner, learn: (key: string, payload: Payload) => void) {
    this.#owner = owner;
    this.#learn = learn;
  }

  /** A definition arrived: it is decoded ahead of its first call. */
  define(link: ExecutorLink, chunk: Buffer, start: number, end: number): void {
    const wire = unpackMessage(chunk, start, end) as WireDefinition;
    if (wire.payload !== null) this.#learn(wire.key, wire.payload);
    for (const [key, payload] of wire.companions) this.#learn(key, payload);
    const threads = Math.max(1, Math.floor((wire.resources["CPU"] ?? 0) / unitsPerResource));
    const definition: ExecutorDefinition = {
      ...wire,
      threads,
      received: null,
      fn: null,
      loading: null,
      meanUs: -1,
      calls: 0,
    };
    try {
      if (wire.payload !== null) definition.received = this.#owner.references.receive(wire.payload, false);
    } catch (error) {
      definition.fn = toError(error);
    }
    if (wire.method !== null) definition.fn = methodFunction;
    link.definitions.set(wire.number, definition);
    if (definition.fn === null) void this.load(definition);
  }

  /** The owner can call it no longer. */
  drop(link: ExecutorLink, number: number): void {
    const definition = link.definitions.get(number);
    if (definition === undefined) return;
    link.definitions.delete(number);
    this.#owner.functions.forget(definition.key);
  }

  /** Decodes the function, once. A failure is kept and thrown by each call. */
  load(definition: ExecutorDefinition): Promise<void> {
    if (definition.fn !== null) return Promise.resolve();
    definition.loading ??= this.#owner.functions.get(definition.key, definition.received).then(
      (fn) => {
        definition.fn = fn;
        definition.loading = null;
      },
      (error: unknown) => {
        definition.fn = toError(error);
        definition.loading = null;
      },
    );
    return definition.loading;
  }
}

/** Stands for a method: the target is found at the call. */
function methodFunction(): void {}
