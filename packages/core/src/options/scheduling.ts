/** The `scheduling` option of tasks and actors. */
import { badOption } from "../errors.ts";
import { notInThisVersion } from "./read.ts";

/** "hybrid" packs nodes to half, then spreads; "spread" spreads from the start. One node makes no difference. */
export type Scheduling = "hybrid" | "spread";

export function readScheduling(value: unknown, field: string): Scheduling {
  if (value === undefined) return "hybrid";
  if (value === "hybrid" || value === "spread") return value;
  if (typeof value === "object" && value !== null) {
    for (const kind of ["node", "placementGroup", "labels"]) {
      if (kind in value)
        throw notInThisVersion(`${field}.${kind}`, "it comes with clusters of several machines");
    }
  }
  throw badOption(field, value, '"hybrid" or "spread"');
}
