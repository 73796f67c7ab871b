/** Which node each actor goes to: decided when it is to be made, and anew when that node is gone. */
import {
  creatorOf,
  nodeOf,
  parseStrategyKey,
  place,
  sanitizeResources,
  shapeKey,
  type ActorSpec,
  type ClusterView,
} from "@iono/core";

export interface PlacementsPort {
  readonly view: ClusterView;
  /** The node's leases are to find a process for it. */
  ask(node: number, spec: ActorSpec): void;
  withdraw(node: number, actor: number): void;
  /** No node can hold it; `missing` says why. "" when one can now. */
  infeasible(spec: ActorSpec, missing: string): void;
  /** It names a node that is not there and never will be. */
  hopeless(actor: number, reason: string): void;
}

interface Waiting {
  readonly spec: ActorSpec;
  /** 0 while it waits for a node with room. */
  node: number;
  since: number;
  missing: string;
}

/** An actor that has waited this long for room queues at the node where least waits: its leases are fair to all. */
const patienceMs = 150;

export class Placements {
  readonly #port: PlacementsPort;
  readonly #waiting = new Map<number, Waiting>();
  #timer: NodeJS.Timeout | undefined;

  constructor(port: PlacementsPort) {
    this.#port = port;
  }

  place(spec: ActorSpec): void {
    const waiting: Waiting = { spec, node: 0, since: performance.now(), missing: "" };
    this.#waiting.set(spec.actor, waiting);
    this.#try(waiting);
  }

  withdraw(actor: number): void {
    const waiting = this.#waiting.get(actor);
    this.#waiting.delete(actor);
    if (waiting !== undefined && waiting.node !== 0) this.#port.withdraw(waiting.node, actor);
  }

  /** Its process is there. */
  placed(actor: number): void {
    this.#waiting.delete(actor);
  }

  /** What was to be placed on a node goes elsewhere. */
  nodeGone(node: number): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.node !== node) continue;
      waiting.node = 0;
      waiting.since = performance.now();
    }
    this.changed();
  }

  /** Actors for which a process was asked for on the node. */
  pendingOn(node: number): number[] {
    return [...this.#waiting].filter(([, waiting]) => waiting.node === node).map(([actor]) => actor);
  }

  /** The view has changed. */
  changed(): void {
    for (const waiting of this.#waiting.values()) if (waiting.node === 0) this.#try(waiting);
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #try(waiting: Waiting): void {
    const { spec } = waiting;
    const { view } = this.#port;
    const needs = sanitizeResources(spec.placement);
    const takes = sanitizeResources(spec.running);
    const strategy = parseStrategyKey(spec.strategy);
    const from = nodeOf(creatorOf(spec.actor).process);
    const now = performance.now();
    // One that names its node waits there; another looks around for a while.
    const canQueue = strategy.policy === "node" || now - waiting.since >= patienceMs;
    const placement = place(view, { needs, takes, strategy, random: Math.random(), from, now, canQueue });
    if (placement.kind === "infeasible") {
      if (placement.isFinal) this.#port.hopeless(spec.actor, placement.missing);
      else if (waiting.missing === "") this.#port.infeasible(spec, placement.missing);
      waiting.missing = placement.missing;
      return;
    }
    if (waiting.missing !== "") this.#port.infeasible(spec, "");
    waiting.missing = "";
    if (placement.kind === "wait") {
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.changed();
      }, patienceMs);
      return;
    }
    waiting.node = placement.node;
    this.#port.ask(placement.node, spec);
  }
}

/** For people: what an actor asks for. */
export function shapeOf(spec: ActorSpec): string {
  return shapeKey(sanitizeResources(spec.placement));
}
