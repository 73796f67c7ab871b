import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  get,
  getActor,
  init,
  kill,
  listNamedActors,
  remote,
  runtimeContext,
  shutdown,
  type ActorHandle,
} from "../../src/index.ts";
import { collectUntil, isNamed, lives, until } from "./actor-fixtures.ts";

beforeAll(async () => {
  await init({ numCpus: 2, namespace: "mine" });
});
afterAll(shutdown);

class Hits {
  n: number;
  constructor(n = 0) {
    this.n = n;
  }
  add(): number {
    return ++this.n;
  }
  pid(): number {
    return process.pid;
  }
  async byName(name: string): Promise<number> {
    const other = await getActor<ActorHandle<typeof Hits>>(name);
    return get(other.add.remote());
  }
  fail(): never {
    throw new Error("no");
  }
}
const Remote = remote(Hits);

describe("named actors", () => {
  it("are found from the driver, a task and an actor, and are one and the same (G1)", async () => {
    const hits = Remote.options({ name: "G1" }).remote();
    await get(hits.add.remote());
    expect(await getActor(Remote, "G1")).toBe(hits);
    expect(await getActor<ActorHandle<typeof Hits>>("G1")).toBe(hits);
    const ask = remote(async (name: string) => {
      const found = await getActor<ActorHandle<typeof Hits>>(name);
      return get(found.add.remote());
    });
    expect(await get(ask.remote("G1"))).toBe(2);
    const other = Remote.remote();
    expect(await get(other.byName.remote("G1"))).toBe(3);
    await expect(get(other.byName.remote("nobody"))).rejects.toMatchObject({ code: "NoSuchActor" });
  });

  it("live in namespaces: the program's, the actor's, the lookup's (G1, G7)", async () => {
    const hits = Remote.options({ name: "G7" }).remote(1);
    const other = Remote.options({ name: "G7", namespace: "other" }).remote(2);
    expect(await getActor("G7", { namespace: "mine" })).toBe(hits);
    expect(await getActor(Remote, "G7", { namespace: "other" })).toBe(other);
    await expect(getActor("G7", { namespace: "third" })).rejects.toMatchObject({ code: "NoSuchActor" });
    const inTask = remote(async () => {
      const made = Remote.options({ name: "G7 task" }).remote();
      await made.ready();
      const names = await listNamedActors();
      return [runtimeContext().namespace, names.some(({ name }) => name === "G7 task")];
    });
    expect(await get(inTask.remote())).toEqual(["mine", true]);
  });

  it("a name is taken while its actor lives, and free after its death (G2)", async () => {
    const first = Remote.options({ name: "G2" }).remote();
    await first.ready();
    const second = Remote.options({ name: "G2" }).remote();
    await expect(second.ready()).rejects.toMatchObject({ code: "NameTaken" });
    await expect(get(second.add.remote())).rejects.toMatchObject({
      code: "NameTaken",
      message: expect.stringContaining("G2"),
    });
    expect(await get(first.add.remote())).toBe(1);
    kill(first);
    await until(async () => !(await isNamed("G2")));
    const third = Remote.options({ name: "G2" }).remote(10);
    expect(await get(third.add.remote())).toBe(11);
    class Broken {
      readonly n = 0;
      constructor() {
        throw new Error("no");
      }
    }
    const broken = remote(Broken, { name: "G2 broken" }).remote();
    await expect(broken.ready()).rejects.toMatchObject({ code: "ActorDied" });
    expect(await isNamed("G2 broken")).toBe(false);
  });

  it("bad names and namespaces are refused, each by its field (G3, G7)", async () => {
    for (const name of ["", 5, null, undefined, "a\nb", "x".repeat(257)]) {
      expect(() => Remote.options({ name: name as string, getIfExists: true })).toThrow(
        /actor option (name|getIfExists needs a name)/,
      );
      await expect(getActor(name as string)).rejects.toMatchObject({
        code: "BadOption",
        message: expect.stringContaining("name"),
      });
    }
    expect(() => Remote.options({ namespace: "" })).toThrow(/namespace/);
    await expect(getActor("x", { namespace: 5 as unknown as string })).rejects.toMatchObject({
      code: "BadOption",
    });
    await expect(getActor("x", { nmespace: "a" } as object)).rejects.toMatchObject({
      message: expect.stringContaining("did you mean namespace"),
    });
    await expect(listNamedActors({ all: true } as object)).rejects.toMatchObject({ code: "BadOption" });
    await expect(getActor("nobody")).rejects.toMatchObject({
      code: "NoSuchActor",
      message: 'no actor is named "nobody" in namespace "mine"',
    });
  });

  it("getIfExists: racing creators get the same one, in this process too (G4)", async () => {
    const Shared = Remote.options({ name: "G4", getIfExists: true });
    const race = remote(async () => {
      const mine = Shared.remote(0);
      return [await get(mine.pid.remote()), await get(mine.add.remote())];
    });
    const racing = [race.remote(), race.remote()];
    const one = Shared.remote(0);
    const two = Shared.remote(0);
    // Each handle keeps its order; both keep one, once it is known that they are one.
    const [a, b, c, d] = await get([one, two, one, two].map((each) => each.add.remote()));
    expect([c > a, d > b]).toEqual([true, true]);
    const values = await get([two, one, two, one].map((each) => each.add.remote()));
    expect(values).toEqual(values.toSorted((x, y) => x - y));
    const pids = new Set([
      await get(one.pid.remote()),
      await get(two.pid.remote()),
      ...(await get(racing)).map(([pid]) => pid),
    ]);
    expect(pids.size).toBe(1);
    expect(await get(two.add.remote())).toBe(11);
    kill(two);
    await expect(get(one.add.remote())).rejects.toMatchObject({ code: "ActorDied" });
  });

  it("each handle of a shared actor keeps it alive by itself (G4)", async () => {
    const Shared = Remote.options({ name: "G4 kept", getIfExists: true });
    const second = await (async () => {
      const first = Shared.remote(1);
      await first.ready();
      const other = Shared.remote(1);
      await other.ready();
      return other;
    })();
    let rounds = 0;
    await collectUntil(() => ++rounds > 5);
    expect(await get(second.add.remote())).toBe(2);
  });

  it("detached outlives its handles, until killed (G5)", async () => {
    const pid = await (async () =>
      get(Remote.options({ name: "G5", lifetime: "detached" }).remote(1).pid.remote()))();
    const named = await (async () => get(Remote.options({ name: "G5 named" }).remote(1).pid.remote()))();
    await collectUntil(() => !lives(named));
    expect(await isNamed("G5 named")).toBe(false);
    expect(lives(pid)).toBe(true);
    const again = await getActor(Remote, "G5");
    expect(await get(again.add.remote())).toBe(2);
    kill(again);
    await until(() => !lives(pid));
  });

  it("are listed by namespace while they live (G8)", async () => {
    const hits = Remote.options({ name: "G8" }).remote();
    const other = Remote.options({ name: "G8 other", namespace: "other" }).remote();
    await Promise.all([hits.ready(), other.ready()]);
    const names = async (options?: { namespace?: string; allNamespaces?: boolean }): Promise<string[]> =>
      (await listNamedActors(options))
        .map(({ name, namespace }) => `${namespace}/${name}`)
        .filter((name) => name.includes("G8"));
    expect(await names()).toEqual(["mine/G8"]);
    expect(await names({ namespace: "other" })).toEqual(["other/G8 other"]);
    expect((await names({ allNamespaces: true })).toSorted()).toEqual(["mine/G8", "other/G8 other"]);
    kill(hits);
    await until(async () => (await names()).length === 0);
  });
});
