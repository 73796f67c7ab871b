/** Whether a node that is alone is where work wants to be: its name and labels. What it has is for its leases to say. */
import {
  ClusterView,
  noResources,
  parseStrategyKey,
  place,
  sanitizeResources,
  shapeKey,
  type ActorSpec,
  type FromAgent,
  type Infeasible,
} from "@iono/core";
import type { AgentOptions } from "./options.ts";

export class LocalFit {
  readonly #view = new ClusterView({ local: 0, isWhole: true });
  readonly #send: (process: number, message: FromAgent) => void;
  /** Shapes of which it was said that no node can run them. */
  readonly #told = new Set<string>();

  /** @param send to a process; 0 for the driver, where people read. */
  constructor({ resources, labels }: AgentOptions, send: (process: number, message: FromAgent) => void) {
    this.#view.own({ name: "local", total: resources, available: resources, labels });
    this.#send = send;
  }

  /** Whether tasks of a strategy may run here; says so when not. */
  mayRun(owner: number, shape: string, strategy: string): boolean {
    const lacks = this.#lacks(strategy);
    if (lacks === undefined) return true;
    const { missing } = lacks;
    if (lacks.isFinal) this.#send(owner, { t: "never", shape, reason: missing });
    else if (!this.#told.has(shape)) {
      this.#told.add(shape);
      this.#send(0, { t: "infeasible", shape, missing, actor: 0 });
    }
    return false;
  }

  /** Whether an actor may be placed here. "never": it had better die, for the reason. */
  mayPlace({ actor, placement, strategy }: ActorSpec): "yes" | "not now" | { readonly never: string } {
    const lacks = strategy === "" ? undefined : this.#lacks(strategy);
    if (lacks === undefined) return "yes";
    if (lacks.isFinal) return { never: lacks.missing };
    const shape = shapeKey(sanitizeResources(placement));
    this.#send(0, { t: "infeasible", shape, missing: lacks.missing, actor });
    return "not now";
  }

  #lacks(strategyKey: string): Infeasible | undefined {
    const strategy = parseStrategyKey(strategyKey);
    const placement = place(this.#view, { takes: noResources, strategy, random: 0 });
    return placement.kind === "infeasible" ? placement : undefined;
  }
}
