/** What the measures of figures share. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import type { Installation } from "../iono/install.ts";
import type { Plan } from "../plan.ts";

/** What a figure is measured with. */
export interface Bench {
  installation: Installation;
  plan: Plan;
  /** For keys and logs of nodes. */
  home: string;
}

/** The value that a program has written as JSON. */
export function outputOf<T>(file: string): T {
  if (!existsSync(file)) throw new Error(`${file} was not written`);
  const value = JSON.parse(readFileSync(file, "utf8")) as T;
  rmSync(file);
  return value;
}
