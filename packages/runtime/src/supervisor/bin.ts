/** The supervisor process. Started by `iono start`, which reads how it went from descriptor 3. */
import { IonoError } from "@iono/core";
import * as fs from "node:fs";
import { platform } from "../platform/index.ts";
import { serveControl } from "../agent/control-socket.ts";
import { readSupervisorOptions, type StartReport } from "./options.ts";
import { Supervisor } from "./supervisor.ts";

const request = readSupervisorOptions();
platform().raiseFileLimit();
if (request.parentPid !== 0) platform().dieWithParent("SIGTERM", request.parentPid);
process.on("SIGHUP", () => {});

function report(line: StartReport): void {
  try {
    fs.writeSync(3, `${JSON.stringify(line)}\n`);
  } catch {
    // Whoever started it does not listen any more.
  }
}

let supervisor: Supervisor;
try {
  supervisor = new Supervisor(request, report, (isAsked) => process.exit(isAsked ? 0 : 1));
} catch (error) {
  const failure = error instanceof IonoError ? error : new IonoError("Internal", String(error));
  report({ t: "failed", code: failure.code, message: failure.message });
  process.exit(1);
}
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.on(signal, () => void supervisor.stop(`the supervisor got ${signal}`, true));
process.title = await serveControl("supervisor", {
  status: () => supervisor.describe(),
  stop: () => {
    void supervisor.stop("iono stop was asked for", true);
    return { stopping: true };
  },
});
await supervisor.start();
