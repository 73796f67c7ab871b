import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cancel, get, init, remote, runtimeContext, shutdown } from "../../src/index.ts";
import { Gate, until, type GateHandle } from "./actor-fixtures.ts";

let gate: GateHandle;
beforeAll(async () => {
  await init({ numCpus: 2 });
  gate = remote(Gate).remote();
});
afterAll(shutdown);

/** Counts how many of its calls are under way. */
class Counting {
  running = 0;
  most = 0;
  readonly #open = Promise.withResolvers<void>();

  async wait(): Promise<number> {
    this.most = Math.max(this.most, ++this.running);
    await this.#open.promise;
    this.running--;
    return this.most;
  }
  async open(): Promise<void> {
    this.#open.resolve();
  }
  async count(): Promise<number> {
    return this.running;
  }
  sync(): number {
    return this.running;
  }
}

describe("how many calls run at a time", () => {
  it("1,000 of an actor with async methods, unless said (H1)", async () => {
    const counting = remote(Counting, {
      concurrencyGroups: { control: { limit: 1, methods: ["open", "count"] } },
    }).remote();
    const waiting = Array.from({ length: 1500 }, () => counting.wait.remote());
    await until(async () => (await get(counting.count.remote())) === 1000);
    counting.open.remote();
    expect(Math.max(...(await get(waiting)))).toBe(1000);
  });

  it("one with maxConcurrency 1, one of an actor without async methods (H1)", async () => {
    const counting = remote(Counting, {
      maxConcurrency: 1,
      concurrencyGroups: { control: { limit: 1, methods: ["open"] } },
    }).remote();
    const waiting = Array.from({ length: 5 }, () => counting.wait.remote());
    counting.open.remote();
    expect(await get(waiting)).toEqual([1, 1, 1, 1, 1]);
    class Promising {
      running = 0;
      step(): Promise<number> {
        const { promise, resolve } = Promise.withResolvers<number>();
        const most = ++this.running;
        setImmediate(() => {
          this.running--;
          resolve(most);
        });
        return promise;
      }
    }
    const promising = remote(Promising).remote();
    expect(await get(Array.from({ length: 5 }, () => promising.step.remote()))).toEqual([1, 1, 1, 1, 1]);
  });

  it("sync methods run one at a time on the same thread, while async ones wait (H2)", async () => {
    const counting = remote(Counting).remote();
    const waiting = [counting.wait.remote(), counting.wait.remote()];
    expect(await get([counting.sync.remote(), counting.sync.remote()])).toEqual([2, 2]);
    counting.open.remote();
    await get(waiting);
  });

  it("3,000 calls of one caller wait for a later one, far beyond the link's claim words", async () => {
    const counting = remote(Counting, { maxConcurrency: 5000 }).remote();
    const waiting = Array.from({ length: 3000 }, () => counting.wait.remote());
    const cancelled = waiting.splice(2990, 5);
    for (const ref of cancelled) cancel(ref);
    counting.open.remote();
    const most = await get(waiting);
    expect(most).toHaveLength(2995);
    expect(Math.max(...most)).toBeGreaterThan(2900);
    for (const ref of cancelled) await expect(get(ref)).rejects.toMatchObject({ code: "TaskCancelled" });
  });

  it("the calls that a dying actor leaves behind all fail, beyond the claim words too", async () => {
    class Dying {
      async wait(): Promise<void> {
        await new Promise(() => {});
      }
      die(): void {
        process.exit(9);
      }
    }
    const dying = remote(Dying, { maxConcurrency: 5000 }).remote();
    const waiting = Array.from({ length: 2000 }, () => dying.wait.remote());
    dying.die.remote();
    const outcomes = await Promise.allSettled(waiting.map((ref) => get(ref)));
    const codes = outcomes.map((each) =>
      each.status === "rejected" ? (each.reason as { code: string }).code : "fulfilled",
    );
    expect(new Set(codes)).toEqual(new Set(["ActorDied"]));
  });

  it("thousands of parked sync calls run without deep stacks", async () => {
    const counting = remote(Counting).remote();
    const Held = remote(
      class {
        count = 0;
        #open = Promise.withResolvers<void>();
        async hold(): Promise<void> {
          await this.#open.promise;
        }
        release(): void {
          this.#open.resolve();
        }
        add(): number {
          return ++this.count;
        }
      },
      { maxConcurrency: 1, concurrencyGroups: { control: { limit: 1, methods: ["release"] } } },
    );
    const held = Held.remote();
    held.hold.remote();
    const adds = Array.from({ length: 20_000 }, () => held.add.remote());
    held.release.remote();
    expect((await get(adds)).at(-1)).toBe(20_000);
    await counting.ready();
  });
});

describe("concurrency groups", () => {
  class Groups {
    readonly seen: string[] = [];
    async read(held: { gate: GateHandle }, name: string): Promise<string> {
      return get(held.gate.wait.remote(name));
    }
    async write(held: { gate: GateHandle }, name: string): Promise<string> {
      return get(held.gate.wait.remote(name));
    }
    async quick(): Promise<string> {
      return "quick";
    }
  }
  const Grouped = remote(Groups, {
    maxConcurrency: 1,
    concurrencyGroups: { io: { limit: 2, methods: ["read"] }, other: { limit: 1 } },
  });

  it("a full group blocks neither the others nor the default (H5)", async () => {
    const groups = Grouped.remote();
    const reads = [1, 2, 3].map(() => groups.read.remote({ gate }, "H5 read"));
    await until(async () => (await get(gate.waits.remote("H5 read"))) === 2);
    expect(await get(groups.quick.remote())).toBe("quick");
    const write = groups.write.remote({ gate }, "H5 write");
    const behind = groups.quick.remote();
    expect(await get(groups.quick.options({ concurrencyGroup: "other" }).remote())).toBe("quick");
    gate.open.remote("H5 read");
    await get(reads);
    gate.open.remote("H5 write");
    expect(await get([write, behind])).toEqual(["H5 write", "quick"]);
  });

  it("a call may choose another group; an unknown one is refused (H6)", async () => {
    const groups = Grouped.remote();
    const held = groups.write.remote({ gate }, "H6");
    const elsewhere = groups.write.options({ concurrencyGroup: "io" }).remote({ gate }, "H6 io");
    gate.open.remote("H6 io");
    expect(await get(elsewhere)).toBe("H6 io");
    gate.open.remote("H6");
    await get(held);
    expect(() => groups.quick.options({ concurrencyGroup: "fast" })).toThrow(
      /concurrencyGroup must be one of .*io, other.*fast/,
    );
    expect(() => remote(Groups, { methods: { quick: { concurrencyGroup: "fast" } } })).toThrow(
      /concurrencyGroup/,
    );
    expect(() => remote(Groups, { concurrencyGroups: { io: { limit: 1, methods: ["reed"] } } })).toThrow(
      /did you mean read/,
    );
  });
});

describe("cancelling a call", () => {
  class Cancellable {
    aborted = "";
    ran: string[] = [];
    async untilAborted(): Promise<void> {
      const { signal } = runtimeContext();
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      this.aborted = (signal.reason as Error).name;
    }
    async hold(held: { gate: GateHandle }, name: string): Promise<void> {
      await get(held.gate.wait.remote(name));
    }
    spin(ms: number): string {
      const end = performance.now() + ms;
      while (performance.now() < end);
      this.ran.push("spin");
      return "spun";
    }
    note(name: string): void {
      this.ran.push(name);
    }
    state(): [string, string[]] {
      return [this.aborted, this.ran];
    }
  }
  const Remote = remote(Cancellable);

  it("that runs async: it sees its signal", async () => {
    const actor = Remote.remote();
    const call = actor.untilAborted.remote();
    await get(actor.state.remote());
    cancel(call);
    await expect(get(call)).rejects.toMatchObject({ code: "TaskCancelled" });
    await until(async () => (await get(actor.state.remote()))[0] !== "");
    expect((await get(actor.state.remote()))[0]).toBe("TaskCancelledError");
  });

  it("that runs sync: its result is dropped, the actor lives", async () => {
    const actor = Remote.remote();
    await actor.ready();
    const call = actor.spin.remote(300);
    await new Promise((resolve) => setTimeout(resolve, 30));
    cancel(call);
    await expect(get(call)).rejects.toMatchObject({ code: "TaskCancelled" });
    expect(await get(actor.state.remote())).toEqual(["", ["spin"]]);
  });

  it("that waits in the actor, in both kinds of place, never runs", async () => {
    const actor = remote(Cancellable, {
      maxConcurrency: 1,
      concurrencyGroups: { control: { limit: 1, methods: ["state"] } },
    }).remote();
    const held = actor.hold.remote({ gate }, "held");
    const notes = Array.from({ length: 1200 }, (_, i) => actor.note.remote(String(i)));
    await until(async () => (await get(gate.waits.remote("held"))) === 1);
    for (const at of [0, 1, 1199]) cancel(notes[at]);
    gate.open.remote("held");
    await get(held);
    await get(notes.slice(2, 1199));
    const [, ran] = await get(actor.state.remote());
    expect([ran.length, ran.includes("0"), ran.includes("1199")]).toEqual([1197, false, false]);
  });

  it("cannot be forced", async () => {
    const actor = Remote.remote();
    const call = actor.untilAborted.remote();
    expect(() => cancel(call, { force: true })).toThrow(expect.objectContaining({ code: "BadOption" }));
    cancel(call);
    await expect(get(call)).rejects.toMatchObject({ code: "TaskCancelled" });
  });

  it("by its timeout, of the method or of the call", async () => {
    const actor = remote(Cancellable, { methods: { untilAborted: { timeout: 60 } } }).remote();
    await actor.ready();
    await expect(get(actor.untilAborted.remote())).rejects.toMatchObject({
      code: "TaskTimeout",
      message: expect.stringContaining("60 ms"),
    });
    const own = actor.untilAborted.options({ timeout: "20ms", name: "mine" }).remote();
    await expect(get(own)).rejects.toMatchObject({
      message: expect.stringMatching(/^mine did not finish within 20 ms/),
    });
  });
});

describe("too many calls", () => {
  it("maxPendingCalls refuses the next at once, and takes it when some have finished (F20)", async () => {
    const counting = remote(Counting, { maxPendingCalls: 3 }).remote();
    const waiting = [1, 2].map(() => counting.wait.remote());
    const open = counting.open.remote();
    expect(() => counting.open.remote()).toThrow(expect.objectContaining({ code: "PendingCallsLimit" }));
    await get([...waiting, open]);
    await get(counting.open.remote());
  });

  it("more than 5,000 queued calls warn, again at twice as many; calls one by one never do (F19)", async () => {
    const warnings: string[] = [];
    const listen = (warning: Error): void => void warnings.push(warning.message);
    process.on("warning", listen);
    const counting = remote(Counting).remote();
    for (let i = 0; i < 200; i++) await get(counting.sync.remote());
    expect(warnings).toEqual([]);
    const calls = Array.from({ length: 20_500 }, () => counting.sync.remote());
    await get(calls);
    process.off("warning", listen);
    expect(warnings.map((text) => Number.parseInt(text, 10))).toEqual([5001, 10_001, 20_001]);
    expect(warnings[0]).toContain("Counting");
  });
});
