/**
 * One process that stands in for the supervisors of many nodes; started by agents.ts. It reads names of nodes from its
 * input, a line each, and for each starts an agent and prints `{ name, pid, seconds }` when that has joined, or
 * `{ name, error }`. It ends, and the agents with it, when its input does.
 *
 *   node --conditions=iono-source benchmarks/mesh/stand-in.ts '<JSON of StandInOptions>'
 */
/* oxlint-disable no-restricted-imports -- what a supervisor does is no part of what packages export. */
import * as fs from "node:fs";
import { createInterface } from "node:readline";
import { makeKeys } from "../../packages/runtime/src/mesh/keys.ts";
import type { ClusterAgentOptions } from "../../packages/runtime/src/agent/options.ts";
import { SupervisedChild } from "../../packages/runtime/src/supervisor/child.ts";
import { WorkerParent } from "../../packages/runtime/src/supervisor/worker-parent.ts";

/** What all its agents have in common. */
export interface StandInOptions {
  agentFile: string;
  worker: ClusterAgentOptions["worker"];
  directory: string;
  address: string;
  token: string;
}

/** What is printed of an agent. */
export type StandInAnswer = { name: string; pid: number; seconds: number } | { name: string; error: string };

const STOP_MS = 8_000;
const STORE_BYTES = 64 * 2 ** 20;

const options = JSON.parse(process.argv[2] ?? "{}") as StandInOptions;
const children: SupervisedChild[] = [];

for await (const name of createInterface(process.stdin)) start(name);
await Promise.all(children.map((child) => child.stop("the measurement is over", STOP_MS)));
process.exit();

function start(name: string): void {
  const boot: ClusterAgentOptions = {
    supervisorPid: process.pid,
    node: {
      name,
      resources: { CPU: 10_000 },
      labels: {},
      objectStoreBytes: STORE_BYTES,
      spillDir: "",
      maxWorkers: 1,
    },
    directory: options.directory,
    worker: options.worker,
    cluster: {
      address: options.address,
      token: options.token,
      keys: makeKeys(),
      gateway: null,
      endpoint: "",
    },
  };
  const began = performance.now();
  const child: SupervisedChild = new SupervisedChild(options.agentFile, boot, (message) => {
    if (message.t === "segment") {
      const segment = fs.openSync(message.path, "r+"); // as long as this process
      child.tell({ t: "segment at", path: `/proc/${process.pid}/fd/${segment}` });
    } else if (message.t === "start worker") workers.start(message);
    else if (message.t === "kill worker") workers.kill(message.number);
    else if (message.t === "joined")
      answer({ name, pid: child.pid, seconds: (performance.now() - began) / 1000 });
    else if (message.t === "failed") answer({ name, error: message.message });
  });
  const workers = new WorkerParent((message) => child.tell(message));
  children.push(child);
  void child.ended.then((how) => {
    answer({ name, error: `it ended (${how})` });
    void workers.killAll();
  });
}

function answer(message: StandInAnswer): void {
  console.log(JSON.stringify(message));
}
