import type { FromAgent } from "@iono/core";

/** The warning that work waits for a node that could run it. */
export function infeasibleText({ shape, missing, actor }: Extract<FromAgent, { t: "infeasible" }>): string {
  const what =
    actor === 0 ? `tasks that ask for ${shape || "no resources"}` : `an actor that asks for ${shape}`;
  return `${what} cannot run on this cluster as it is (${missing}); they wait until a node that fits joins`;
}
