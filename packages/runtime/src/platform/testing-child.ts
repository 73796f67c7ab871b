import { currentPlatform } from "./current.ts";

/** A child process for the platform's tests. */
const [, , action, ...args] = process.argv;
const platform = currentPlatform();
if (action === "page") {
  const page = platform.sharedPages?.open(args[0], Number(args[1]));
  if (page === undefined) throw new Error("no shared pages");
  const words = new Int32Array(page.memory);
  Atomics.store(words, 1, Atomics.compareExchange(words, 0, 7, 8) + 100);
  page.close();
} else if (action === "parent") {
  // Starts a child that dies with it, and tells the child's pid.
  const { fork } = await import("node:child_process");
  const child = fork(import.meta.filename, ["orphan", String(process.pid)], { execArgv: process.execArgv });
  child.once("message", () => process.send?.(child.pid));
} else if (action === "orphan") {
  process.send?.(platform.dieWithParent("SIGKILL", Number(args[0])));
  setInterval(() => {}, 1000);
} else {
  platform.dieWithParent("SIGTERM", 1); // not our parent: ends at once
  setInterval(() => {}, 1000);
}
