import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exitActor, get, init, kill, put, remote, shutdown, type ActorHandle, type ObjectRef } from "../../src/index.ts";
import { notes, removeSignals, signalFolder } from "../tasks/signals.ts";
import { collectUntil, Gate, isNamed, lives, until, type GateHandle } from "./helpers.ts";

const folder = signalFolder();
let gate: GateHandle;
beforeAll(async () => {
  await init({ numCpus: 2, resources: { seat: 1 } });
  gate = remote(Gate).remote();
});
afterAll(async () => {
  await shutdown();
  removeSignals(folder);
});

class Process {
  constructor(name = "") {
    if (name !== "") process.on("exit", () => appendFileSync(join(folder, "exits"), `${name}\n`));
  }
  pid(): number {
    return process.pid;
  }
  large(): Float64Array {
    return new Float64Array(200_000).fill(7);
  }
  async held(wait: { gate: GateHandle }, name: string): Promise<string> {
    return get(wait.gate.wait.remote(name));
  }
  leave(): void {
    exitActor();
  }
  async leaveLater(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    exitActor();
  }
  spin(ms: number): string {
    const end = performance.now() + ms;
    while (performance.now() < end);
    return "spun";
  }
}
const Remote = remote(Process);

describe("an actor ends", () => {
  it("when its last handle goes, after the calls that wait, with its exit handlers (F6, F15)", async () => {
    const begin = async (): Promise<[number, ObjectRef<string>]> => {
      const actor = Remote.remote("last handle");
      const pid = await get(actor.pid.remote());
      return [pid, actor.held.remote({ gate }, "F6")];
    };
    const [pid, waiting] = await begin();
    // Collections while its call waits do it no harm.
    let rounds = 0;
    await collectUntil(() => ++rounds > 5);
    expect(lives(pid)).toBe(true);
    gate.open.remote("F6");
    expect(await get(waiting)).toBe("F6");
    await collectUntil(() => !lives(pid));
    expect(notes(folder, "exits")).toContain("last handle");
  });

  it("not while a method, a ref, or another process holds it (F6)", async () => {
    const begin = async () => {
      const actor = Remote.remote();
      const pid = await get(actor.pid.remote());
      const keep = remote(async (held: { actor: ActorHandle<typeof Process>; gate: GateHandle }) => {
        await get(held.gate.wait.remote("kept elsewhere"));
        return get(held.actor.pid.remote());
      });
      const elsewhere = keep.remote({ actor, gate });
      await until(async () => (await get(gate.waits.remote("kept elsewhere"))) > 0);
      return { pid, elsewhere };
    };
    const { pid, elsewhere } = await begin();
    let rounds = 0;
    await collectUntil(() => ++rounds > 5);
    gate.open.remote("kept elsewhere");
    expect(await get(elsewhere)).toBe(pid);
    await collectUntil(() => !lives(pid));

    const method = (() => Remote.remote().pid)();
    const second = await get(method.remote());
    rounds = 0;
    await collectUntil(() => ++rounds > 5);
    expect(await get(method.remote())).toBe(second);

    const stored = put({ actor: Remote.remote() });
    rounds = 0;
    await collectUntil(() => ++rounds > 5);
    const third = await get((await get(stored)).actor.pid.remote());
    expect(third).not.toBe(second);
  });

  it("when the only process that holds it ends (F6)", async () => {
    class Keeper {
      readonly kept = Remote.options({ name: "kept" }).remote();
      async pid(): Promise<number> {
        return get(this.kept.pid.remote());
      }
    }
    const keeper = remote(Keeper).remote();
    const pid = await get(keeper.pid.remote());
    kill(keeper);
    await until(() => !lives(pid));
    await until(async () => !(await isNamed("kept")));
  });

  it("although it computes without end, once nobody holds it any more (F6)", async () => {
    class Keeper {
      readonly kept = Remote.remote();
      async begin(): Promise<number> {
        const pid = await get(this.kept.pid.remote());
        void this.kept.spin.remote(1e9);
        return pid;
      }
    }
    const keeper = remote(Keeper).remote();
    const pid = await get(keeper.begin.remote());
    kill(keeper);
    await until(() => !lives(pid));
  });

  it("without a word of error to its program (F7)", async () => {
    const warnings: string[] = [];
    const listen = (warning: Error): void => void warnings.push(warning.message);
    process.on("warning", listen);
    const actor = Remote.remote();
    const pid = await get(actor.pid.remote());
    const waiting = actor.held.remote({ gate }, "never");
    kill(actor);
    await until(() => !lives(pid));
    await expect(get(waiting)).rejects.toMatchObject({ code: "ActorDied" });
    process.off("warning", listen);
    expect(warnings).toEqual([]);
  });

  it("and its finished results stay readable, large ones too", async () => {
    const actor = Remote.remote();
    const small = actor.pid.remote();
    const large = actor.large.remote();
    await get(small);
    const sum = remote((values: Float64Array) => values.reduce((a, b) => a + b));
    await get(sum.remote(large));
    const pid = await get(small);
    kill(actor);
    await until(() => !lives(pid));
    expect((await get(large))[199_999]).toBe(7);
    expect(await get(sum.remote(large))).toBe(1_400_000);
  });

  it("a busy actor's finished results are readable while it computes", async () => {
    const actor = Remote.remote();
    await get(actor.pid.remote());
    const first = actor.pid.remote();
    const large = actor.large.remote();
    const spinning = actor.spin.remote(600_000);
    expect(await get(first)).toBeGreaterThan(0);
    expect((await get(large)).length).toBe(200_000);
    kill(actor);
    await expect(get(spinning)).rejects.toMatchObject({ code: "ActorDied", message: expect.stringContaining("kill()") });
  });
});

describe("exitActor", () => {
  it("ends the call and those behind it, runs exit handlers, and names itself (F16)", async () => {
    const actor = Remote.remote("left");
    const pid = await get(actor.pid.remote());
    const before = actor.pid.remote();
    const leaving = actor.leave.remote();
    const behind = [actor.pid.remote(), actor.pid.remote()];
    expect(await get(before)).toBe(pid);
    for (const ref of [leaving, ...behind]) {
      await expect(get(ref)).rejects.toMatchObject({ code: "ActorDied", message: expect.stringContaining("exitActor()") });
    }
    await until(() => !lives(pid));
    expect(notes(folder, "exits")).toContain("left");
    await expect(get(actor.pid.remote())).rejects.toMatchObject({ message: expect.stringContaining("exitActor()") });
  });

  it("from an async method, although others run (H9)", async () => {
    const actor = Remote.remote();
    const waiting = actor.held.remote({ gate }, "H9");
    await until(async () => (await get(gate.waits.remote("H9"))) > 0);
    const leaving = actor.leaveLater.remote();
    for (const ref of [leaving, waiting]) {
      await expect(get(ref)).rejects.toMatchObject({ code: "ActorDied", message: expect.stringContaining("exitActor()") });
    }
  });

  it("is a TypeError outside of an actor (F16)", async () => {
    expect(() => exitActor()).toThrow(TypeError);
    const inTask = remote(() => exitActor());
    await expect(get(inTask.remote())).rejects.toThrow("exitActor() can only be called inside a method of an actor");
  });
});

describe("constructors", () => {
  class Broken {
    constructor(text: string) {
      throw new RangeError(text);
    }
    f(): number {
      return 1;
    }
  }

  it("that throw: every call fails with their text and cause, and the actor stays dead (F9)", async () => {
    const broken = remote(Broken).remote("no model here");
    const died = { code: "ActorDied", message: expect.stringContaining("RangeError: no model here"), cause: expect.any(RangeError) };
    await expect(get(broken.f.remote())).rejects.toMatchObject(died);
    await expect(broken.ready()).rejects.toMatchObject(died);
    await expect(get(broken.f.remote())).rejects.toMatchObject(died);
    const after = remote((n: number) => n);
    await expect(get(after.remote(broken.f.remote()))).rejects.toMatchObject(died);
  });

  it("wait for their arguments; one that fails is the actor's death (F10)", async () => {
    class Sum {
      readonly sum: number;
      constructor(a: number, b: number, box: { ref: ObjectRef<number> }) {
        this.sum = a + b + Object.keys(box).length;
      }
      get(): number {
        return this.sum;
      }
    }
    const number = remote(async (held: { gate: GateHandle }, n: number) => {
      await get(held.gate.wait.remote(`F10 ${n}`));
      if (n < 0) throw new RangeError(`not ${n}`);
      return n;
    });
    const sum = remote(Sum).remote(number.remote({ gate }, 1), put(2), { ref: put(0) });
    const answer = sum.get.remote();
    const ready = sum.ready();
    gate.open.remote("F10 1");
    expect(await get(answer)).toBe(4);
    await ready;

    const failing = remote(Sum).options({ name: "fails" }).remote(number.remote({ gate }, -1), 1, { ref: put(0) });
    const lost = failing.get.remote();
    gate.open.remote("F10 -1");
    await expect(get(lost)).rejects.toMatchObject({ code: "ActorDied", cause: expect.any(RangeError) });
    await expect(failing.ready()).rejects.toMatchObject({ code: "ActorDied" });
    await until(async () => !(await isNamed("fails")));

    using gone = put(5);
    gone[Symbol.dispose]();
    const without = remote(Sum).remote(gone, 1, { ref: put(0) });
    await expect(get(without.get.remote())).rejects.toMatchObject({ code: "ActorDied", message: expect.stringContaining("was released") });
  });

  it("have their large arguments although the creator dropped everything", async () => {
    class Holder {
      readonly sum: number;
      constructor(values: Float64Array) {
        this.sum = values.reduce((a, b) => a + b);
      }
      get(): number {
        return this.sum;
      }
    }
    const ask = remote(async (held: { holder: ActorHandle<typeof Holder> }) => get(held.holder.get.remote()));
    const answer = (() => ask.remote({ holder: remote(Holder).remote(put(new Float64Array(300_000).fill(1))) }))();
    let rounds = 0;
    await collectUntil(() => ++rounds > 5);
    expect(await get(answer)).toBe(300_000);
  });

  it("of an actor whose creator ended meanwhile never run (F18)", async () => {
    class Creator {
      begin(held: { gate: GateHandle }): void {
        const never = remote(async (box: { gate: GateHandle }) => get(box.gate.wait.remote("F18")));
        Remote.options({ name: "orphan", lifetime: "detached" }).remote(never.remote(held));
      }
    }
    const creator = remote(Creator).remote();
    await get(creator.begin.remote({ gate }));
    await until(() => isNamed("orphan"));
    kill(creator);
    await until(async () => !(await isNamed("orphan")));
  });
});

describe("kill", () => {
  it("of an actor that waits for resources withdraws its demand (F17)", async () => {
    const Seated = remote(Process, { resources: { seat: 1 } });
    const first = Seated.remote();
    await first.ready();
    const second = Seated.remote();
    const call = second.pid.remote();
    const third = Seated.remote();
    kill(second);
    await expect(get(call)).rejects.toMatchObject({ code: "ActorDied", message: expect.stringContaining("kill()") });
    kill(first);
    expect(await get(third.pid.remote())).toBeGreaterThan(0);
    kill(third);
  });

  it("before its arguments are there, and more than once", async () => {
    const never = remote(async (held: { gate: GateHandle }) => get(held.gate.wait.remote("kill")));
    const actor = Remote.options({ name: "early" }).remote(never.remote({ gate }));
    const ready = actor.ready();
    kill(actor);
    kill(actor);
    await expect(ready).rejects.toMatchObject({ code: "ActorDied" });
    await until(async () => !(await isNamed("early")));
    gate.open.remote("kill");
  });

  it("takes a handle and nothing else", () => {
    expect(() => kill({})).toThrow(expect.objectContaining({ code: "BadOption" }));
    expect(() => kill(put(1))).toThrow("kill() takes an actor handle");
  });

  it("a process that exits by itself says how it ended", async () => {
    class Quits {
      quit(): void {
        process.exit(3);
      }
    }
    const quits = remote(Quits).remote();
    await expect(get(quits.quit.remote())).rejects.toMatchObject({ code: "ActorDied", message: expect.stringContaining("exit code 3") });
  });
});

describe("ready", () => {
  it("gives up in time, and goes on to become ready (F15)", async () => {
    class Slow {
      constructor(_value: string) {}
    }
    const pass = remote(async (held: { gate: GateHandle }) => get(held.gate.wait.remote("slow")));
    const slow = remote(Slow).remote(pass.remote({ gate }));
    await expect(slow.ready({ timeout: 20 })).rejects.toMatchObject({ code: "GetTimeout" });
    const stop = new AbortController();
    const aborted = slow.ready({ signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    await expect(slow.ready({ timeout: -1 })).rejects.toMatchObject({ code: "BadOption" });
    gate.open.remote("slow");
    await slow.ready();
    await slow.ready();
  });

  it("of tasks that hold all CPUs lets the actors start", async () => {
    const create = remote(async () => {
      const actor = Remote.remote();
      await actor.ready();
      return get(actor.pid.remote());
    });
    const pids = await get([create.remote(), create.remote(), create.remote()]);
    expect(new Set(pids).size).toBe(3);
  });
});
