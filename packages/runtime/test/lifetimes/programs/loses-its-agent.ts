// The agent is killed: pending gets fail within 2 s, and the program may start again.
import { get, init, remote } from "../../../src/index.ts";

await init({ numCpus: 2 });
const parent = remote(() => process.ppid);
const sleep = remote(async () => {
  await new Promise((resolve) => setTimeout(resolve, 60_000));
});
const agent = await get(parent.remote());
const pending = [sleep.remote(), sleep.remote(), sleep.remote(), sleep.remote()];
const began = performance.now();
setTimeout(() => process.kill(agent, "SIGKILL"), 100);
const codes = await Promise.all(pending.map((ref) => get(ref).catch((error: { code: string }) => error.code)));
console.log(codes.join(" "), performance.now() - began < 2100 ? "in time" : "late");
try {
  parent.remote();
} catch (error) {
  console.log((error as { code: string }).code, (error as Error).message.includes("SIGKILL"));
}
await init({ numCpus: 1 });
console.log((await get(parent.remote())) !== agent ? "again" : "the same agent?");
