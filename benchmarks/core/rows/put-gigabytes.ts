/**
 * Ray's rows of large `put`s, and beside each the same program with a plain copy into warm memory in the
 * place of the put. The array is different at every put, and every put is read back and checked.
 */
import { get, put, remote } from "iono";
import type { Row } from "../row.ts";
import { checkStamp, stamp } from "./stamp.ts";
import { times } from "./shape.ts";
import { warmSource, warmTarget } from "./warm-arrays.ts";

/** Ray counts its 100 Mi and 10 Mi int64 as 0.8 and 0.08 GB; so do these. */
const LARGE = { length: 100 * 1024 * 1024, gigabytes: 0.8 };
const MIDDLE = { length: 10 * 1024 * 1024, gigabytes: 0.08 };
const TASKS = 10;
const PUTS_A_TASK = 10;

const putMany = remote(async (round: number) => {
  const array = warmSource(MIDDLE.length);
  for (let i = 0; i < PUTS_A_TASK; i++) {
    stamp(array, round + i);
    checkStamp(await get(put(array)), round + i);
  }
});

const copyMany = remote((round: number) => {
  const array = warmSource(MIDDLE.length);
  const target = warmTarget(MIDDLE.length);
  for (let i = 0; i < PUTS_A_TASK; i++) {
    stamp(array, round + i);
    target.set(array);
    checkStamp(target, round + i);
  }
});

/** Numbers that are new each time, a task's worth apart. */
function rounds(): () => number {
  let round = 0;
  return () => (round += PUTS_A_TASK);
}

export const putGigabytesRows: Row[] = [
  {
    name: "single client put gigabytes",
    unit: "GB",
    units: LARGE.gigabytes,
    prepare: () => {
      const next = rounds();
      const array = warmSource(LARGE.length);
      return {
        once: async () => {
          const round = next();
          stamp(array, round);
          checkStamp(await get(put(array)), round);
        },
      };
    },
  },
  {
    name: "memcpy beside single client put gigabytes",
    unit: "GB",
    units: LARGE.gigabytes,
    prepare: () => {
      const next = rounds();
      const array = warmSource(LARGE.length);
      const target = warmTarget(LARGE.length);
      return {
        once: () => {
          const round = next();
          stamp(array, round);
          target.set(array);
          checkStamp(target, round);
        },
      };
    },
  },
  {
    name: "multi client put gigabytes",
    unit: "GB",
    units: MIDDLE.gigabytes * TASKS * PUTS_A_TASK,
    prepare: () => {
      const next = rounds();
      return { once: () => get(times(TASKS, () => putMany.remote(next()))) };
    },
  },
  {
    name: "memcpy beside multi client put gigabytes",
    unit: "GB",
    units: MIDDLE.gigabytes * TASKS * PUTS_A_TASK,
    prepare: () => {
      const next = rounds();
      return { once: () => get(times(TASKS, () => copyMany.remote(next()))) };
    },
  },
];
