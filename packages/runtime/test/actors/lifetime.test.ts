import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  exitActor,
  get,
  init,
  kill,
  put,
  remote,
  shutdown,
  type ActorHandle,
  type ObjectRef,
} from "../../src/index.ts";
import { notes, removeSignals, signalFolder } from "../tasks/signals.ts";
import { collectUntil, Gate, isNamed, lives, until, type GateHandle } from "./actor-fixtures.ts";

const folder = signalFolder();
let gate: GateHandle;
beforeAll(async () => {
  await init({ numCpus: 2 });
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
    expect(lives(pid)).toBe(false);
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
    expect(lives(pid)).toBe(false);
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
    await expect(get(spinning)).rejects.toMatchObject({
      code: "ActorDied",
      message: expect.stringContaining("kill()"),
    });
  });
});

describe("an actor whose methods were short until now", () => {
  it("gives its finished results while it computes", async () => {
    const actor = Remote.remote();
    await get(Array.from({ length: 200 }, () => actor.spin.remote(0)));
    const first = [1, 2, 3].map(() => actor.pid.remote());
    const spinning = actor.spin.remote(600_000);
    const pids = await get(first);
    expect(new Set(pids).size).toBe(1);
    kill(actor);
    await expect(get(spinning)).rejects.toMatchObject({ code: "ActorDied" });
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
      await expect(get(ref)).rejects.toMatchObject({
        code: "ActorDied",
        message: expect.stringContaining("exitActor()"),
      });
    }
    await until(() => !lives(pid));
    expect(notes(folder, "exits")).toContain("left");
    await expect(get(actor.pid.remote())).rejects.toMatchObject({
      message: expect.stringContaining("exitActor()"),
    });
  });

  it("from an async method, although others run (H9)", async () => {
    const actor = Remote.remote();
    const waiting = actor.held.remote({ gate }, "H9");
    await until(async () => (await get(gate.waits.remote("H9"))) > 0);
    const leaving = actor.leaveLater.remote();
    for (const ref of [leaving, waiting]) {
      await expect(get(ref)).rejects.toMatchObject({
        code: "ActorDied",
        message: expect.stringContaining("exitActor()"),
      });
    }
  });

  it("is a TypeError outside of an actor (F16)", async () => {
    expect(() => exitActor()).toThrow(TypeError);
    const inTask = remote(() => exitActor());
    await expect(get(inTask.remote())).rejects.toThrow(
      "exitActor() can only be called inside a method of an actor",
    );
  });
});
