/** Actors and names on several nodes. */
import { startCluster, runProgram, sourceNodeArgs, type TestCluster } from "@iono/testing";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ActorPool,
  get,
  getActor,
  init,
  kill,
  listNamedActors,
  Queue,
  remote,
  runtimeContext,
  shutdown,
  type ActorHandle,
} from "../../src/index.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster([{ cpus: 1 }, { cpus: 1 }]);
  await init({ address: cluster.address, token: cluster.token, namespace: "tests" });
}, 60_000);

afterAll(async () => {
  await shutdown();
  await cluster.stop();
}, 60_000);

const Counter = remote(
  class {
    #n = 0;
    add(k: number): number {
      return (this.#n += k);
    }
    node(): string {
      return runtimeContext().nodeId;
    }
  },
);

const onA = { scheduling: { node: "node-a" } } as const;
const onB = { scheduling: { node: "node-b" } } as const;

describe("actors on several nodes", () => {
  test("live where they are told to, and keep the order of their calls", async () => {
    const [a, b] = [Counter.options(onA).remote(), Counter.options(onB).remote()];
    expect(await get([a.node.remote(), b.node.remote()])).toEqual(["node-1", "node-2"]);
    const sums = await get(Array.from({ length: 500 }, () => b.add.remote(1)));
    expect(sums).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
  }, 60_000);

  test("are called by tasks and actors of other nodes", async () => {
    const counter = Counter.options(onA).remote();
    const adds = remote(async (handle: ActorHandle<typeof Counter>, k: number) => get(handle.add.remote(k)));
    await get(adds.options(onB).remote(counter, 5));
    const Caller = remote(
      class {
        async add(handle: ActorHandle<typeof Counter>): Promise<number> {
          return get(handle.add.remote(1));
        }
      },
    );
    expect(await get(Caller.options(onB).remote().add.remote(counter))).toBe(6);
  }, 60_000);

  test("are found by name from anywhere", async () => {
    const made = Counter.options({ ...onB, name: "shared" }).remote();
    await get(made.add.remote(3));
    const adds = remote(async () => {
      const found = await getActor<ActorHandle<typeof Counter>>("shared");
      return get(found.add.remote(1));
    });
    expect(await get(adds.options(onA).remote())).toBe(4);
    expect((await listNamedActors()).map(({ name }) => name)).toContain("shared");
    await expect(Counter.options({ name: "shared" }).remote().ready()).rejects.toMatchObject({
      code: "NameTaken",
    });
    kill(made);
    await expect(get(made.add.remote(1))).rejects.toMatchObject({ code: "ActorDied" });
  }, 60_000);

  test("that outlive their driver answer the next program of the namespace, and no other", async () => {
    const source = (body: string): string => `
      import { init, remote, getActor, get } from ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)};
      ${body}`;
    const folder = mkdtempSync(join(tmpdir(), "iono-long-"));
    const run = (body: string) => {
      const file = join(folder, "main.ts");
      writeFileSync(file, source(body));
      return runProgram({ file, nodeArgs: sourceNodeArgs, env: cluster.environment });
    };
    const made = await run(`
      await init({ namespace: "long" });
      const double = remote((x: number) => x * 2);
      const Keeper = remote(class {
        n = 41;
        next() { return ++this.n; }
        double(x: number) { return get(double.remote(x)); }
      });
      const keeper = Keeper.options({ name: "keeper", lifetime: "detached" }).remote();
      console.log(await get(keeper.next.remote()));`);
    expect(made).toMatchObject({ stdout: "42\n", exitCode: 0 });
    const found = await run(`
      await init({ namespace: "long" });
      const keeper = await getActor("keeper");
      console.log(await get(keeper.next.remote()), await get(keeper.double.remote(21)));`);
    expect(found).toMatchObject({ stdout: "43 42\n", exitCode: 0 });
    const other = await run(`
      await init({ namespace: "other" });
      console.log(await getActor("keeper").catch((error) => error.code));`);
    expect(other).toMatchObject({ stdout: "NoSuchActor\n", exitCode: 0 });
    rmSync(folder, { recursive: true });
  }, 60_000);

  test("serve pools and queues across nodes", async () => {
    const Worker = remote(
      class {
        square(x: number): number {
          return x * x;
        }
      },
    );
    const pool = new ActorPool([Worker.options(onA).remote(), Worker.options(onB).remote()]);
    const squares: number[] = [];
    for await (const square of pool.map((actor, x: number) => actor.square.remote(x), [1, 2, 3, 4, 5]))
      squares.push(square);
    expect(squares).toEqual([1, 4, 9, 16, 25]);
    const queue = new Queue<number>({ maxSize: 10 });
    const puts = remote(async (to: Queue<number>) => {
      for (let i = 0; i < 20; i++) await to.put(i);
    });
    const done = puts.options(onB).remote(queue);
    const got: number[] = [];
    while (got.length < 20) got.push(await queue.get());
    await get(done);
    expect(got).toEqual(Array.from({ length: 20 }, (_, i) => i));
  }, 60_000);

  test("end with the last handle", async () => {
    const Ends = remote(
      class {
        pid(): number {
          return process.pid;
        }
      },
    );
    const pid = await (async () => get(Ends.options(onB).remote().pid.remote()))();
    await expect
      .poll(
        () => {
          collect();
          try {
            process.kill(pid, 0);
            return "alive";
          } catch {
            return "gone";
          }
        },
        { timeout: 30_000 },
      )
      .toBe("gone");
  }, 60_000);
});
