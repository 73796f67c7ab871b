/** What the lease machine says, as processes started and messages sent. */
import { nodeOf, type LeaseInstruction } from "@iono/core";
import type { ClusterNode } from "./cluster/cluster-node.ts";
import type { HeadConnection } from "./head-connection.ts";
import type { Processes } from "./processes.ts";
import type { Workers } from "./workers.ts";

export interface LeaseInstructionsPort {
  readonly node: number;
  /** Process number of the own driver; 0 without one. */
  readonly driver: number;
  readonly processes: Processes;
  readonly workers: Workers;
  /** Null in a local cluster. */
  readonly cluster: ClusterNode | null;
  readonly head: HeadConnection;
}

export class LeaseInstructions {
  readonly #port: LeaseInstructionsPort;

  constructor(port: LeaseInstructionsPort) {
    this.#port = port;
  }

  perform(instruction: LeaseInstruction): void {
    switch (instruction.type) {
      case "spawn":
        this.#port.workers.spawn(instruction.worker, instruction.gpuIds, instruction.job);
        break;
      case "grant":
        this.#grant(instruction);
        break;
      case "recall": {
        const { owner, worker, lease, shape } = instruction;
        if (this.#isNear(owner)) this.#port.processes.send(owner, { t: "recall", worker, lease, shape });
        else this.#port.cluster?.send(nodeOf(owner), { t: "recall", owner, worker, lease, shape });
        break;
      }
      case "place actor":
        this.#port.head.sendHead({
          t: "actor placed",
          actor: instruction.request,
          process: instruction.worker,
        });
        break;
      case "stop":
        this.#stopWorker(instruction.worker, instruction.force);
        break;
      case "infeasible": {
        const { request, shape, missing } = instruction;
        // People read it at the driver, whoever asked.
        const driver = instruction.job === "" ? this.#port.driver : Number(instruction.job);
        if (this.#isNear(driver))
          this.#port.processes.send(driver, { t: "infeasible", shape, missing, actor: request });
        break;
      }
      case "bind":
        break;
    }
  }

  #grant({ owner, worker: number, lease, shape }: Extract<LeaseInstruction, { type: "grant" }>): void {
    const worker = this.#port.processes.get(number);
    if (worker === undefined) return;
    const { pid, path } = worker;
    if (this.#isNear(owner)) {
      this.#port.cluster?.leases.granted(owner, number, shape);
      this.#port.processes.send(owner, { t: "grant", worker: number, lease, path, pid, shape });
    } else this.#port.cluster?.send(nodeOf(owner), { t: "grant", owner, worker: number, lease, pid, shape });
  }

  #stopWorker(number: number, force: boolean): void {
    const unneeded = "it was not needed any more";
    // One that is not up yet has nothing to end in order.
    if (force) this.#port.workers.kill(number, "the owner of what it ran had ended");
    else if (this.#port.processes.get(number)?.path === "") this.#port.workers.kill(number, unneeded);
    else this.#port.processes.send(number, { t: "stop", reason: unneeded });
  }

  #isNear(process: number): boolean {
    return nodeOf(process) === this.#port.node;
  }
}
