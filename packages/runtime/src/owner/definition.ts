/**
 * A remote function as its owner sends it: encoded once, known by number on each link of this process and by key
 * everywhere. Functions whose captured bindings are reassigned get a new definition whenever the bindings changed.
 */
import { IonoError, type ResourceVector } from "@iono/core";
import type { Companion } from "./companions.ts";
import type { Owner } from "./owner.ts";
import type { Payload } from "./payload.ts";

/** Options that the executor needs, and what the owner needs to schedule and retry. Times in ms, complete. */
export interface DefinitionOptions {
  readonly name: string;
  readonly numReturns: number;
  readonly retries: number;
  readonly retryOn: unknown;
  readonly retryDelayMs: number;
  readonly timeoutMs: number;
  readonly cancelGraceMs: number;
  readonly backpressure: number;
  readonly maxCalls: number;
  /** What a run of it has. */
  readonly resources: ResourceVector;
}

const noCompanions = (): readonly Companion[] => [];

export class Definition {
  readonly owner: Owner;
  readonly number: number;
  readonly key: string;
  readonly options: DefinitionOptions;
  readonly retries: number;
  /** Results are a stream of items. */
  readonly generator: boolean;
  /** The encoded function, or for a call of an actor its method's name. */
  readonly payload: Payload | null;
  readonly method: string | null;
  /** Concurrency group asked for by the call; "" for the method's own. */
  readonly group: string;
  /** Refs and handles inside the payload: they live as long as the definition. */
  readonly holds: readonly object[];
  /** Definitions that the payload names and does not bring. */
  readonly companions: () => readonly Companion[];
  /** Running mean of the execution time, µs; -1 until measured. */
  meanUs = -1;

  /** @throws IonoError BadOption for a generator with numReturns */
  constructor(fields: {
    owner: Owner;
    number: number;
    key: string;
    options: DefinitionOptions;
    generator: boolean;
    payload: Payload | null;
    method: string | null;
    group?: string;
    holds: readonly object[];
    companions?: () => readonly Companion[];
  }) {
    const { name, numReturns } = fields.options;
    if (fields.generator && numReturns !== 1) {
      throw new IonoError(
        "BadOption",
        `${name} is a generator: it gives a stream of results; numReturns (${numReturns}) is for functions that return an array`,
      );
    }
    this.owner = fields.owner;
    this.number = fields.number;
    this.key = fields.key;
    this.options = fields.options;
    this.retries = fields.options.retries === -1 ? Infinity : fields.options.retries;
    this.generator = fields.generator;
    this.payload = fields.payload;
    this.method = fields.method;
    this.group = fields.group ?? "";
    this.holds = fields.holds;
    this.companions = fields.companions ?? noCompanions;
  }

  /** Takes one measured run into the mean: quickly upwards, slowly downwards, so that a long task is seen at once. */
  measured(durationUs: number): void {
    const mean = this.meanUs;
    if (mean < 0) this.meanUs = durationUs;
    else this.meanUs = mean + (durationUs - mean) * (durationUs > mean ? 0.3 : 0.05);
  }
}
