// Awaits its last result and ends, without shutdown(), with its own exit code.
import { get, remote } from "../../../src/index.ts";

const square = remote((x: number) => x * x);
console.log(await get(square.remote(4)));
process.exitCode = Number(process.argv[2] ?? "0");
