import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cancel, get, init, put, remote, shutdown, type ActorHandle } from "../../src/index.ts";
import { Gate, Log, type GateHandle, type LogHandle } from "./actor-fixtures.ts";

let gate: GateHandle;
beforeAll(async () => {
  await init({ numCpus: 2 });
  gate = remote(Gate).remote();
});
afterAll(shutdown);

const pass = remote(async (held: { gate: GateHandle }, name: string) => {
  await get(held.gate.wait.remote(name));
  return name;
});
const refuse = remote(async (held: { gate: GateHandle }, name: string) => {
  await get(held.gate.wait.remote(name));
  throw new Error(`refused ${name}`);
});

describe("the order of calls", () => {
  it("one caller's calls run in the order they were made, one at a time (F1)", async () => {
    class Serial {
      readonly pid = process.pid;
      running = 0;
      most = 0;
      readonly seen: number[] = [];
      async step(n: number): Promise<void> {
        this.most = Math.max(this.most, ++this.running);
        await new Promise((resolve) => setImmediate(resolve));
        this.seen.push(n);
        this.running--;
      }
      report(): [number[], number, number] {
        return [this.seen, this.most, this.pid];
      }
    }
    const serial = remote(Serial, { maxConcurrency: 1 }).remote();
    for (let i = 0; i < 50; i++) serial.step.remote(i);
    const [seen, most, pid] = await get(serial.report.remote());
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(most).toBe(1);
    expect(pid).not.toBe(process.pid);
  });

  it("a call waits for those before it, whose arguments come later (F2)", async () => {
    const log = remote(Log).remote();
    const late = log.add.remote(pass.remote({ gate }, "F2"));
    const soon = log.add.remote("second");
    const large = log.addLength.remote(new Uint8Array(300_000));
    gate.open.remote("F2");
    await get([late, soon, large]);
    expect(await get(log.all.remote())).toEqual(["F2", "second", "300000"]);
  });

  it("a large argument does not let later calls past, in async actors neither (F2)", async () => {
    class Starts {
      readonly seen: string[] = [];
      async big(bytes: Uint8Array): Promise<void> {
        this.seen.push(`big ${bytes.length}`);
      }
      async small(name: string): Promise<string[]> {
        this.seen.push(name);
        return this.seen;
      }
    }
    const starts = remote(Starts).remote();
    const expected: string[] = [];
    let last: Promise<string[]> = Promise.resolve([]);
    for (let i = 0; i < 5; i++) {
      starts.big.remote(new Uint8Array(200_000 + i));
      last = get(starts.small.remote(`small ${i}`));
      expected.push(`big ${200_000 + i}`, `small ${i}`);
    }
    expect(await last).toEqual(expected);
  });

  it("passes over calls that were cancelled, or whose argument failed (F2)", async () => {
    const log = remote(Log).remote();
    const first = log.add.remote(pass.remote({ gate }, "first"));
    const dropped = log.add.remote("dropped");
    const failed = log.add.remote(refuse.remote({ gate }, "failing"));
    const last = log.add.remote("last");
    cancel(dropped);
    await expect(get(dropped)).rejects.toMatchObject({ code: "TaskCancelled" });
    gate.open.remote("failing");
    // The failure of an argument is told at once, although the first call still waits.
    await expect(get(failed)).rejects.toThrow("refused failing");
    gate.open.remote("first");
    await get([first, last]);
    expect(await get(log.all.remote())).toEqual(["first", "last"]);
  });

  it("each of two callers keeps its own order (F3)", async () => {
    const log = remote(Log).remote();
    const write = remote(async (held: { log: LogHandle }, name: string) => {
      const refs = [];
      for (let i = 0; i < 40; i++)
        refs.push(held.log.add.remote(i % 5 === 0 ? put(`${name} ${i}`) : `${name} ${i}`));
      await get(refs);
    });
    await get([write.remote({ log }, "a"), write.remote({ log }, "b")]);
    const all = await get(log.all.remote());
    for (const name of ["a", "b"]) {
      expect(all.filter((each) => each.startsWith(name))).toEqual(
        Array.from({ length: 40 }, (_, i) => `${name} ${i}`),
      );
    }
  });
});

describe("handles", () => {
  it("pass in arguments, containers and closures, and come back in results (F4)", async () => {
    const log = remote(Log).remote();
    const add = remote(async (direct: LogHandle, box: { at: Map<string, LogHandle[]> }) => {
      await get(direct.add.remote("direct"));
      const nested = box.at.get("x")?.[0];
      if (nested === undefined) throw new Error("the nested handle is gone");
      await get(nested.add.remote("nested"));
      await get(log.add.remote("captured"));
      return [direct === nested, nested === log, { back: nested }] as const;
    });
    const [same, captured, { back }] = await get(add.remote(log, { at: new Map([["x", [log]]]) }));
    expect([same, captured, back === log]).toEqual([true, true, true]);
    expect(await get(log.all.remote())).toEqual(["direct", "nested", "captured"]);
    expect(new Set([back, log]).size).toBe(1);
  });

  it("returned from an actor is the actor that it made; stored in a ref it lives on (F4)", async () => {
    class Maker {
      #made: LogHandle | null = null;
      make(): { log: LogHandle } {
        this.#made ??= remote(Log).remote();
        return { log: this.#made };
      }
    }
    const maker = remote(Maker).remote();
    const { log } = await get(maker.make.remote());
    await get(log.add.remote("x"));
    const again = await get(maker.make.remote());
    expect(again.log).toBe(log);
    const stored = put({ log });
    expect((await get(stored)).log).toBe(log);
    expect(await get(log.all.remote())).toEqual(["x"]);
  });

  it("copies within a process are one caller: their calls keep one order (F5)", async () => {
    const log = remote(Log).remote();
    const write = remote(async (one: LogHandle, box: { two: LogHandle }) => {
      const third = await get(put([one]));
      const copies: LogHandle[] = [one, box.two, third[0]];
      const refs = Array.from({ length: 30 }, (_, i) => copies[i % 3].add.remote(String(i)));
      await get(refs);
    });
    await get(write.remote(log, { two: log }));
    expect(await get(log.all.remote())).toEqual(Array.from({ length: 30 }, (_, i) => String(i)));
  });

  it("may be passed on before the actor's own arguments are there (F4, F10)", async () => {
    class Named {
      readonly name: string;
      constructor(name: string) {
        this.name = name;
      }
      get(): string {
        return this.name;
      }
    }
    const named = remote(Named).remote(pass.remote({ gate }, "made late"));
    const ask = remote(async (held: { named: ActorHandle<typeof Named> }) => get(held.named.get.remote()));
    const answer = ask.remote({ named });
    gate.open.remote("made late");
    expect(await get(answer)).toBe("made late");
  });

  it("an actor's process runs no tasks (F12)", async () => {
    class Where {
      pid(): number {
        return process.pid;
      }
    }
    const actor = remote(Where).remote();
    const pid = await get(actor.pid.remote());
    const whereTasks = remote(() => process.pid);
    const pids = await get(Array.from({ length: 50 }, () => whereTasks.remote()));
    expect(pids).not.toContain(pid);
  });
});
