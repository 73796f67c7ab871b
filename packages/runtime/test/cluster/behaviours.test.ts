/** What users of Ray rely on in a cluster of several nodes, and no other test here tells: see docs/behaviours. */
import { runProgram, sourceNodeArgs, startCluster, type TestCluster } from "@iono/testing";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { get, init, kill, nodes, remote, runtimeContext, shutdown, wait } from "../../src/index.ts";
import type { ObjectRef } from "../../src/index.ts";

let cluster: TestCluster;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "iono-behaviours-"));
  cluster = await startCluster([{ cpus: 1 }, { cpus: 1 }, { cpus: 0 }]);
  await init({ address: cluster.address, token: cluster.token });
}, 60_000);

afterAll(async () => {
  await shutdown();
  await cluster.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const on = (node: string) => ({ scheduling: { node } }) as const;
const [a, b, noCpus] = ["node-a", "node-b", "node-c"];
const where = remote(() => runtimeContext().nodeId);
const make = remote((length: number, value: number) => new Float64Array(length).fill(value));
const million = 1_000_000;

const program = (name: string, body: string) => {
  const file = join(folder, `${name}.ts`);
  const library = JSON.stringify(new URL("../../src/index.ts", import.meta.url).href);
  writeFileSync(file, `import { get, init, remote, wait } from ${library};\n${body}`);
  return runProgram({ file, nodeArgs: sourceNodeArgs, env: cluster.environment });
};

describe("in a cluster of several nodes", () => {
  test("wait tells that an object of another node is there, without fetching it (B8)", async () => {
    const received = async () => (await nodes()).find(({ name }) => name === a)?.moved.receivedBytes;
    const ref = make.options(on(b)).remote(million, 1);
    const waits = remote(async (refs: ObjectRef<Float64Array>[]) => (await wait(refs)).ready.length);
    const before = await received();
    expect(await get(waits.options(on(a)).remote([ref]))).toBe(1);
    expect(await received()).toBe(before);
  }, 60_000);

  test("a program that is killed takes its tasks with it, and nobody else's (C10)", async () => {
    const Keeper = remote(
      class {
        #n = 0;
        next(): number {
          return ++this.#n;
        }
      },
    );
    const keeper = Keeper.options(on(b)).remote();
    expect(await get(keeper.next.remote())).toBe(1);
    const killed = await program(
      "killed",
      `const marks = new URL("./marks", import.meta.url).pathname;
       const forever = remote((file) => { process.getBuiltinModule("fs").writeFileSync(file, ""); for (;;); });
       const { existsSync } = await import("node:fs");
       const tasks = Array.from({ length: 5 }, () => forever.options({ scheduling: { node: "node-b" } }).remote(marks));
       remote(() => 1).options({ resources: { nowhere: 1 } }).remote();
       while (!existsSync(marks)) await wait(tasks, { timeout: 50 });
       process.kill(process.pid, "SIGKILL");`,
    );
    expect(killed.signal).toBe("SIGKILL");
    expect(existsSync(join(folder, "marks"))).toBe(true);
    // Its CPU is free again.
    expect(await get(where.options(on(b)).remote(), { timeout: "40s" })).toBe("node-2");
    expect(await get(keeper.next.remote())).toBe(2);
  }, 90_000);

  test("generators of generators on several nodes stream, and stay within their backpressure (E21)", async () => {
    const file = join(folder, "yielded");
    const few = { numCpus: 0, backpressure: 2 } as const;
    const first = remote(function* (n: number, path: string) {
      for (let i = 0; i < n; i++) {
        appendFileSync(path, ".");
        yield new Uint32Array(50_000).fill(i);
      }
    });
    const second = remote(async function* (n: number, path: string) {
      for await (const ref of first.options({ ...few, ...on(a) }).remote(n, path)) yield await get(ref);
    });
    const third = remote(async function* (n: number, path: string) {
      for await (const ref of second.options({ ...few, ...on(b) }).remote(n, path))
        yield (await get(ref))[49_999];
    });
    const seen: number[] = [];
    for await (const ref of third.options({ ...few, ...on(noCpus) }).remote(60, file)) {
      seen.push(await get(ref));
      // Three stages, each two ahead and one in its hands.
      expect(readFileSync(file).length).toBeLessThanOrEqual(seen.length + 9);
    }
    expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => i));
  }, 60_000);

  test("an actor asks for a CPU to be placed, so that a node without any takes only one that asks for none (F11)", async () => {
    const Where = remote(
      class {
        node(): string {
          return runtimeContext().nodeId;
        }
      },
    );
    const waits = Where.options(on(noCpus)).remote();
    const lives = Where.options({ ...on(noCpus), numCpus: 0 }).remote();
    expect(await get(lives.node.remote())).toBe("node-3");
    await expect(get(waits.node.remote(), { timeout: "100ms" })).rejects.toMatchObject({
      code: "GetTimeout",
    });
    kill(waits);
  }, 60_000);

  test("a detached actor of a program without a namespace is warned of (G6)", async () => {
    const source = (options: string) => `
      await init(${options});
      const Keeper = remote(class { one() { return 1; } });
      const keeper = Keeper.options({ lifetime: "detached", name: "keeper" }).remote();
      console.log(await get(keeper.one.remote()));`;
    const [unnamed, named] = [
      await program("unnamed", source("")),
      await program("named", source('{ namespace: "n" }')),
    ];
    expect([unnamed.stdout, named.stdout]).toEqual(["1\n", "1\n"]);
    expect(unnamed.stderr).toMatch(/detached actor keeper lives on .* init\(\{ namespace \}\)/);
    expect(named.stderr).toBe("");
  }, 60_000);

  test("a node that leaves takes along what it had spilled (K1)", async () => {
    const spillDir = join(folder, "spilled");
    const node = await cluster.add({ cpus: 1, objectStore: "32MiB", spillDir });
    const files = () =>
      readdirSync(spillDir, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
    const refs = Array.from({ length: 10 }, (_, i) => make.options(on(node.name)).remote(million, i));
    await wait(refs, { count: refs.length });
    // 80 MB, of which 32 MiB are in memory.
    for (const [i, ref] of refs.entries()) expect((await get(ref))[5]).toBe(i);
    await node.stop();
    expect(files()).toEqual([]);
  }, 60_000);
});
