/** The smallest program: one task, and its result printed. */
import { get, remote } from "iono";

const hello = remote(() => "hello from a worker");
console.log(await get(hello.remote()));
