/** The rules of router.ts, checked after every step of tests and simulations. */
import { isWaiting, type Demand, type Demands } from "./router-demand.ts";
import type { Divider } from "./router-divide.ts";
import type { ClusterView } from "./view.ts";

/** @throws Error naming the rule that is broken. */
export function checkDemands(
  view: ClusterView,
  demands: Demands,
  divider: Divider,
  waiting: ReadonlySet<Demand>,
  lacking: ReadonlySet<Demand>,
): void {
  const known = new Set(demands.all());
  for (const demand of known) {
    const name = `${demand.key} of owner ${demand.owner}`;
    let sum = 0;
    for (const share of demand.shares.values()) {
      sum += share.count;
      if (share.told !== share.count)
        throw new Error(`D3: ${name}: node ${share.node} was told ${share.told} instead of ${share.count}`);
      if (share.count === 0 && share.workers.size === 0)
        throw new Error(`${name}: an empty share of node ${share.node}`);
      if (view.isAlone) continue;
      const node = view.get(share.node);
      if (node === undefined) throw new Error(`D2: ${name}: node ${share.node} is gone`);
      if (share.count > share.workers.size && !divider.index(demand).has(node.slot))
        throw new Error(`D2: ${name}: node ${share.node} cannot hold ${share.count}`);
    }
    if (sum !== demand.assigned || sum > demand.count)
      throw new Error(`D1: ${name}: ${sum} of ${demand.count}, ${demand.assigned} assigned`);
    if (sum < demand.count) {
      if (divider.target(demand).kind !== "infeasible")
        throw new Error(`D1: ${name}: ${demand.count - sum} are nowhere though a node can hold them`);
    }
    const mustLook = sum < demand.count || (!view.isAlone && isWaiting(demand));
    if (mustLook && !waiting.has(demand) && !lacking.has(demand))
      throw new Error(`D4: ${name} waits and nobody looks`);
    if (lacking.has(demand) !== demand.saidInfeasible) throw new Error(`${name}: said infeasible or not?`);
    if (demand.saidInfeasible && sum === demand.count) throw new Error(`${name}: is not infeasible`);
    if (demand.count === 0 && demand.shares.size === 0) throw new Error(`${name}: nothing is wanted or held`);
  }
  for (const demand of [...waiting, ...lacking])
    if (!known.has(demand)) throw new Error(`${demand.key} of owner ${demand.owner} is forgotten and waits`);
}
