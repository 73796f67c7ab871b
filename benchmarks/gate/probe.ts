/** Measures the process it runs in, from one task to a later one. */
import { AllocationMeter } from "./allocation-meter.ts";

/** What a process used between two points. */
export interface Usage {
  pid: number;
  cpuMicros: number;
  allocatedBytes: number;
}

// The start and the stop are two tasks: what is between them has to outlive both.
let running: { meter: AllocationMeter; cpu: NodeJS.CpuUsage } | undefined;

/** Starts measuring this process, and tells which it is. */
export function startProbe(): number {
  running = { meter: new AllocationMeter(), cpu: process.cpuUsage() };
  return process.pid;
}

/** @throws when this process was not being measured */
export function stopProbe(): Usage {
  if (running === undefined) throw new Error(`process ${process.pid} was not being measured`);
  const { user, system } = process.cpuUsage(running.cpu);
  const allocatedBytes = running.meter.stop();
  running = undefined;
  return { pid: process.pid, cpuMicros: user + system, allocatedBytes };
}
