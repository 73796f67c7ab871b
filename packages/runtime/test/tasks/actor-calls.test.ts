/** Cancelling calls of actors, and their generator methods: the parts of cancel and streams that tasks do not show. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cancel, get, init, kill, remote, runtimeContext, shutdown } from "../../src/index.ts";
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
  until,
} from "./signals.ts";

const folder = signalFolder();
beforeAll(async () => {
  await init({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  removeSignals(folder);
});

const Async = remote(
  class Async {
    async hold(name: string): Promise<string> {
      raise(folder, `${name} began`);
      const { signal: aborted } = runtimeContext();
      await Promise.race([
        signal(folder, name),
        new Promise((resolve) => aborted.addEventListener("abort", resolve)),
      ]);
      if (aborted.aborted) {
        note(folder, `${name} inside`, (aborted.reason as Error).name);
        throw aborted.reason as Error;
      }
      return name;
    }
    async *items(name: string, n: number): AsyncGenerator<number> {
      raise(folder, `${name} began`);
      try {
        for (let i = 0; i < n; i++) {
          if (i === 1) await signal(folder, name);
          yield i;
        }
      } finally {
        raise(folder, `${name} cleaned up`);
      }
    }
  },
);
const Sync = remote(
  class Sync {
    ran: string[] = [];
    hold(name: string): string {
      raise(folder, `${name} began`);
      spinUntil(folder, name);
      this.ran.push(name);
      return name;
    }
    add(name: string): string[] {
      this.ran.push(name);
      return this.ran;
    }
    *items(n: number): Generator<number> {
      for (let i = 0; i < n; i++) yield i;
    }
  },
);

describe("cancelling calls of actors", () => {
  it("refuses force (D10)", async () => {
    const actor = Async.remote();
    const ref = actor.hold.remote("D10");
    expect(() => cancel(ref, { force: true })).toThrow(/force is not for actor calls/);
    const cancelling = remote(async (box: { ref: typeof ref }) => cancel(box.ref, { force: true }));
    await get(cancelling.remote({ ref }));
    expect((await rejection(get(ref))).code).toBe("TaskCancelled");
    kill(actor);
  });

  it("reaches an async method through its signal, and the caller sees the cancel (D11)", async () => {
    const actor = Async.remote();
    const [one, other] = [actor.hold.remote("D11"), actor.hold.remote("D11 other")];
    await signal(folder, "D11 began");
    cancel(one);
    expect((await rejection(get(one))).code).toBe("TaskCancelled");
    await until(() => notes(folder, "D11 inside").length > 0);
    expect(notes(folder, "D11 inside")).toEqual(["TaskCancelledError"]);
    raise(folder, "D11 other");
    expect(await get(other)).toBe("D11 other");
    kill(actor);
  });

  it("drops calls that have not begun, wherever they wait (D12)", async () => {
    const actor = Sync.remote();
    const dependency = remote(async () => signal(folder, "D12 dependency"));
    const running = actor.hold.remote("D12");
    await signal(folder, "D12 began");
    const queued = actor.add.remote("queued");
    const waiting = actor.add.remote(dependency.remote() as never);
    const kept = actor.add.remote("kept");
    cancel(queued);
    cancel(waiting);
    for (const ref of [queued, waiting]) expect((await rejection(get(ref))).code).toBe("TaskCancelled");
    raise(folder, "D12");
    expect(await get(running)).toBe("D12");
    expect(await get(kept)).toEqual(["D12", "kept"]);
    raise(folder, "D12 dependency");
    const unborn = Sync.options({ numCpus: 2 }).remote();
    const early = unborn.add.remote("early");
    cancel(early);
    expect((await rejection(get(early))).code).toBe("TaskCancelled");
    kill(actor);
    kill(unborn);
  });

  it("lets synchronous code run on, and drops its result", async () => {
    const actor = Sync.remote();
    const running = actor.hold.remote("runs on");
    await signal(folder, "runs on began");
    cancel(running);
    expect((await rejection(get(running))).code).toBe("TaskCancelled");
    raise(folder, "runs on");
    expect(await get(actor.add.remote("next"))).toEqual(["runs on", "next"]);
    kill(actor);
  });

  it("settles a call whose actor dies meanwhile, once (D13)", async () => {
    const actor = Async.remote();
    const ref = actor.hold.remote("D13");
    await signal(folder, "D13 began");
    cancel(ref);
    kill(actor);
    expect(["TaskCancelled", "ActorDied"]).toContain((await rejection(get(ref))).code);
    expect((await rejection(get(actor.hold.remote("D13 late")))).code).toBe("ActorDied");
  });
});

describe("generator methods", () => {
  it("of sync and async actors stream; several of one async actor run at once (E18)", async () => {
    const sync = Sync.remote();
    const values: number[] = [];
    for await (const ref of sync.items.remote(4)) values.push(await get(ref));
    expect(values).toEqual([0, 1, 2, 3]);
    const actor = Async.remote();
    const streams = ["E18a", "E18b", "E18c"].map((name) => actor.items.remote(name, 2));
    await Promise.all(["E18a", "E18b", "E18c"].map((name) => signal(folder, `${name} began`)));
    for (const name of ["E18a", "E18b", "E18c"]) raise(folder, name);
    for (const stream of streams) {
      const got: number[] = [];
      for await (const ref of stream) got.push(await get(ref));
      expect(got).toEqual([0, 1]);
    }
    kill(actor);
    kill(sync);
  });

  it("end with the actor: what was yielded, one failure, the end (E4)", async () => {
    const actor = Async.remote();
    const stream = actor.items.remote("E4", 5);
    const first = await stream.next();
    expect(await get(first.value as never)).toBe(0);
    kill(actor);
    const second = await stream.next();
    const error = await rejection(get(second.value as never));
    expect([error.code, error.message]).toEqual(["ActorDied", expect.stringContaining("killed")]);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  it("are released when the reader leaves", async () => {
    const actor = Async.remote();
    raise(folder, "left");
    for await (const ref of actor.items.options({ backpressure: 1 }).remote("left", 100)) {
      if ((await get(ref)) === 3) break;
    }
    await signal(folder, "left cleaned up");
    expect(raised(folder, "left cleaned up")).toBe(true);
    kill(actor);
  });
});
