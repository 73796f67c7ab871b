// An uncaught error in the program, with work under way.
import { get, remote } from "../../../src/index.ts";

const spin = remote((forever: boolean) => {
  while (forever);
});
await get(spin.remote(false));
spin.remote(true);
setTimeout(() => {
  throw new Error("the program is wrong");
}, 100);
