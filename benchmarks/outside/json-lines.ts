import { existsSync, readFileSync } from "node:fs";

/** The values of a file of one JSON value a line; none when the file is not there. */
export function readJsonLines<T>(file: string): T[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as T);
}
