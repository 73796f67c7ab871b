/** Whether a node that is alone is where work wants to be: its name and labels. What it has is for its leases to say. */
import {
  ClusterView,
  noResources,
  parseStrategyKey,
  place,
  type Infeasible,
  type ResourceVector,
} from "@iono/core";

export class LocalFit {
  readonly #view: ClusterView;

  constructor(total: ResourceVector, labels: Readonly<Record<string, string>>) {
    this.#view = new ClusterView({ local: 0, isWhole: true });
    this.#view.own({ name: "local", total, available: total, labels });
  }

  /** Why not; undefined when it is, or when only its resources do not suffice. */
  lacks(strategyKey: string): Infeasible | undefined {
    const placement = place(this.#view, {
      takes: noResources,
      strategy: parseStrategyKey(strategyKey),
      random: 0,
    });
    return placement.kind === "infeasible" ? placement : undefined;
  }
}
