// A task that fills its heap, on a node with small ones; then another task.
import { get, remote } from "../../../src/index.ts";

const fill = remote(
  () => {
    const all: unknown[] = [];
    for (;;) all.push(new Array(1000).fill(Math.random()));
  },
  { retries: 0 },
);
const error = await get(fill.remote()).catch((reason: { code: string; message: string }) => reason);
console.log(error.code, error.message);
console.log(await get(remote(() => "goes on").remote()));
