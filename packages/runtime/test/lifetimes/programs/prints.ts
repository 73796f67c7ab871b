// What tasks print: in order, with the task's name and pid, all of it before the program ends.
import { get, remote } from "../../../src/index.ts";

const many = remote(function many(count: number) {
  for (let i = 0; i < count; i++) console.log(`line ${i}`);
  process.stdout.write("no end");
  console.error("to stderr");
  return process.pid;
});
console.log("pid", await get(many.remote(3000)));
