import { get } from "iono";
import { cpuMicros, processTree } from "../outside/process-tree.ts";
import type { Load } from "./loads.ts";
import { startProbe, stopProbe } from "./probe.ts";

/** What one task costs, by process: microseconds of CPU, bytes allocated on V8's heap. */
export interface Cost {
  driverCpuUs: number;
  workerCpuUs: number;
  /** Every other process of the cluster together. */
  otherCpuUs: number;
  driverBytes: number;
  workerBytes: number;
}

const BATCH = 1_000;

/** Runs `batches` of 1,000 tasks after as many again to warm up. */
export async function measure(load: Load, batches: number): Promise<Cost & { tasksPerSecond: number }> {
  await runBatches(load, batches);
  const worker = await load.start();
  const others = processTree(process.pid).filter((pid) => pid !== process.pid && pid !== worker);
  const otherBefore = sum(others.map(cpuMicros));
  startProbe();
  const start = performance.now();
  await runBatches(load, batches);
  const seconds = (performance.now() - start) / 1000;
  const driverUsage = stopProbe();
  const otherAfter = sum(others.map(cpuMicros));
  const workerUsage = await load.stop();
  if (workerUsage.pid !== worker)
    throw new Error(`measured worker ${worker}, then worker ${workerUsage.pid}`);

  const tasks = batches * BATCH;
  return {
    driverCpuUs: driverUsage.cpuMicros / tasks,
    workerCpuUs: workerUsage.cpuMicros / tasks,
    otherCpuUs: (otherAfter - otherBefore) / tasks,
    driverBytes: driverUsage.allocatedBytes / tasks,
    workerBytes: workerUsage.allocatedBytes / tasks,
    tasksPerSecond: tasks / seconds,
  };
}

async function runBatches(load: Load, batches: number): Promise<void> {
  for (let batch = 0; batch < batches; batch++) {
    await get(Array.from({ length: BATCH }, () => load.submit()));
  }
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
