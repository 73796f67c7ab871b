/** `kill -9` of a worker in the middle of a task: how long until the task runs again. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { get, remote, runtimeContext } from "iono";
import { median, spread } from "../figure.ts";
import { runProgram } from "./run-program.ts";

const KILLS = 15;

/** Milliseconds on the clock that all processes of a machine share. */
const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Attempt 0 says who runs it and waits to be killed; the next one says when it started. */
const victim = remote(async (pidFile: string): Promise<number> => {
  if (runtimeContext().attempt > 0) return monotonicMs();
  writeFileSync(pidFile, `${process.pid}\n`);
  return new Promise<never>(() => setInterval(() => {}, 1_000));
});

await runProgram(async (share) => {
  const folder = mkdtempSync(join(tmpdir(), "iono-killed-"));
  const delays: number[] = [];
  try {
    for (let i = 0; i < Math.max(3, Math.round(KILLS * share)); i++) {
      const pidFile = join(folder, String(i));
      const ref = victim.remote(pidFile);
      const pid = await readPid(pidFile);
      await sleep(50); // no longer than it takes for the pool to be at rest again
      const killed = monotonicMs();
      process.kill(pid, "SIGKILL");
      delays.push((await get(ref, { timeout: "30s" })) - killed);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  return [
    {
      name: "killed worker: its task runs again",
      value: median(delays) / 1000,
      unit: "s",
      note: `${spread(delays, 0)} ms`,
    },
  ];
});

/** Waits for the whole line: a file that is there may not be written yet. */
async function readPid(path: string): Promise<number> {
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline) {
    await sleep(2);
    try {
      const text = readFileSync(path, "utf8");
      if (text.endsWith("\n")) return Number(text);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new Error("the task did not start within 30 s");
}
