/** How a command says that it failed: one line for people, an object for programs, exit code 1. */
import { IonoError } from "@iono/core";

export function printFailure(error: unknown, json: boolean): void {
  process.exitCode = 1;
  const code = error instanceof IonoError ? error.code : "Internal";
  const message = error instanceof Error ? error.message : String(error);
  if (json) console.log(JSON.stringify({ error: { code, message } }));
  else console.error(`iono: ${message}`);
}
