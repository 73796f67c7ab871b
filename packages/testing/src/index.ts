export {
  abandoned,
  describeLeaks,
  findLeaks,
  leakedFiles,
  leakedProcesses,
  sharedMemoryFiles,
} from "./leaks.ts";
export type { LeakedProcess, Leaks, LeakSearch } from "./leaks.ts";
export { runProgram, sourceNodeArgs } from "./programs.ts";
export type { ProgramOptions, ProgramResult } from "./programs.ts";
