// process.exit() with a task that spins and others that wait.
import { get, remote } from "../../../src/index.ts";

const spin = remote(() => {
  console.log("spinning");
  for (;;);
});
const nothing = remote(() => 1);
await get(nothing.remote());
for (let i = 0; i < 8; i++) spin.remote();
setTimeout(() => process.exit(3), 300);
