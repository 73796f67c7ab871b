/** Imports the program's entry, which imports this. */
import { square } from "./main.ts";

export function squareOf(x: number): string {
  return `square ${square(x)}`;
}
