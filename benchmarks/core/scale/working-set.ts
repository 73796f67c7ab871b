/** 20 GiB through a store of 4 GiB, twice: a loop that never awaits, and one that reads each object back. */
import { get, init, put } from "iono";
import type { Figure } from "../figure.ts";
import { checkStamp, stamp } from "../rows/stamp.ts";
import { runProgram } from "./run-program.ts";

const OBJECT_BYTES = 64 * 2 ** 20;
const TOTAL_BYTES = 20 * 2 ** 30;

await runProgram(async (share) => {
  await init({ objectStore: share === 1 ? "4GiB" : "512MiB" });
  const objects = Math.round((TOTAL_BYTES * share) / OBJECT_BYTES);
  const array = new BigInt64Array(OBJECT_BYTES / 8);

  const syncStart = performance.now();
  for (let i = 0; i < objects; i++) {
    stamp(array, i);
    put(array);
  }
  const syncSeconds = (performance.now() - syncStart) / 1000;

  const readStart = performance.now();
  for (let i = 0; i < objects; i++) {
    stamp(array, -i);
    checkStamp(await get(put(array)), -i);
  }
  const readSeconds = (performance.now() - readStart) / 1000;

  const bytes = objects * OBJECT_BYTES;
  return [
    figure("working set of 5 stores: put without a pause", bytes, syncSeconds),
    figure("working set of 5 stores: put and get", bytes, readSeconds),
  ];
});

function figure(name: string, bytes: number, seconds: number): Figure {
  return { name, value: bytes / 1e9 / seconds, unit: "GB/s", note: `${(bytes / 2 ** 30).toFixed(1)} GiB` };
}
