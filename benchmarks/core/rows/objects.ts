/** Ray's rows of objects: `ray_perf.py`, from "get calls" to "get object containing 10k refs". */
import { get, put, remote } from "iono";
import type { ObjectRef } from "iono";
import type { Row } from "../row.ts";
import { times } from "./shape.ts";

const PUT_TASKS = 10;
const PUTS_A_TASK = 100;
const REFS = 10_000;

const putSmall = remote(() => {
  for (let i = 0; i < PUTS_A_TASK; i++) put(0);
});

const createObjectContainingRefs = remote((): ObjectRef<number>[] => times(REFS, () => put(1)));

export const objectRows: Row[] = [
  {
    name: "single client get calls",
    unit: "calls",
    units: 1,
    prepare: () => {
      const value = put(0);
      return { once: () => get(value) };
    },
  },
  {
    name: "single client put calls",
    unit: "calls",
    units: 1,
    prepare: () => {
      const kept: { ref?: ObjectRef<number> } = {}; // one that nobody keeps could be optimized away
      return {
        once: () => {
          kept.ref = put(0);
        },
      };
    },
  },
  {
    name: "multi client put calls",
    unit: "calls",
    units: PUT_TASKS * PUTS_A_TASK,
    prepare: () => ({ once: () => get(times(PUT_TASKS, () => putSmall.remote())) }),
  },
  {
    name: "single client get object containing 10k refs",
    unit: "gets",
    units: 1,
    prepare: async () => {
      const container = createObjectContainingRefs.remote();
      const refs = await get(container);
      if (refs.length !== REFS) throw new Error(`the object holds ${refs.length} refs, not ${REFS}`);
      return { once: () => get(container) };
    },
  },
];
