export { CodeLink } from "./code-link.ts";
export type { CodeLinkOptions, ModuleSource } from "./code-link.ts";
export { CodeRelay } from "./code-relay.ts";
export type { CodeRelayOptions } from "./code-relay.ts";
export { CodeServer } from "./code-server.ts";
export { installForeignProgram } from "./foreign-program.ts";
export type { ForeignProgramOptions, InstalledProgram } from "./foreign-program.ts";
export { programRoot } from "./program-root.ts";
export type { ProgramRoot } from "./program-root.ts";
