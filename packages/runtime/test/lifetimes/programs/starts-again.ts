// init twice, shutdown and init, `await using`, shutdown twice; descriptors do not add up.
import { readdirSync } from "node:fs";
import { get, init, remote, shutdown } from "../../../src/index.ts";

const one = remote(() => 1);
await init({ numCpus: 1 });
try {
  await init();
} catch (error) {
  console.log((error as { code: string }).code);
}
console.log(await get(one.remote()));
const late = one.remote();
await shutdown();
await shutdown();
console.log(await get(late).catch((error: { code: string }) => error.code));
try {
  one.remote();
} catch (error) {
  console.log((error as { code: string }).code);
}
const count = (): number => readdirSync("/proc/self/fd").length;
let before = 0;
for (let i = 0; i < 3; i++) {
  await using cluster = await init({ numCpus: 1 });
  console.log(await get(one.remote()), typeof cluster.shutdown);
  if (i === 1) before = count();
  if (i === 2) console.log(count() - before);
}
