import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, kill, put, remote, shutdown, type ActorHandle, type ObjectRef } from "../../src/index.ts";
import { collectUntil, Gate, isNamed, until, type GateHandle } from "./actor-fixtures.ts";

let gate: GateHandle;
beforeAll(async () => {
  await init({ numCpus: 2, resources: { seat: 1 } });
  gate = remote(Gate).remote();
});
afterAll(shutdown);

class Process {
  readonly name: string;
  constructor(name = "") {
    this.name = name;
  }
  pid(): number {
    return process.pid;
  }
}
const Remote = remote(Process);

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
    const died = {
      code: "ActorDied",
      message: expect.stringContaining("RangeError: no model here"),
      cause: expect.any(RangeError),
    };
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

    const failing = remote(Sum)
      .options({ name: "fails" })
      .remote(number.remote({ gate }, -1), 1, { ref: put(0) });
    const lost = failing.get.remote();
    gate.open.remote("F10 -1");
    await expect(get(lost)).rejects.toMatchObject({ code: "ActorDied", cause: expect.any(RangeError) });
    await expect(failing.ready()).rejects.toMatchObject({ code: "ActorDied" });
    await until(async () => !(await isNamed("fails")));

    using gone = put(5);
    gone[Symbol.dispose]();
    const without = remote(Sum).remote(gone, 1, { ref: put(0) });
    await expect(get(without.get.remote())).rejects.toMatchObject({
      code: "ActorDied",
      message: expect.stringContaining("was released"),
    });
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
    const answer = (() =>
      ask.remote({ holder: remote(Holder).remote(put(new Float64Array(300_000).fill(1))) }))();
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
    expect(await isNamed("orphan")).toBe(false);
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
    await expect(get(call)).rejects.toMatchObject({
      code: "ActorDied",
      message: expect.stringContaining("kill()"),
    });
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
    await expect(get(quits.quit.remote())).rejects.toMatchObject({
      code: "ActorDied",
      message: expect.stringContaining("exit code 3"),
    });
  });
});

describe("ready", () => {
  it("gives up in time, and goes on to become ready (F15)", async () => {
    class Slow {
      readonly value: string;
      constructor(value: string) {
        this.value = value;
      }
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
