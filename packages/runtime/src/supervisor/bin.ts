/** The supervisor process. Started by `iono start`, which reads how it went from descriptor 3. */
import { IonoError } from "@iono/core";
import * as fs from "node:fs";
import { platform } from "../platform/index.ts";
import { serveControl } from "../agent/control-socket.ts";
import { readStartRequest, type StartReport } from "./options.ts";
import { Supervisor } from "./supervisor.ts";

const request = readStartRequest();
platform().raiseFileLimit();
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
  supervisor = new Supervisor(request, report, () => process.exit(0));
} catch (error) {
  const failure = error instanceof IonoError ? error : new IonoError("Internal", String(error));
  report({ t: "failed", code: failure.code, message: failure.message });
  process.exit(1);
}
for (const signal of ["SIGTERM", "SIGINT"] as const)
  process.on(signal, () => void supervisor.stop(`the supervisor got ${signal}`));
process.title = await serveControl("supervisor", {
  status: () => supervisor.describe(),
  stop: () => {
    void supervisor.stop("iono stop was asked for");
    return { stopping: true };
  },
});
await supervisor.start();
