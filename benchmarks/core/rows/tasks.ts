/** Ray's rows of tasks: `ray_perf.py`, from "tasks and get batch" to "multi client tasks async". */
import { get, remote, wait } from "iono";
import type { ObjectRef } from "iono";
import type { Row } from "../row.ts";
import { CLIENTS, times } from "./shape.ts";

const BATCH = 1_000;
const MULTI_CLIENT_BATCH = 10_000;

/** Ray's returns `b"ok"`: the smallest value that is not nothing. */
const smallValue = remote(() => "ok");

const submit = (count: number): ObjectRef<string>[] => times(count, () => smallValue.remote());

/** An actor that submits tasks of its own. */
const Submitter = remote(
  class {
    async smallValueBatch(count: number): Promise<void> {
      await get(times(count, () => smallValue.remote()));
    }
  },
  { numCpus: 0 },
);

async function waitOneByOne(): Promise<void> {
  let pending = submit(BATCH);
  for (let i = 0; i < BATCH; i++) ({ pending } = await wait(pending));
}

export const taskRows: Row[] = [
  {
    name: "single client tasks and get batch",
    unit: `batches of ${BATCH}`,
    units: 1,
    prepare: () => ({ once: () => get(submit(BATCH)) }),
  },
  {
    name: "single client wait 1k refs",
    unit: "rounds",
    units: 1,
    prepare: () => ({ once: waitOneByOne }),
  },
  {
    name: "single client tasks sync",
    unit: "tasks",
    units: 1,
    prepare: () => ({ once: () => get(smallValue.remote()) }),
  },
  {
    name: "single client tasks async",
    unit: "tasks",
    units: BATCH,
    prepare: () => ({ once: () => get(submit(BATCH)) }),
  },
  {
    name: "multi client tasks async",
    unit: "tasks",
    units: MULTI_CLIENT_BATCH * CLIENTS,
    prepare: () => {
      const submitters = times(CLIENTS, () => Submitter.remote());
      return { once: () => get(submitters.map((actor) => actor.smallValueBatch.remote(MULTI_CLIENT_BATCH))) };
    },
  },
];
