import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  clusterResources,
  get,
  init,
  kill,
  remote,
  runtimeContext,
  shutdown,
  wait,
} from "../../src/index.ts";

const directory = mkdtempSync(join(tmpdir(), "scheduling-"));
const file = join(directory, "notes");
const totals: Record<string, number> = { CPU: 2, GPU: 2, disk: 1 };

beforeAll(async () => {
  await init({ numCpus: 2, numGpus: 2, resources: { disk: 1 } });
});

afterAll(async () => {
  await shutdown();
  rmSync(directory, { recursive: true, force: true });
});

/** Notes when it begins and ends, on the clock that all processes of the machine share. */
const noted = async (path: string, shape: string, ms: number): Promise<void> => {
  const now = (): string => process.hrtime.bigint().toString();
  appendFileSync(path, `${now()} + ${shape}\n`);
  await new Promise((resolve) => setTimeout(resolve, ms));
  appendFileSync(path, `${now()} - ${shape}\n`);
};

describe("resources of the node", () => {
  it("are never exceeded by tasks of any shapes, and all of them get their turn (M1)", async () => {
    const shapes = [
      { numCpus: 1 },
      { numCpus: 2 },
      { numCpus: 0.5 },
      { numCpus: 0.25, resources: { disk: 1 } },
      { numCpus: 0, numGpus: 0.5 },
      { numCpus: 0, numGpus: 2 },
    ];
    const refs = shapes.flatMap((shape) => {
      const task = remote(noted, shape);
      return Array.from({ length: 3 }, () => task.remote(file, JSON.stringify(shape), 10));
    });
    await get(refs);
    const steps = readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => {
        const [at, sign, shape] = line.split(" ");
        return { at: BigInt(at), sign, shape: JSON.parse(shape) as (typeof shapes)[number] };
      });
    steps.sort((a, b) => (a.at < b.at ? -1 : 1));
    expect(steps.length).toBe(refs.length * 2);
    const held: Record<string, number> = { CPU: 0, GPU: 0, disk: 0 };
    for (const { sign, shape } of steps) {
      const by = sign === "+" ? 1 : -1;
      held["CPU"] += by * shape.numCpus;
      held["GPU"] += by * (shape.numGpus ?? 0);
      held["disk"] += by * (shape.resources?.disk ?? 0);
      for (const name in held) expect(held[name], name).toBeLessThanOrEqual(totals[name] + 1e-9);
    }
  });

  it("GPUs are disjoint between running tasks; two halves share one (M2, A20)", async () => {
    const where = async (ms: number) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return { env: process.env["CUDA_VISIBLE_DEVICES"], ids: runtimeContext().gpuIds, pid: process.pid };
    };
    const whole = remote(where, { numCpus: 0, numGpus: 1 });
    const [a, b] = await get([whole.remote(400), whole.remote(400)]);
    expect([a.env, b.env].map(String).toSorted()).toEqual(["0", "1"]);
    expect([...a.ids, ...b.ids].map(String).toSorted()).toEqual(["0", "1"]);
    const half = remote(where, { numCpus: 0, numGpus: 0.5 });
    const halves = await get([half.remote(500), half.remote(500)]);
    expect(halves[0].env).toBe(halves[1].env);
    expect(halves[0].pid).not.toBe(halves[1].pid);
    const none = await get(remote(where).remote(0));
    expect(none.env).toBe("");
    expect(none.ids).toEqual([]);
    const both = await get(remote(where, { numCpus: 0, numGpus: 2 }).remote(0));
    expect(both.env).toBe("0,1");
  });

  it("a GPU task has a worker of its own; maxCalls says after how many a worker ends (A18, A19)", async () => {
    const gpu = remote(() => process.pid, { numCpus: 0, numGpus: 1 });
    const gpuPids = [await get(gpu.remote()), await get(gpu.remote()), await get(gpu.remote())];
    expect(new Set(gpuPids).size).toBe(3);
    const many = remote(() => process.pid, { numCpus: 0, numGpus: 1, maxCalls: 0 });
    expect(new Set([await get(many.remote()), await get(many.remote())]).size).toBe(1);
    const twice = remote(() => process.pid, { numCpus: 2, maxCalls: 2 });
    const pids: number[] = [];
    for (let i = 0; i < 6; i++) pids.push(await get(twice.remote()));
    expect(pids[0]).toBe(pids[1]);
    expect(pids[2]).toBe(pids[3]);
    expect(pids[4]).toBe(pids[5]);
    expect(new Set(pids).size).toBe(3);
  });

  it("numeric libraries get as many threads as the task has CPUs (A22)", async () => {
    const threads = () => process.env["OMP_NUM_THREADS"];
    expect(await get(remote(threads).remote())).toBe("1");
    expect(await get(remote(threads, { numCpus: 2 }).remote())).toBe("2");
    expect(await get(remote(threads, { numCpus: 0.5 }).remote())).toBe("1");
    expect(await get(remote(threads).remote())).toBe("1");
    expect(Number(await get(remote(() => process.env["UV_THREADPOOL_SIZE"]).remote()))).toBeGreaterThan(0);
  });

  it("memory is reserved (M9)", async () => {
    const { memory } = await clusterResources();
    rmSync(file);
    const task = remote(noted, { numCpus: 0, memory: Math.floor(memory * 0.6) });
    await get([task.remote(file, "m", 30), task.remote(file, "m", 30), task.remote(file, "m", 30)]);
    const signs = readFileSync(file, "utf8")
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[1]);
    expect(signs.join("")).toBe("+-+-+-");
  });

  it("what will never fit waits and says once what is missing", async () => {
    const warnings: string[] = [];
    const listen = (warning: Error): void => {
      if (warning.name === "IonoWarning") warnings.push(warning.message);
    };
    process.on("warning", listen);
    const big = remote(() => 1, { numCpus: 64 });
    const odd = remote(() => 1, { resources: { dsik: 1 } });
    const refs = [big.remote(), big.remote(), odd.remote()];
    const { pending } = await wait(refs, { count: 3, timeout: 300 });
    expect(pending.length).toBe(3);
    expect(await get(remote(() => "others run").remote())).toBe("others run");
    process.off("warning", listen);
    expect(warnings.length).toBe(2);
    expect(warnings.join("\n")).toContain("64 CPU asked for, 2 there");
    expect(warnings.join("\n")).toContain('did you mean "disk"?');
  });

  it("an actor holds what it asked for while it lives, and nothing by default", async () => {
    class Holder {
      pid(): number {
        return process.pid;
      }
    }
    const idle = Array.from({ length: 3 }, () => remote(Holder).remote());
    await Promise.all(idle.map((actor) => get(actor.pid.remote())));
    const Holding = remote(Holder, { numCpus: 1 });
    const [a, b, c] = [Holding.remote(), Holding.remote(), Holding.remote()];
    await get([a.pid.remote(), b.pid.remote()]);
    const third = c.pid.remote();
    const task = remote(() => 1).remote();
    const { pending } = await wait([third, task], { count: 1, timeout: 300 });
    expect(pending.length).toBe(2);
    kill(a);
    expect(await get(third)).toBeGreaterThan(0);
    kill(b);
    expect(await get(task)).toBe(1);
    for (const actor of [c, ...idle]) kill(actor);
  });
});
