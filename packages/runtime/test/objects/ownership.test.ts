import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, put, remote, shutdown, type ObjectRef } from "../../src/index.ts";
import { rejection, removeSignals, signal, signalFolder } from "../tasks/signals.ts";

const mebibyte = 1024 * 1024;
const folder = signalFolder();

beforeAll(async () => {
  await init({ numCpus: 2, objectStore: "256MiB" });
});
afterAll(async () => {
  await shutdown();
  removeSignals(folder);
});

/** Refs that a task owns: of a large value, of a small one, and of a task of its own that is under way until the signal. */
const owns = remote(async (name: string) => {
  const later = remote(async () => {
    await signal(folder, name);
    return new Uint8Array(mebibyte).fill(3);
  });
  return {
    large: put(new Uint8Array(mebibyte).fill(1)),
    small: put({ n: 2 }),
    later: later.remote(),
    pid: process.pid,
  };
});
const readFirst = remote(async (box: [ObjectRef<Uint8Array>]) => (await get(box[0]))[0]);

/** Resolves once the process is gone. */
async function killed(pid: number): Promise<void> {
  process.kill(pid, "SIGKILL");
  await expect
    .poll(() => {
      try {
        process.kill(pid, 0);
        return "alive";
      } catch {
        return "gone";
      }
    })
    .toBe("gone");
}

describe("the death of a process", () => {
  it("takes no value from those who have its refs already (J4)", async () => {
    const { large, small, later, pid } = await get(owns.remote("never-1"));
    const box = put([large]);
    await killed(pid);
    expect((await get(large))[0]).toBe(1);
    expect(await get(small)).toEqual({ n: 2 });
    expect(await get(readFirst.remote([large]))).toBe(1);
    expect(await get(readFirst.remote(box as never))).toBe(1);
    expect((await rejection(get(later))).code).toBe("OwnerDied");
  });

  it("fails refs that were pending with OwnerDied, for every borrower, at once (J7)", async () => {
    const { later, pid } = await get(owns.remote("never-2"));
    const waiting = rejection(get(later));
    const inTask = rejection(get(readFirst.remote([later])));
    const asArgument = rejection(get(remote((bytes: Uint8Array) => bytes[0]).remote(later)));
    await killed(pid);
    expect((await waiting).code).toBe("OwnerDied");
    expect((await waiting).message).toMatch(/the process that owns .* has ended before the value was there/);
    expect((await inTask).code).toBe("OwnerDied");
    expect((await asArgument).code).toBe("OwnerDied");
    expect((await rejection(get(readFirst.remote([later])))).code).toBe("OwnerDied");
  });

  it("does not matter for a ref that was pending when it came and has its value since", async () => {
    const inner = remote(() => {
      const soon = remote(async () => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        return new Uint8Array(mebibyte).fill(5);
      });
      return [soon.remote(), process.pid] as const;
    });
    const value = inner.remote();
    const [ref, pid] = await get(value);
    const box = put([ref]);
    const captures = remote(async () => (await get(ref))[0]);
    const Caller = remote(
      class {
        held: [typeof captures] | undefined;
        hold(list: [typeof captures]) {
          this.held = list;
        }
        call() {
          return get(this.held![0].remote());
        }
      },
    );
    const caller = Caller.remote();
    await get(caller.hold.remote([captures]));
    expect((await get(ref))[0]).toBe(5);
    await killed(pid);
    expect(await get(captures.remote())).toBe(5);
    expect(await get(caller.call.remote())).toBe(5);
    expect(await get(remote((list: [typeof captures]) => get(list[0].remote())).remote([captures]))).toBe(5);
    expect(await get(readFirst.remote(box as never))).toBe(5);
    expect(await get(readFirst.remote(value as never))).toBe(5);
  });

  it("of a borrower releases what it borrowed (J8)", async () => {
    const Holder = remote(
      class {
        box: unknown;
        hold(box: unknown) {
          this.box = box;
          return process.pid;
        }
      },
    );
    const ref = put(new Uint8Array(mebibyte).fill(6));
    const pending = remote(async () => {
      await signal(folder, "never-3");
      return 1;
    }).remote();
    const holder = Holder.remote();
    const pid = await get(holder.hold.remote([ref, pending]));
    await killed(pid);
    expect((await rejection(get(holder.hold.remote(1)))).code).toBe("ActorDied");
    expect((await get(ref))[0]).toBe(6);
  });

  it("leaves the arguments of a task alive for its next attempt (J2)", async () => {
    const dieOnce = remote(
      async (box: [ObjectRef<Uint8Array>], top: Uint8Array) => {
        const { appendFileSync, readFileSync } = await import("node:fs");
        appendFileSync(`${folder}/attempts`, "x");
        if (readFileSync(`${folder}/attempts`).length === 1) process.kill(process.pid, "SIGKILL");
        return [(await get(box[0]))[0], top[0]];
      },
      { retries: 2 },
    );
    const result = (() =>
      dieOnce.remote([put(new Uint8Array(mebibyte).fill(7))], put(new Uint8Array(mebibyte).fill(8))))();
    expect(await get(result)).toEqual([7, 8]);
  });
});
