import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, remote, runtimeContext, shutdown, type ObjectRef } from "../../src/index.ts";

const directory = mkdtempSync(join(tmpdir(), "death-"));
let files = 0;

/** A file that tasks note their runs in. */
function noteFile(): string {
  const file = join(directory, `notes-${++files}`);
  appendFileSync(file, "");
  return file;
}

function runs(file: string): string[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "");
}

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
  rmSync(directory, { recursive: true, force: true });
});

async function failure(
  ref: ObjectRef<unknown>,
): Promise<{ code: string; message: string; remote?: { pid: number; attempt: number } }> {
  return get(ref).then(
    (value) => {
      throw new Error(`it gave ${String(value)}`);
    },
    (error: { code: string; message: string }) => error,
  );
}

const exits = (file: string, code: number, times: number): number => {
  appendFileSync(file, `${process.pid}\n`);
  if (readFileSync(file, "utf8").trim().split("\n").length <= times) process.exit(code);
  return runtimeContext().attempt;
};

describe("a worker that ends under its task", () => {
  it("process.exit: the task fails with the exit code and the pid", async () => {
    const file = noteFile();
    const error = await failure(remote(exits, { retries: 0 }).remote(file, 5, 1));
    const [pid] = runs(file);
    expect(error.code).toBe("WorkerDied");
    expect(error.message).toContain(`exit code 5, pid ${pid}`);
    expect(error.remote).toMatchObject({ pid: Number(pid), attempt: 0 });
    expect(runs(file).length).toBe(1);
  });

  it("runs again while its retries last: 3 by default, as many as it takes with -1", async () => {
    const once = noteFile();
    expect(await get(remote(exits, { retries: 1 }).remote(once, 1, 1))).toBe(1);
    expect(runs(once).length).toBe(2);
    const always = noteFile();
    expect((await failure(remote(exits).remote(always, 1, 99))).code).toBe("WorkerDied");
    expect(runs(always).length).toBe(4);
    const six = noteFile();
    expect(await get(remote(exits, { retries: -1 }).remote(six, 1, 6))).toBe(6);
    expect(new Set(runs(six)).size).toBe(7);
  });

  it("killed from outside: the signal is named", async () => {
    const file = noteFile();
    const waits = remote(
      async (path: string) => {
        appendFileSync(path, `${process.pid}\n`);
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      },
      { retries: 0 },
    );
    const ref = waits.remote(file);
    while (runs(file).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    process.kill(Number(runs(file)[0]), "SIGKILL");
    expect((await failure(ref)).message).toContain(`signal SIGKILL, pid ${runs(file)[0]}`);
  });

  it("an error that nobody catches, in a timer: its last words are told", async () => {
    const late = remote(
      async () => {
        setTimeout(() => {
          throw new Error("late and alone");
        }, 10);
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      },
      { retries: 0 },
    );
    const { code, message } = await failure(late.remote());
    expect(code).toBe("WorkerDied");
    expect(message).toContain("exit code 1");
    expect(message).toContain("late and alone");
  });

  it("bystanders that wait behind it run once, and what finished before it is not lost", async () => {
    const file = noteFile();
    const short = remote(
      (path: string, i: number) => {
        appendFileSync(path, `${i}\n`);
        return i;
      },
      { retries: 0 },
    );
    const warm = noteFile();
    await get(Array.from({ length: 200 }, (_, i) => short.remote(warm, i)));
    const dies = remote((): number => process.exit(9), { retries: 0 });
    await failure(dies.remote());
    // Known to be short, so that all of them are sent in batches, the deadly one among them.
    const refs = Array.from({ length: 100 }, (_, i) => short.remote(file, i));
    const deadly = dies.remote();
    const more = Array.from({ length: 100 }, (_, i) => short.remote(file, 100 + i));
    expect(await get([...refs, ...more])).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect((await failure(deadly)).message).toContain("exit code 9");
    expect(
      runs(file)
        .map(Number)
        .toSorted((a, b) => a - b),
    ).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  it("a task that waits in get while its worker is killed runs again, free of charge", async () => {
    const file = noteFile();
    const child = remote(
      async (path: string) => {
        await new Promise((resolve) => setTimeout(resolve, 400));
        return path.length;
      },
      { resources: {} },
    );
    const parent = remote(
      async (path: string) => {
        appendFileSync(path, `${process.pid}\n`);
        return get(child.remote(path));
      },
      { retries: 0 },
    );
    const ref = parent.remote(file);
    while (runs(file).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 100));
    process.kill(Number(runs(file)[0]), "SIGKILL");
    expect(await get(ref)).toBe(file.length);
    expect(runs(file).length).toBe(2);
  });

  it("a task whose child ends their common process is not run for ever", async () => {
    const file = noteFile();
    const child = remote((path: string) => {
      appendFileSync(path, "child\n");
      process.exit(4);
    });
    const parent = remote(
      async (path: string) => {
        appendFileSync(path, "parent\n");
        await get(child.remote(path));
      },
      { retries: 0 },
    );
    expect((await failure(parent.remote(file))).code).toBe("WorkerDied");
    expect(runs(file).filter((line) => line === "parent").length).toBeLessThanOrEqual(4);
  });

  it("refs that a dead worker owned give OwnerDied to whoever holds them", async () => {
    const child = remote(async () => {
      await new Promise((resolve) => setTimeout(resolve, 60_000));
    });
    const parent = remote(() => ({ pid: process.pid, inner: child.remote() }));
    const { pid, inner } = await get(parent.remote());
    const waiting = failure(inner);
    process.kill(pid, "SIGKILL");
    expect((await waiting).code).toBe("OwnerDied");
    expect((await failure(inner)).code).toBe("OwnerDied");
  });

  it("what a dead worker had submitted ends with it, an endless loop as well", async () => {
    const file = noteFile();
    const endless = remote(
      (path: string) => {
        appendFileSync(path, `${process.pid}\n`);
        for (;;);
      },
      { numCpus: 0.5 },
    );
    const parent = remote((path: string) => {
      endless.remote(path);
      return process.pid;
    });
    const pid = await get(parent.remote(file));
    await expect.poll(() => runs(file).length, { timeout: 5000 }).toBe(1);
    process.kill(pid, "SIGKILL");
    const spins = (): boolean => {
      try {
        return process.kill(Number(runs(file)[0]), 0);
      } catch {
        return false;
      }
    };
    await expect.poll(spins, { timeout: 5000 }).toBe(false);
  });

  it("what a task started goes with its worker", async () => {
    const starts = remote(
      async () => {
        const { spawn } = await import("node:child_process");
        const sleeper = spawn("sleep", ["300"], { stdio: "ignore" });
        return { pid: process.pid, sleeper: sleeper.pid ?? 0 };
      },
      { retries: 0 },
    );
    const { pid, sleeper } = await get(starts.remote());
    const isThere = (): boolean => {
      try {
        process.kill(sleeper, 0);
        return !readFileSync(`/proc/${sleeper}/stat`, "latin1").includes(") Z ");
      } catch {
        return false;
      }
    };
    expect(isThere()).toBe(true);
    process.kill(pid, "SIGKILL");
    await expect.poll(isThere, { timeout: 5000 }).toBe(false);
  });

  it("after all that, the node works with as many workers as it has CPUs", async () => {
    const pid = remote(async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return process.pid;
    });
    // A replacement may still be on its way: both serve soon, and never a third.
    const seen = new Set<number>();
    await expect
      .poll(
        async () => {
          for (const each of await get(Array.from({ length: 12 }, () => pid.remote()))) seen.add(each);
          return seen.size;
        },
        { timeout: 10_000 },
      )
      .toBe(2);
  });
});
