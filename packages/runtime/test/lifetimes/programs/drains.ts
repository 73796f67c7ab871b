// Four tasks of a second on two CPUs: Ctrl-C lets those that run end.
import { appendFileSync } from "node:fs";
import { get, init, remote } from "../../../src/index.ts";

await init({ numCpus: 2 });
const file = process.argv[2];
const work = remote(async (i: number, ms: number) => {
  appendFileSync(file, `begin ${i}\n`);
  await new Promise((resolve) => setTimeout(resolve, ms));
  appendFileSync(file, `end ${i}\n`);
  return i;
});
await get([work.remote(100, 0), work.remote(101, 0)]);
const ms = Number(process.argv[3]);
const refs = [0, 1, 2, 3].map((i) => work.remote(i, ms));
process.on("exit", (code) => console.log(`exit ${code}`));
console.log("ready");
await Promise.all(refs.slice(0, 2).map((ref) => get(ref).then((i) => console.log(`got ${i}`))));
await get(refs);
