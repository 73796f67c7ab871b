/** The rules of lease.ts, checked after every step of tests and simulations. */
import { shapeKey } from "../resources.ts";
import type { LeaseSettings } from "./lease-events.ts";
import type { GpuSlots } from "./lease-gpus.ts";
import type { Shape, Worker } from "./lease-state.ts";

/** @throws Error naming the rule that is broken and the worker that breaks it. */
export function checkLeases(
  settings: LeaseSettings,
  workers: ReadonlyMap<number, Worker>,
  gpus: GpuSlots,
  shapes: ReadonlyMap<string, Shape>,
): void {
  const held: Record<string, number> = {};
  const gpuUnits = [...gpus.freeUnits];
  for (const worker of workers.values()) {
    for (const name in worker.held) held[name] = (held[name] ?? 0) + worker.held[name];
    held["CPU"] = (held["CPU"] ?? 0) - worker.borrowedCpu;
    for (const id of worker.gpuIds) gpuUnits[id] += Math.min(worker.gpuUnits, 10_000);
    checkWorker(worker);
    const shape = shapes.get(worker.shape ?? "");
    if (
      shape !== undefined &&
      worker.shape !== null &&
      (shape.job !== worker.job || shape.name !== worker.shapeName)
    )
      throw new Error(
        `L6: worker ${worker.number} of job ${worker.job} serves ${shape.name} of ${shape.job}`,
      );
  }
  for (const name in held) {
    const total = settings.total[name] ?? 0;
    if (held[name] > total) throw new Error(`L1: ${held[name]} of ${total} ${name} are held`);
  }
  gpus.check();
  gpuUnits.forEach((units, id) => {
    if (units !== 10_000) throw new Error(`L5: GPU ${id}: free and held units add up to ${units}`);
  });
  if (workers.size > Math.max(settings.maxWorkers, settings.idleWorkers))
    throw new Error(`${workers.size} workers`);
}

function checkWorker(worker: Worker): void {
  const { number, state, shape, held, owners } = worker;
  const isHeld = state === "leased" || state === "recalled";
  if (owners.size > 0 && !isHeld) throw new Error(`L2: worker ${number} is ${state} and has owners`);
  if (isHeld && shape === null) throw new Error(`L2: worker ${number} is ${state} for no shape`);
  if (state === "recalled" && owners.size === 0)
    throw new Error(`L2: worker ${number} is recalled from nobody`);
  if (state === "idle" && (shape !== null || shapeKey(held) !== "")) {
    throw new Error(`L1: idle worker ${number} holds ${shapeKey(held)} for ${shape}`);
  }
  if (state === "actor" && (worker.used || shape !== null))
    throw new Error(`L4: worker ${number} ran tasks and hosts an actor`);
  const units = held["GPU"] ?? 0;
  if (units !== worker.gpuUnits)
    throw new Error(`L5: worker ${number} holds ${units} GPU units of ${worker.gpuUnits}`);
  if (units > 0 && worker.gpuIds.length !== Math.max(1, units / 10_000)) {
    throw new Error(`L5: worker ${number} has GPUs ${worker.gpuIds.join(",")} for ${units} units`);
  }
}
