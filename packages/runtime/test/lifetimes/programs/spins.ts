// A worker in an endless loop; says the pids of the agent and of the worker, and waits.
import { get, init, remote } from "../../../src/index.ts";

await init({ numCpus: 2 });
const where = remote(() => ({ worker: process.pid, agent: process.ppid }));
const spin = remote(() => {
  for (;;);
});
const { agent } = await get(where.remote());
void get(spin.remote()).catch(() => {});
void get(spin.remote()).catch(() => {});
setTimeout(() => console.log(JSON.stringify({ agent })), 200);
setTimeout(() => {}, 60_000);
