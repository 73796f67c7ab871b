/** What the `iono` command and the tests' clusters need of the runtime; not for programs. */
export { loadKeys, hasKeys } from "../mesh/keys.ts";
export { startSupervisor } from "./start-supervisor.ts";
export type { StartedNode } from "./start-supervisor.ts";
export type { StartRequest, StartReport } from "../supervisor/options.ts";
