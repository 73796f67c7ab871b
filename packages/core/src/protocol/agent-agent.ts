/**
 * What agents say to each other, and to the head, between machines: frames of kind `mesh`, msgpack. Field `t` names the
 * message. Requests carry an `id` that the answer repeats; ids are the asker's own.
 */
import type { Labels } from "../labels.ts";
import type { ResourceVector } from "../resources.ts";
import type { FromHead, ToHead } from "./agent-head.ts";

/** What the head knows of a node, and tells the others. */
export interface NodeInfo {
  readonly node: number;
  /** Unique among the living. */
  readonly name: string;
  /** "driver": the agent of a program, without resources. */
  readonly kind: "node" | "driver";
  /** `tcp://host:port` of its gateway; "" when it cannot be dialled. */
  readonly endpoint: string;
  /** Z85. */
  readonly publicKey: string;
  /** The same on nodes that see the same files. */
  readonly hostId: string;
  readonly hostname: string;
  readonly pid: number;
  readonly resources: ResourceVector;
  readonly labels: Labels;
  readonly version: string;
}

/** What a node says of itself when it joins: the head gives the number and knows the key. */
export type NodeReport = Omit<NodeInfo, "node" | "publicKey">;

/** A program, as nodes that run parts of it need to know it. */
export interface JobInfo {
  /** Process number of its driver. */
  readonly job: number;
  readonly seed: { readonly startedAtMs: number; readonly random: string };
  /** URL of its entry, which workers never run; "" when there is none. */
  readonly entry: string;
  readonly namespace: string;
  readonly hostId: string;
  /** `file:` URL of the directory whose modules travel. */
  readonly root: string;
  /** Of iono. */
  readonly version: string;
  /** Node's flags for its workers on other machines. */
  readonly flags: readonly string[];
  readonly program: string;
}

/** What a node knows once it has joined. */
export interface Welcome {
  readonly node: number;
  readonly name: string;
  readonly clusterId: string;
  readonly head: { readonly endpoint: string; readonly publicKey: string };
}

export type NodeMessage =
  // leases across nodes: owner's agent → worker's agent
  | {
      readonly t: "demand";
      readonly owner: number;
      readonly resources: ResourceVector;
      readonly strategy: string;
      readonly count: number;
      readonly job: JobInfo;
    }
  | {
      readonly t: "release";
      readonly owner: number;
      readonly worker: number;
      readonly lease: number;
      readonly isLost: boolean;
    }
  | { readonly t: "replace"; readonly worker: number; readonly reason: string }
  // worker's agent → owner's agent
  | {
      readonly t: "grant";
      readonly owner: number;
      readonly worker: number;
      readonly lease: number;
      readonly pid: number;
      readonly shape: string;
    }
  | {
      readonly t: "recall";
      readonly owner: number;
      readonly worker: number;
      readonly lease: number;
      readonly shape: string;
    }
  | { readonly t: "cannot start"; readonly owners: readonly number[]; readonly reason: string }
  // to all
  | { readonly t: "process ended"; readonly process: number; readonly reason: string }
  // requests
  | { readonly t: "address"; readonly id: number; readonly process: number }
  | { readonly t: "death reason"; readonly id: number; readonly process: number }
  | { readonly t: "job"; readonly id: number; readonly job: number }
  | { readonly t: "flush logs"; readonly id: number; readonly job: number }
  | { readonly t: "code"; readonly id: number; readonly job: number; readonly request: unknown }
  | { readonly t: "status"; readonly id: number }
  | {
      readonly t: "answer";
      readonly id: number;
      readonly value: unknown;
      readonly error?: { readonly code: string; readonly message: string };
    }
  // what workers print, to the agent of their driver
  | {
      readonly t: "log";
      readonly driver: number;
      /** Name of the node where it was printed. */
      readonly node: string;
      readonly stream: "stdout" | "stderr";
      readonly label: string;
      readonly pid: number;
      readonly text: string;
    }
  | { readonly t: "object"; readonly message: unknown }
  // with the head
  | { readonly t: "to head"; readonly message: ToHead }
  | { readonly t: "from head"; readonly message: FromHead }
  /** An agent is there; also after its link to the head was made anew. */
  | { readonly t: "register"; readonly info: NodeReport }
  | { readonly t: "leave"; readonly reason: string }
  /** What the node has free, from its agent (a NodeChange); the whole cluster's, from the head (a ViewDelta). */
  | { readonly t: "usage"; readonly change: unknown }
  | { readonly t: "view"; readonly delta: unknown }
  | { readonly t: "view wanted" }
  /** Work of a process that nothing in the cluster can hold, to the agent of its driver; "" when that has changed. */
  | {
      readonly t: "infeasible";
      readonly driver: number;
      readonly shape: string;
      readonly missing: string;
      readonly actor: number;
    }
  | { readonly t: "nodes"; readonly joined: readonly NodeInfo[]; readonly left: readonly LeftNode[] }
  /** The node is not one of the cluster any more. */
  | { readonly t: "fenced"; readonly reason: string }
  | { readonly t: "stop"; readonly reason: string };

export interface LeftNode {
  readonly node: number;
  readonly name: string;
  readonly reason: string;
}
