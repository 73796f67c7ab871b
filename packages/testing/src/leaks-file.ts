/**
 * Runs before each test file: what the file starts carries its name, so that a leak can be traced to it; and after it
 * the file may not listen on TCP any more, with Node's sockets or a native library's.
 */
import { relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect } from "vitest";
import { fileVariable } from "./leaks-run.ts";
import { listeningSockets } from "./leaks-sockets.ts";

const { testPath } = expect.getState();
if (testPath !== undefined) process.env[fileVariable] = relative(process.cwd(), testPath);

/** How long a socket that is being closed may take: libzmq's threads do it. */
const graceMs = 3_000;
/** What listened before the file began: a debugger. */
const before = new Set(listeningSockets());

// Of the hooks after all tests, the first that was added runs last.
afterAll(async () => {
  const leaked = (): string[] => listeningSockets().filter((socket) => !before.has(socket));
  const deadlineMs = performance.now() + graceMs;
  while (leaked().length > 0 && performance.now() < deadlineMs) await sleep(20);
  const left = leaked();
  if (left.length > 0) throw new Error(`the test file still listens on TCP: ${left.join(", ")}`);
});
