/**
 * What agents say to the head and back. In a local cluster the head lives in the agent, and these messages are calls.
 * `process` is the process that asks or is meant; replies find their way by it. Requests carry the id that the process
 * gave; a head that hears one twice does no harm.
 */
import type { ResourceVector } from "../resources.ts";
import type { ActorSpec } from "./owner-agent.ts";

/** From an agent to the head. */
export type ToHead =
  | {
      readonly t: "create actor";
      readonly process: number;
      readonly id: number;
      readonly actor: ActorSpec;
    }
  | { readonly t: "supply actor"; readonly actor: number; readonly payload: unknown }
  | {
      readonly t: "abandon actor";
      readonly actor: number;
      readonly reason: string;
      readonly error: Uint8Array | null;
    }
  | { readonly t: "actor address"; readonly process: number; readonly id: number; readonly actor: number }
  | {
      readonly t: "get actor";
      readonly process: number;
      readonly id: number;
      readonly name: string;
      readonly namespace: string;
    }
  | {
      readonly t: "list actors";
      readonly process: number;
      readonly id: number;
      readonly namespace: string | null;
    }
  | { readonly t: "hold actor"; readonly process: number; readonly id: number; readonly actor: number }
  | { readonly t: "drop actor"; readonly process: number; readonly actor: number }
  | { readonly t: "kill actor"; readonly actor: number; readonly reason: string }
  | {
      readonly t: "actor constructed";
      readonly process: number;
      readonly error: Uint8Array | null;
      readonly message: string;
    }
  | { readonly t: "actor placed"; readonly actor: number; readonly process: number }
  | { readonly t: "process ended"; readonly process: number; readonly reason: string }
  /** Workers of the node cannot start: what waits to be placed there is given up. */
  | { readonly t: "cannot start"; readonly node: number; readonly reason: string };

/** From the head to an agent: that of `process`, or the one where an actor is to be placed. */
export type FromHead =
  | {
      readonly t: "reply";
      readonly process: number;
      readonly id: number;
      readonly value: unknown;
      readonly error?: { readonly code: string; readonly message: string };
    }
  /** Answers "actor address": the agent of `process` knows how `host` is reached from there. */
  | { readonly t: "actor at"; readonly process: number; readonly id: number; readonly host: number }
  | {
      readonly t: "place actor";
      readonly actor: number;
      /** Process number of the driver whose program the actor belongs to. */
      readonly job: number;
      readonly placement: ResourceVector;
      readonly running: ResourceVector;
      readonly detached: boolean;
    }
  | { readonly t: "withdraw actor"; readonly actor: number }
  | { readonly t: "host actor"; readonly process: number; readonly actor: ActorSpec }
  | {
      readonly t: "end process";
      readonly process: number;
      readonly force: boolean;
      readonly reason: string;
    };
