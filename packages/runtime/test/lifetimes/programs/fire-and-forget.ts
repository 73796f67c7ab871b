// Submits tasks that nobody gets: they finish before the program ends.
import { appendFileSync } from "node:fs";
import { remote } from "../../../src/index.ts";

const file = process.argv[2];
const note = remote(async (i: number) => {
  await new Promise((resolve) => setTimeout(resolve, 30));
  appendFileSync(file, `${i}\n`);
});
for (let i = 0; i < 12; i++) note.remote(i);
console.log("submitted");
