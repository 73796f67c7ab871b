import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { noResources, parseResources, resourceUnits, type ResourceVector } from "../resources.ts";
import type { WorkKind } from "./lease-events.ts";
import { LeaseDriver, driver } from "./lease.test-driver.ts";

const vector = (numCpus: number, numGpus = 0, disk = 0): ResourceVector =>
  parseResources({ numCpus, numGpus, resources: { disk } });

const demandShapes: ResourceVector[] = [
  vector(1),
  vector(2),
  vector(0.1),
  vector(0.3),
  vector(0),
  vector(1, 1),
  vector(0, 0.5),
  vector(1, 0.3),
  vector(0, 2),
  vector(0, 0, 1),
  vector(1, 0, 0.5),
  vector(64),
];
const shape = fc.constantFrom(...demandShapes);
const pick = fc.nat();

/** Most work is of no job: it has to share the node with that of jobs. */
const work = fc.constantFrom<WorkKind>(
  {},
  {},
  { tag: "spread" },
  { job: "a" },
  { job: "a", tag: "spread" },
  { job: "b" },
);

type Step =
  | { kind: "demand"; pick: number; shape: ResourceVector; count: number; work: WorkKind }
  | { kind: "end job"; job: string }
  | { kind: "deliver"; pick: number; times: number }
  | { kind: "release" | "die" | "block" | "withdraw" | "end actor"; pick: number }
  | { kind: "request"; running: ResourceVector; job: string; detached: boolean }
  | { kind: "tick"; count: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("demand" as const),
      pick,
      shape,
      count: fc.integer({ min: 0, max: 9 }),
      work,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("end job" as const), job: fc.constantFrom("a", "b") }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: fc.constant("deliver" as const),
      pick,
      times: fc.integer({ min: 1, max: 2 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "release" as const,
        "die" as const,
        "block" as const,
        "block" as const,
        "withdraw" as const,
        "end actor" as const,
      ),
      pick,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("request" as const),
      running: shape,
      job: fc.constantFrom("", "", "a", "b"),
      detached: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("tick" as const), count: fc.integer({ min: 1, max: 8 }) }),
  },
);

const settings = fc.record({
  cpus: fc.constantFrom(0.5, 1, 2, 4),
  gpus: fc.integer({ min: 0, max: 3 }),
  disk: fc.integer({ min: 0, max: 2 }),
  maxWorkers: fc.integer({ min: 1, max: 12 }),
  startWorkers: fc.integer({ min: 0, max: 2 }),
});

function choose<T>(from: Iterable<T>, at: number): T | undefined {
  const all = [...from];
  return all.length === 0 ? undefined : all[at % all.length];
}

function run(d: LeaseDriver, each: Step, index: number): void {
  switch (each.kind) {
    case "demand": {
      // Workers ask too: they own the tasks that their tasks submit.
      const workers = [...d.workers.values()].filter(
        (worker) => worker.ready && (worker.grants.size > 0 || worker.actor > 0),
      );
      d.demand(
        choose([driver, driver, ...workers.map((worker) => worker.number)], each.pick) ?? driver,
        each.shape,
        each.count,
        each.work,
      );
      break;
    }
    case "end job":
      d.endJob(each.job);
      break;
    case "deliver":
      d.deliver(each.pick, each.times);
      break;
    case "release": {
      const worker = choose(
        [...d.workers.values()].filter((one) => one.grants.size > 0),
        each.pick,
      );
      const owner = worker === undefined ? undefined : choose(worker.grants.keys(), each.pick);
      if (worker !== undefined && owner !== undefined) d.release(owner, worker.number, each.pick % 7 === 0);
      break;
    }
    case "die": {
      const worker = choose(d.workers.values(), each.pick);
      if (worker !== undefined) d.die(worker.number);
      break;
    }
    case "block": {
      const worker = choose(
        [...d.workers.values()].filter((one) => one.ready),
        each.pick,
      );
      if (worker !== undefined)
        d.handle({ type: "worker blocked", worker: worker.number, blocked: each.pick % 3 > 0 });
      break;
    }
    case "request":
      d.request(1000 + index, noResources, each.running, each);
      break;
    case "withdraw": {
      const request = choose(d.requests.keys(), each.pick);
      if (request !== undefined) d.withdraw(request);
      break;
    }
    case "end actor": {
      const worker = choose(
        [...d.workers.values()].filter((one) => one.actor > 0),
        each.pick,
      );
      if (worker !== undefined) d.die(worker.number);
      break;
    }
    case "tick":
      for (let i = 0; i < each.count; i++) d.handle({ type: "tick" });
      break;
  }
}

/** One round of a cluster that works: every grant does one task, recalls are answered, blocked tasks go on. */
function doWork(d: LeaseDriver): void {
  d.deliverAll();
  for (const worker of [...d.workers.values()]) {
    if (worker.actor > 0) d.die(worker.number);
    else d.handle({ type: "worker blocked", worker: worker.number, blocked: false });
  }
  for (const [owner, shapes] of [...d.demands]) {
    for (const [key, { resources, count, kind }] of [...shapes]) {
      if (!d.feasible(resources)) {
        d.demand(owner, resources, 0, kind);
        continue;
      }
      const self = d.workers.get(owner);
      // A task that has ended wants nothing; one that waits runs its children of the same shape by loopback.
      let grants =
        self === undefined
          ? 0
          : self.grants.size === 0
            ? count
            : Number([...self.grants.values()].some((grant) => grant.shape === key));
      for (const worker of d.workers.values()) if (worker.grants.get(owner)?.shape === key) grants++;
      if (grants > 0 && count > 0) d.demand(owner, resources, Math.max(0, count - grants), kind);
    }
  }
  for (const [request, { running }] of [...d.requests]) if (!d.feasible(running)) d.withdraw(request);
  d.handle({ type: "tick" });
}

function unfinished(d: LeaseDriver): string[] {
  const left: string[] = [];
  for (const [owner, shapes] of d.demands) {
    for (const [key, { count }] of shapes) {
      if (count > 0) left.push(`${owner} wants ${count} of ${key}`);
    }
  }
  for (const request of d.requests.keys()) left.push(`actor ${request}`);
  return left;
}

describe("leases under any order of events", () => {
  it("keep their rules, serve all that fits, and lose nothing", () => {
    fc.assert(
      fc.property(settings, fc.array(step, { minLength: 20, maxLength: 120, size: "max" }), (node, steps) => {
        const total = parseResources({
          numCpus: node.cpus,
          numGpus: node.gpus,
          resources: { disk: node.disk },
        });
        const d = new LeaseDriver({
          total,
          maxWorkers: node.maxWorkers,
          firstWorker: 2,
          idleWorkers: Math.max(1, Math.min(node.startWorkers, node.maxWorkers)),
        });
        d.start(Math.min(node.startWorkers, node.maxWorkers));
        steps.forEach((each, index) => run(d, each, index));

        // Owners that are workers end with their work: a lease they hold stays theirs, so they finish first.
        for (let round = 0; round < 1500 && unfinished(d).length > 0; round++) doWork(d);
        expect(unfinished(d)).toEqual([]);
        expect(d.machine.demands()).toEqual([]);

        for (const worker of [...d.workers.values()]) if (worker.actor > 0) d.die(worker.number);
        for (let i = 0; i < 250; i++) {
          d.deliverAll();
          d.handle({ type: "tick" });
        }
        expect(d.machine.states().length).toBeLessThanOrEqual(Math.max(1, d.settings.idleWorkers));
        expect(d.machine.wantsTicks).toBe(false);
        for (const worker of [...d.workers.values()])
          for (const owner of [...worker.grants.keys()]) d.release(owner, worker.number);
        d.deliverAll();
        expect({ ...d.machine.available() }).toEqual({ ...total });
      }),
      { numRuns: 300 },
    );
  });

  it("never give one GPU to two holders beyond its units", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0.25, 0.3, 0.5, 0.6, 1, 2), { minLength: 1, maxLength: 12 }),
        (wanted) => {
          const d = new LeaseDriver({ total: vector(64, 3), maxWorkers: 64, firstWorker: 2, idleWorkers: 1 });
          wanted.forEach((gpus, i) => d.request(100 + i, noResources, vector(0, gpus)));
          d.deliverAll();
          const units = new Map<number, number>();
          for (const each of d.said) {
            if (each.type !== "place actor") continue;
            const share = Math.min(1, wanted[each.request - 100]);
            for (const id of each.gpuIds) units.set(id, (units.get(id) ?? 0) + resourceUnits(share, "share"));
          }
          for (const held of units.values()) expect(held).toBeLessThanOrEqual(10_000);
        },
      ),
    );
  });
});
