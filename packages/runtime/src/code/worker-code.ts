import type { IonoError } from "@iono/core";
import { platform } from "../platform/index.ts";
import { CodeLink } from "./code-link.ts";
import { installForeignProgram, type InstalledProgram } from "./foreign-program.ts";

/** What a worker is told of its program when that is on another machine; part of its options, plain data. */
export interface WorkerCode {
  /** `ProgramRoot.url` of the program. */
  readonly root: string;
  /** Of the `CodeRelay` of its agent. */
  readonly socketPath: string;
  /** Name of the worker's node, for messages. */
  readonly node: string;
  /** Folder that the node was started in: its `node_modules` has the packages. */
  readonly packagesDir: string;
  /** Version of iono that the program runs with. */
  readonly version: string;
}

/**
 * Makes a worker import the modules of its program from the program's machine. To be called before the entry guard and
 * before anything of the program arrives. Nothing is connected until the first import.
 * @param unreachable see `ForeignProgramOptions`: the worker should retire
 */
export function importFromElsewhere(
  code: WorkerCode,
  process_: number,
  secret: string,
  unreachable: (error: IonoError) => void,
): InstalledProgram {
  const { root, socketPath, node, packagesDir, version } = code;
  return installForeignProgram({
    root,
    node,
    packagesDir,
    version,
    unreachable,
    source: new CodeLink({ platform: platform(), socketPath, process: process_, secret }),
    warn: (message) => process.emitWarning(message, "IonoWarning"),
  });
}
