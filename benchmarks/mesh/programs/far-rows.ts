/**
 * Rates of work on another node. A cluster has a head without CPUs and one other node, so that everything runs there.
 * The `client:` rows are Ray's (`ray_client_microbenchmark.py`): there a program outside the cluster, as every program of
 * ours is.
 */
import { get, put, remote } from "iono";
import type { ObjectRef } from "iono";
import type { Row } from "../../core/row.ts";
import { checkStamp, stamp } from "../../core/rows/stamp.ts";
import { times } from "../../core/rows/shape.ts";
import { warmSource } from "../../core/rows/warm-arrays.ts";

const BATCH = 1_000;
const PUT_TASKS = 10;
const PUTS_A_TASK = 100;
const LARGE = { length: 100 * 1024 * 1024, gigabytes: 0.8 };

const smallValue = remote(() => "ok");

const Server = remote(
  class {
    smallValue(): string {
      return "ok";
    }
  },
  { numCpus: 0 },
);

const putSmall = remote(() => {
  for (let i = 0; i < PUTS_A_TASK; i++) put(0);
});

/** Actors without CPUs would also be placed on the head's node. */
const there = { scheduling: { node: "other" } } as const;

const sync = (name: string, unit: string, make: () => () => ObjectRef<string>): Row => ({
  name,
  unit,
  units: 1,
  prepare: () => {
    const call = make();
    return { once: () => get(call()) };
  },
});

const async = (name: string, unit: string, make: () => () => ObjectRef<string>): Row => ({
  name,
  unit,
  units: BATCH,
  prepare: () => {
    const call = make();
    return { once: () => get(times(BATCH, call)) };
  },
});

const actorCall = (options: { maxConcurrency?: number; scheduling?: { node: string } }) => () => {
  const server = Server.options(options).remote();
  return () => server.smallValue.remote();
};

/** For a cluster whose only CPUs are those of a node named "other". */
export const farRows: Row[] = [
  sync("tasks to another node sync", "tasks", () => () => smallValue.remote()),
  async("tasks to another node async", "tasks", () => () => smallValue.remote()),
  sync("actor calls to another node sync", "calls", actorCall(there)),
  async("actor calls to another node async", "calls", actorCall(there)),
];

/** For a cluster of one node with all CPUs of the machine. */
export const clientRows: Row[] = [
  {
    name: "client: get calls",
    unit: "calls",
    units: 1,
    prepare: () => {
      const value = put(0);
      return { once: () => get(value) };
    },
  },
  {
    name: "client: tasks and get batch",
    unit: `batches of ${BATCH}`,
    units: 1,
    prepare: () => ({ once: () => get(times(BATCH, () => smallValue.remote())) }),
  },
  {
    name: "client: put calls",
    unit: "calls",
    units: 1,
    prepare: () => {
      const kept: { ref?: unknown } = {}; // one that nobody keeps could be optimized away
      return {
        once: () => {
          kept.ref = put(0);
        },
      };
    },
  },
  {
    name: "client: tasks and put batch",
    unit: "puts",
    units: PUT_TASKS * PUTS_A_TASK,
    prepare: () => ({ once: () => get(times(PUT_TASKS, () => putSmall.remote())) }),
  },
  {
    name: "client: put gigabytes",
    unit: "GB",
    units: LARGE.gigabytes,
    prepare: () => {
      let round = 0;
      const array = warmSource(LARGE.length);
      return {
        once: async () => {
          stamp(array, ++round);
          checkStamp(await get(put(array)), round);
        },
      };
    },
  },
  sync("client: 1:1 actor calls sync", "calls", actorCall({})),
  async("client: 1:1 actor calls async", "calls", actorCall({})),
  async("client: 1:1 actor calls concurrent", "calls", actorCall({ maxConcurrency: 16 })),
];
