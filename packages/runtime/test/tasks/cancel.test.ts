import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  cancel,
  get,
  init,
  put,
  remote,
  runtimeContext,
  shutdown,
  wait,
  type ObjectRef,
} from "../../src/index.ts";
import {
  note,
  notes,
  raise,
  raised,
  rejection,
  removeSignals,
  signal,
  signalFolder,
  spinUntil,
} from "./signals.ts";

const folder = signalFolder();
const unhandled: unknown[] = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));
beforeAll(async () => {
  await init({ numCpus: 2, objectStore: "64MiB", spillDir: `${folder}/spill` });
});
afterEach(() => expect(unhandled).toEqual([]));
afterAll(async () => {
  await shutdown();
  removeSignals(folder);
});

/** Raises `<name> began`, then waits for `<name>`. */
const gated = remote(async function gated(name: string) {
  raise(folder, `${name} began`);
  await signal(folder, name);
  return name;
});
const spin = remote(
  function spin(name: string) {
    raise(folder, `${name} began`);
    spinUntil(folder, `${name} is never raised`);
  },
  { cancelGrace: "50ms" },
);
const numbers = remote(function* numbers() {
  yield 1;
});
const two = remote(() => [1, 2] as const, { numReturns: 2 });
const firstOf = async (stream: AsyncIterable<ObjectRef<number>>): Promise<number> => {
  for await (const item of stream) return get(item);
  throw new Error("no item came");
};
const next = remote(function next(x: unknown) {
  return x;
});

/** What a process has open: a spill file has no name in its folder. Empty where there is no /proc. */
function openFiles(pid: number): string[] {
  const descriptors = `/proc/${pid}/fd`;
  if (!existsSync(descriptors)) return [];
  return readdirSync(descriptors).map((each) => {
    try {
      return readlinkSync(`${descriptors}/${each}`);
    } catch {
      // Closed meanwhile.
      return "";
    }
  });
}

describe("cancel", () => {
  it("settles a running task's ref at once, and its signal aborts (D1)", async () => {
    const heeding = remote(async (name: string) => {
      raise(folder, `${name} began`);
      await new Promise<void>((resolve) =>
        runtimeContext().signal.addEventListener("abort", () => resolve()),
      );
      note(folder, "heeded", (runtimeContext().signal.reason as Error).name);
      raise(folder, `${name} heeded`);
      return process.pid;
    });
    const ref = heeding.remote("D1");
    await signal(folder, "D1 began");
    cancel(ref);
    const error = await rejection(get(ref));
    expect([error.code, error.name, error.remote?.["task"]]).toEqual([
      "TaskCancelled",
      "TaskCancelledError",
      "anonymous",
    ]);
    await signal(folder, "D1 heeded");
    expect(notes(folder, "heeded")).toEqual(["TaskCancelledError"]);
    // It ended by itself: its worker lives on.
    expect((await rejection(get(ref))).code).toBe("TaskCancelled");
  });

  it("replaces the worker of a task that spins, after its grace; others go on (D1, D7)", async () => {
    const pid = remote(() => process.pid);
    const spinning = [spin.remote("s1"), spin.remote("s2")];
    await Promise.all([signal(folder, "s1 began"), signal(folder, "s2 began")]);
    const queued = Array.from({ length: 10 }, () => pid.remote());
    for (const ref of spinning) cancel(ref);
    for (const ref of spinning) expect((await rejection(get(ref))).code).toBe("TaskCancelled");
    expect((await get(queued)).length).toBe(10);
  });

  it("replaces an async task's worker when it does not heed the signal", async () => {
    const deaf = gated.options({ cancelGrace: 20 }).remote("deaf");
    await signal(folder, "deaf began");
    cancel(deaf);
    expect((await rejection(get(deaf))).code).toBe("TaskCancelled");
    const all = Array.from({ length: 4 }, (_, i) => next.remote(i));
    expect(await get(all)).toEqual([0, 1, 2, 3]);
  });

  it("with force does not wait for the grace, and is not retried (D2)", async () => {
    const forced = remote(
      (name: string) => {
        note(folder, "forced", String(runtimeContext().attempt));
        raise(folder, `${name} began`);
        spinUntil(folder, "never");
      },
      { retries: 5, cancelGrace: "10m" },
    );
    const ref = forced.remote("D2");
    await signal(folder, "D2 began");
    cancel(ref);
    expect((await rejection(get(ref))).code).toBe("TaskCancelled");
    // Asked once more, it is cut short.
    cancel(ref, { force: true });
    expect(await get([1, 2, 3].map((x) => next.remote(x)))).toEqual([1, 2, 3]);
    const both = [forced.remote("D2b"), forced.remote("D2c")];
    await Promise.all([signal(folder, "D2b began"), signal(folder, "D2c began")]);
    for (const each of both) cancel(each, { force: true });
    expect(await get([1, 2, 3].map((x) => next.remote(x)))).toEqual([1, 2, 3]);
    expect(notes(folder, "forced")).toEqual(["0", "0", "0"]);
  });

  it("keeps what waits for its dependencies, or in a queue, from ever running (D3)", async () => {
    const held = [gated.remote("D3a"), gated.remote("D3b")];
    await Promise.all([signal(folder, "D3a began"), signal(folder, "D3b began")]);
    const mark = remote((name: unknown) => note(folder, "D3", String(name)));
    const waiting = mark.remote(held[0]);
    const queued = Array.from({ length: 20 }, (_, i) => mark.remote(i));
    cancel(waiting);
    for (const ref of queued) cancel(ref);
    for (const ref of [waiting, ...queued]) expect((await rejection(get(ref))).code).toBe("TaskCancelled");
    raise(folder, "D3a");
    raise(folder, "D3b");
    expect(await get(held)).toEqual(["D3a", "D3b"]);
    await get(next.remote(1));
    expect(notes(folder, "D3")).toEqual([]);
  });

  it("fails the dependents, and leaves what it depends on alone (D4)", async () => {
    const upstream = gated.remote("D4");
    const middle = next.remote(upstream);
    const end = next.options({ name: "end" }).remote(middle);
    cancel(middle);
    const error = await rejection(get(end));
    expect([error.code, error.remote]).toMatchObject([
      "TaskCancelled",
      { task: "next", dependents: ["end"] },
    ]);
    raise(folder, "D4");
    expect(await get(upstream)).toBe("D4");
  });

  it("never runs the body of a task whose arguments are still being read (D5)", async () => {
    const large = put(new Float64Array(2_000_000));
    const body = remote((_array: Float64Array, i: number) => note(folder, "D5", String(i)));
    await get(next.remote(0));
    const refs = Array.from({ length: 20 }, (_, i) => body.remote(large, i));
    for (const ref of refs) cancel(ref);
    for (const ref of refs) expect((await rejection(get(ref))).code).toBe("TaskCancelled");
    await get(body.remote(large, -1));
    expect(notes(folder, "D5").length).toBeLessThan(5);
  });

  it("does nothing to a finished task, an unknown ref or a put one (D6)", async () => {
    const ref = next.remote(7);
    await get(ref);
    cancel(ref);
    cancel(ref, { force: true });
    expect(await get(ref)).toBe(7);
    const value = put(1);
    cancel(value);
    expect(await get(value)).toBe(1);
    expect(() => cancel(5 as never)).toThrow(/takes an ObjectRef/);
  });

  it("takes children and grandchildren along, or not with recursive: false (D8)", async () => {
    const child = remote(async (name: string) => {
      raise(folder, `${name} child began`);
      await signal(folder, `${name} child may end`);
      raise(folder, `${name} child ended`);
      return 1;
    });
    const middle = remote(async (name: string): Promise<number> => get(child.remote(name)));
    const parent = remote(async (name: string): Promise<number> => {
      try {
        return await get(middle.remote(name));
      } catch (error) {
        note(folder, `${name} parent saw`, (error as Error).name);
        throw error;
      }
    });
    const tree = parent.options({ cancelGrace: "20s" }).remote("tree");
    await signal(folder, "tree child began");
    cancel(tree);
    expect((await rejection(get(tree))).code).toBe("TaskCancelled");
    while (notes(folder, "tree parent saw").length === 0) await wait([next.remote(1)]);
    // The get of a cancelled task ends, so that it may clean up.
    expect(notes(folder, "tree parent saw")).toEqual(["TaskCancelledError"]);

    const alone = middle.remote("alone");
    await signal(folder, "alone child began");
    cancel(alone, { recursive: false });
    expect((await rejection(get(alone))).code).toBe("TaskCancelled");
    expect(raised(folder, "alone child ended")).toBe(false);
    raise(folder, "alone child may end");
    await signal(folder, "alone child ended");
    raise(folder, "tree child may end");
  });

  it("may be asked for by a process that was given the ref (D9)", async () => {
    const target = gated.remote("D9");
    await signal(folder, "D9 began");
    const canceller = remote(async ({ ref }: { ref: ObjectRef<string> }) => {
      cancel(ref);
      return get(ref).then(
        () => "a value",
        (error: Error) => error.name,
      );
    });
    expect(await get(canceller.remote({ ref: target }))).toBe("TaskCancelledError");
    expect((await rejection(get(target))).code).toBe("TaskCancelled");
    raise(folder, "D9");
  });

  it("drops a large result that comes all the same, with what it holds in the store", async () => {
    const large = remote(async (name: string) => {
      raise(folder, `${name} began`);
      await signal(folder, name);
      return new Float64Array(1_000_000);
    });
    // Twice the store in results that nobody can get: if they were kept, it would spill.
    for (let i = 0; i < 8; i++) {
      const refs = [large.remote(`large ${i}a`), large.remote(`large ${i}b`)];
      await Promise.all([signal(folder, `large ${i}a began`), signal(folder, `large ${i}b began`)]);
      for (const ref of refs) cancel(ref);
      raise(folder, `large ${i}a`);
      raise(folder, `large ${i}b`);
      for (const ref of refs) expect((await rejection(get(ref))).code).toBe("TaskCancelled");
    }
    expect(await get(next.remote(1))).toBe(1);
    const agentPid = await get(remote(() => process.ppid).remote());
    expect(openFiles(agentPid).filter((each) => each.startsWith(`${folder}/spill`))).toEqual([]);
  });

  it("cancels all refs of a task that returns several, by any of them", async () => {
    const several = remote(
      async (name: string) => {
        raise(folder, `${name} began`);
        await signal(folder, name);
        return [1, 2, 3] as [number, number, number];
      },
      { numReturns: 3 },
    );
    const refs = several.remote("several");
    await signal(folder, "several began");
    cancel(refs[2]);
    for (const ref of refs) expect((await rejection(get(ref))).code).toBe("TaskCancelled");
    raise(folder, "several");
  });

  it("holds for half of a hundred queued tasks, and the others finish (D14)", async () => {
    const refs = Array.from({ length: 100 }, (_, i) => next.remote(i));
    const cancelled = refs.filter((_, i) => (i * 7919) % 100 < 50);
    for (const ref of cancelled) cancel(ref);
    const results = await Promise.allSettled(refs.map((ref) => get(ref)));
    for (const [i, result] of results.entries()) {
      if (result.status === "fulfilled") expect(result.value).toBe(i);
      else
        expect([cancelled.includes(refs[i]), (result.reason as { code: string }).code]).toEqual([
          true,
          "TaskCancelled",
        ]);
    }
    expect(
      results.filter((_, i) => !cancelled.includes(refs[i])).every((each) => each.status === "fulfilled"),
    ).toBe(true);
  });

  it("reaches a task between two attempts", async () => {
    const failing = remote(
      () => {
        note(folder, "between", "ran");
        throw new Error("again");
      },
      { retryOn: true, retryDelay: "10m" },
    );
    const ref = failing.remote();
    while (notes(folder, "between").length === 0) await get(next.remote(1));
    cancel(ref);
    expect((await rejection(get(ref))).code).toBe("TaskCancelled");
  });
});

describe("what a cancelled task submits", () => {
  it("is cancelled with it (D8)", async () => {
    const parent = remote(async (name: string) => {
      raise(folder, `${name} began`);
      await new Promise((resolve) => runtimeContext().signal.addEventListener("abort", resolve));
      const pending = [get(next.remote(1)), get(two.remote()[1]), firstOf(numbers.remote())];
      const errors = await Promise.all(pending.map((each) => rejection(each)));
      note(folder, `${name} saw`, errors.map(({ code }) => code).join());
      raise(folder, `${name} over`);
    });
    const ref = parent.remote("late");
    await signal(folder, "late began");
    cancel(ref);
    await signal(folder, "late over");
    expect(notes(folder, "late saw")).toEqual(["TaskCancelled,TaskCancelled,TaskCancelled"]);
  });

  it("runs when children are to be left alone (D8)", async () => {
    const ref = remote(async (name: string) => {
      raise(folder, `${name} began`);
      await signal(folder, name);
      raise(folder, `${name} got ${String(await get(next.remote(1)))}`);
    }).remote("spared");
    await signal(folder, "spared began");
    cancel(ref, { recursive: false });
    raise(folder, "spared");
    await signal(folder, "spared got 1");
    expect((await rejection(get(ref))).code).toBe("TaskCancelled");
  });
});

describe("timeout", () => {
  it("fails a task that takes too long, wherever it is", async () => {
    const running = gated.options({ timeout: 60, cancelGrace: 0 }).remote("timeout");
    const waiting = next.options({ timeout: 30 }).remote(running);
    const error = await rejection(get(waiting));
    expect([error.code, error.remote?.["task"]]).toEqual(["TaskTimeout", "next"]);
    expect((await rejection(get(running))).code).toBe("TaskTimeout");
    const spinning = spin.options({ timeout: 50 }).remote("timeout spin");
    expect((await rejection(get(spinning))).code).toBe("TaskTimeout");
    expect(await get(next.options({ timeout: "1m" }).remote(1))).toBe(1);
  });
});
