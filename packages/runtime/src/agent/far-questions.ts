/** What members of a node ask of other nodes: how processes there are reached, how they ended, and their objects. */
import { IonoError, nodeOf, type ToAgent } from "@iono/core";
import type { ClusterNode } from "./cluster/cluster-node.ts";
import type { Asker, Processes } from "./processes.ts";

type ObjectRequest = Extract<
  ToAgent,
  { t: "hold object" | "fetch object" | "release object" | "free object" }
>;

export class FarQuestions {
  readonly #node: number;
  readonly #processes: Processes;
  readonly #cluster: ClusterNode | null;

  /** @param cluster null in a local cluster. */
  constructor(node: number, processes: Processes, cluster: ClusterNode | null) {
    this.#node = node;
    this.#processes = processes;
    this.#cluster = cluster;
  }

  address(asker: Asker, process: number): void {
    const cluster = this.#cluster;
    if (cluster === null || nodeOf(process) === this.#node) {
      this.#processes.address(asker, process);
      return;
    }
    cluster.requests.ask(nodeOf(process), { t: "address", process }).then(
      () => this.#processes.reply(asker, { path: cluster.relayPath, pid: 0 }),
      (error: unknown) => this.#processes.refuse(asker, asIonoError(error)),
    );
  }

  deathReason(asker: Asker, process: number): void {
    const cluster = this.#cluster;
    const lost = cluster?.lossOf(nodeOf(process));
    if (lost !== undefined) this.#processes.reply(asker, lost);
    else if (cluster === null || nodeOf(process) === this.#node) this.#processes.deathReason(asker, process);
    else
      cluster.requests.ask(nodeOf(process), { t: "death reason", process }).then(
        (reason) => this.#processes.reply(asker, reason),
        (error: unknown) => this.#processes.reply(asker, asIonoError(error).message),
      );
  }

  /** @throws IonoError in a local cluster, where there are none. */
  object(owner: Asker["peer"], message: ObjectRequest): void {
    if (this.#cluster === null)
      throw new IonoError("Internal", "an object of another node in a local cluster");
    const { transfers } = this.#cluster;
    switch (message.t) {
      case "hold object":
        this.#answer({ peer: owner, id: message.id }, transfers.hold(message.location, owner.number));
        break;
      case "fetch object":
        this.#answer(
          { peer: owner, id: message.id },
          transfers.fetch(message.location, owner.number, message.purpose),
        );
        break;
      case "release object":
        transfers.release(message.location, owner.number);
        break;
      case "free object":
        transfers.free(message.location);
        break;
    }
  }

  #answer(asker: Asker, done: Promise<unknown>): void {
    done.then(
      (value) => this.#processes.reply(asker, value ?? null),
      (error: unknown) => this.#processes.refuse(asker, asIonoError(error)),
    );
  }
}

function asIonoError(error: unknown): IonoError {
  return error instanceof IonoError ? error : new IonoError("Internal", String(error));
}
