/**
 * What drivers and workers say to their agent and back: control frames, msgpack, low rate. Requests carry an `id` that
 * the reply repeats. Field `t` names the message.
 */
import type { ResourceVector } from "../resources.ts";
import type { StoreLocation } from "./payload.ts";

/** From a driver or worker to its agent. */
export type ToAgent =
  | { readonly t: "listening"; readonly path: string; readonly pid: number }
  /** `shape` names the pool of the owner that asks: the resources, and the strategy if there is one. */
  | {
      readonly t: "demand";
      readonly resources: ResourceVector;
      readonly shape: string;
      readonly strategy: string;
      readonly count: number;
    }
  | {
      readonly t: "release";
      readonly worker: number;
      readonly lease: number;
      readonly shape: string;
      readonly isLost: boolean;
    }
  | { readonly t: "blocked"; readonly blocked: boolean }
  | { readonly t: "address"; readonly id: number; readonly process: number }
  | { readonly t: "death reason"; readonly id: number; readonly process: number }
  | { readonly t: "replace"; readonly worker: number; readonly reason: string }
  | { readonly t: "retire"; readonly reason: string }
  | { readonly t: "create actor"; readonly id: number; readonly actor: ActorSpec }
  | { readonly t: "supply actor"; readonly actor: number; readonly payload: unknown }
  | {
      readonly t: "abandon actor";
      readonly actor: number;
      readonly reason: string;
      readonly error: Uint8Array | null;
    }
  | { readonly t: "actor address"; readonly id: number; readonly actor: number }
  | { readonly t: "get actor"; readonly id: number; readonly name: string; readonly namespace: string }
  | { readonly t: "list actors"; readonly id: number; readonly namespace: string | null }
  | { readonly t: "hold actor"; readonly id: number; readonly actor: number }
  | { readonly t: "drop actor"; readonly actor: number }
  | { readonly t: "kill actor"; readonly actor: number; readonly reason: string }
  | { readonly t: "actor constructed"; readonly error: Uint8Array | null; readonly message: string }
  | { readonly t: "log"; readonly stream: "stdout" | "stderr"; readonly label: string; readonly text: string }
  | { readonly t: "flush logs"; readonly id: number }
  /** Everything printed before the agent's "flush" has been sent. */
  | { readonly t: "flushed" }
  | { readonly t: "status"; readonly id: number }
  // objects of other nodes
  | { readonly t: "hold object"; readonly id: number; readonly location: StoreLocation }
  | { readonly t: "release object"; readonly location: StoreLocation }
  | { readonly t: "free object"; readonly location: StoreLocation }
  | {
      readonly t: "fetch object";
      readonly id: number;
      readonly location: StoreLocation;
      readonly purpose: "argument" | "read";
    };

/** From the agent to a driver or worker. */
export type FromAgent =
  | {
      readonly t: "grant";
      readonly worker: number;
      readonly lease: number;
      readonly path: string;
      readonly pid: number;
      readonly shape: string;
      /** To the node of the worker, when it is another. */
      readonly roundTripMs?: number;
    }
  | { readonly t: "recall"; readonly worker: number; readonly lease: number; readonly shape: string }
  | { readonly t: "process ended"; readonly process: number; readonly reason: string }
  /** Another node is gone, and all its processes with it. */
  | { readonly t: "node ended"; readonly node: number; readonly reason: string }
  /** What waits for a worker of this shape will never get one. */
  | { readonly t: "never"; readonly shape: string; readonly reason: string }
  | { readonly t: "infeasible"; readonly shape: string; readonly missing: string; readonly actor: number }
  | { readonly t: "host actor"; readonly actor: ActorSpec }
  | { readonly t: "stop"; readonly reason: string }
  | { readonly t: "flush" }
  /** Workers of this node end before they begin, again and again: what waits for one fails. */
  | { readonly t: "cannot start"; readonly reason: string }
  /** The store is full of objects that are in use: collect what is garbage. */
  | { readonly t: "collect" }
  | {
      readonly t: "log";
      readonly stream: "stdout" | "stderr";
      readonly label: string;
      readonly pid: number;
      /** Name of the node, when it is another than the program's. */
      readonly node?: string;
      readonly text: string;
    }
  | {
      readonly t: "reply";
      readonly id: number;
      readonly value: unknown;
      readonly error?: { readonly code: string; readonly message: string };
    };

/** Everything the agent and the hosting worker need to make an actor. */
export interface ActorSpec {
  /** owner number × 2^32 + count of that owner. */
  readonly actor: number;
  readonly className: string;
  readonly name: string;
  readonly namespace: string;
  readonly getIfExists: boolean;
  readonly detached: boolean;
  readonly placement: ResourceVector;
  readonly running: ResourceVector;
  /** On which node (options/scheduling.ts). */
  readonly strategy: string;
  readonly maxConcurrency: number;
  readonly groups: readonly {
    readonly name: string;
    readonly limit: number;
    readonly methods: readonly string[];
  }[];
  /** Method name → how its calls travel; what handles elsewhere need. */
  readonly methods: Record<string, ActorMethod>;
  readonly options: object;
  /** What makes the actor (class and arguments); null while arguments of the constructor are still to come. */
  readonly payload: unknown;
}

export interface ActorMethod {
  readonly generator: boolean;
  readonly async: boolean;
}

/** How long a process that ended may keep its reason to itself: the agent learns it from the exit of the child. */
export const deathReasonWaitMs = 500;
