/** A module with state and a side effect: once a process. */
import { appendFileSync } from "node:fs";

appendFileSync(`${process.env.NOTES}/helper`, `${process.pid}\n`);
let count = 0;
export const settings = { scale: 3 };

export function increment(): number {
  return ++count;
}

export default function twice(x: number): number {
  return 2 * x;
}

export { area as areaOf, Shape } from "./shapes.ts";
