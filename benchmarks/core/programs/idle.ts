/** A program with a cluster that does nothing, until its standard input ends. */
import { get, remote } from "iono";

const hello = remote(() => "ready");
console.log(await get(hello.remote()));
process.stdin.resume();
