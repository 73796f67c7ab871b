/** Clusters of machines that are really apart, by the command that people use: see createHosts. */
import {
  createHosts,
  hostsAvailable,
  runProgram,
  startRelay,
  workspaceRoot,
  type Host,
  type Hosts,
} from "@iono/testing";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const available = hostsAvailable();
const why = available.ok ? "" : ` (skipped: ${available.why})`;
const flags = ["--conditions=iono-source", "--no-warnings"];
const cli = join(workspaceRoot, "packages/iono/src/cli/main.ts");
const library = join(workspaceRoot, "packages/runtime/src/index.ts");
const demo = join(workspaceRoot, "examples/mnist-neighbours");

let hosts: Hosts;
let address: string;
let token: string;

async function iono(host: Host, ...args: string[]): Promise<string> {
  const { stdout, stderr, exitCode } = await host.run(process.execPath, [...flags, cli, ...args], {
    // Where packages of workers are found.
    cwd: demo,
    timeoutMs: 40_000,
  });
  if (exitCode !== 0) throw new Error(`iono ${args.join(" ")} on ${host.name}: ${stdout}${stderr}`);
  return stdout;
}

/** Runs a program on a host that is a node of nothing, as a member of the cluster. */
async function program(host: Host, body: string): Promise<unknown> {
  const folder = join(host.directory, "program");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  writeFileSync(
    join(folder, "main.ts"),
    `import { get, put, remote, wait, nodes, runtimeContext, shutdown } from ${JSON.stringify(library)};
     import { hostname } from "node:os";
     const on = (node) => ({ scheduling: { node } });
     const make = remote((length, value) => new Float64Array(length).fill(value));
     const sum = remote((values) => [values.reduce((total, each) => total + each, 0), hostname()]);
     ${body}`,
  );
  const { stdout, stderr, exitCode } = await host.run(process.execPath, [...flags, "main.ts"], {
    cwd: folder,
    env: { IONO_ADDRESS: address, IONO_TOKEN: token },
    timeoutMs: 50_000,
  });
  if (exitCode !== 0) throw new Error(`${stdout}${stderr}`);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

test("the MNIST demo starts and stops a cluster of its own, on any machine", async () => {
  const { stdout, stderr, exitCode } = await runProgram({
    file: join(demo, "main.ts"),
    argv: ["--nodes", "2", "--limit", "200", "--batch", "20", "--json"],
    timeoutMs: 80_000,
  });
  const { tasksPerWorker } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as { tasksPerWorker: object };
  expect(Object.keys(tasksPerWorker).toSorted(), stderr).toEqual(["node-1", "node-2"]);
  expect(exitCode).toBe(0);
}, 90_000);

describe.skipIf(!available.ok)(`a cluster of hosts${why}`, () => {
  beforeAll(async () => {
    hosts = await createHosts({
      names: ["head", "first", "second", "laptop"],
      nat: ["first", "second", "laptop"],
    });
    const head = hosts.host("head");
    await iono(head, "keys");
    // As behind a router that forwards ports: others dial other ports than those that are bound.
    const relay = await startRelay(head, { target: { host: "127.0.0.1", port: 7600 } });
    const told = await iono(head, "start", "--head", "--host", "0.0.0.0", "--advertise",
      `${head.address}:${relay.port}`, "--cpus", "1", "--object-store", "256MiB", "--json"); // prettier-ignore
    ({ address, token } = JSON.parse(told) as { address: string; token: string });
    await Promise.all(
      ["first", "second"].map((name) =>
        iono(
          hosts.host(name),
          "start",
          "--address",
          address,
          "--token",
          token,
          "--cpus",
          "1",
          "--object-store",
          "256MiB",
        ),
      ),
    );
  }, 120_000);

  afterAll(async () => {
    await hosts.close();
  }, 60_000);

  test("behind routers that let nobody in: objects and actor calls go between any two", async () => {
    const told = await program(
      hosts.host("laptop"),
      `const Counter = remote(class { n = 0; add(k) { return [this.n += k, hostname()]; } });
       const counter = Counter.options(on("first")).remote();
       const adds = remote((handle) => get(handle.add.remote(5)));
       console.log(JSON.stringify([
         await get(sum.options(on("second")).remote(make.options(on("first")).remote(1e6, 1))),
         await get(sum.options(on("first")).remote(make.options(on("second")).remote(1e6, 2))),
         await get(sum.options(on("head")).remote(put(new Float64Array(1e6).fill(3)))),
         await get(adds.options(on("second")).remote(counter)),
       ]));`,
    );
    expect(told).toEqual([
      [1e6, "second"],
      [2e6, "first"],
      [3e6, "head"],
      [5, "first"],
    ]);
  }, 90_000);

  test("a link of 8 Mbit/s with lost packets carries objects, and small tasks beside them", async () => {
    await hosts.host("first").setLink({ mbit: 8, lossPercent: 1 });
    const told = await program(
      hosts.host("laptop"),
      `const where = remote(() => hostname());
       await get([where.options(on("first")).remote(), where.options(on("second")).remote()]);
       let there = false, small = 0;
       const big = get(sum.options({ ...on("second"), numCpus: 0 }).remote(make.options({ ...on("first"), numCpus: 0 }).remote(25e4, 1))).finally(() => there = true);
       while (!there) { await get(where.options(on("first")).remote()); small++; }
       console.log(JSON.stringify([await big, small > 2, (await nodes()).length]));`,
    );
    await hosts.heal();
    expect(told).toEqual([[25e4, "second"], true, 3]);
  }, 90_000);

  test("a router that forgets its connections, and a blackout: nothing is lost", async () => {
    const running = program(
      hosts.host("laptop"),
      `const Ledger = remote(class { seen = []; add(i) { return this.seen.push(i); } all() { return this.seen; } });
       const ledger = Ledger.options(on("first")).remote();
       const slow = remote(async (i) => { await new Promise((resolve) => setTimeout(resolve, 50)); return i; });
       await get(ledger.add.remote(0));
       console.error("started");
       const tasks = Array.from({ length: 100 }, (_, i) => slow.options(on(i % 2 ? "first" : "second")).remote(i));
       for (let i = 1; i < 100; i++) { await get(ledger.add.remote(i)); await new Promise((resolve) => setTimeout(resolve, 30)); }
       const seen = await get(ledger.all.remote());
       console.log(JSON.stringify([(await get(tasks)).every((each, i) => each === i), seen.every((each, i) => each === i), seen.length]));`,
    );
    const first = hosts.host("first");
    await first.forgetConnections();
    await first.linkDown();
    await new Promise((resolve) => setTimeout(resolve, 3_000)); // the length of the blackout
    await first.linkUp();
    expect(await running).toEqual([true, true, 100]);
    await hosts.heal();
  }, 90_000);

  test("the MNIST demo runs on all of them", async () => {
    const args = [...flags, join(demo, "main.ts"), "--limit", "300", "--batch", "25", "--json"];
    const { stdout, stderr } = await hosts.host("laptop").run(process.execPath, args, {
      cwd: demo,
      env: { IONO_ADDRESS: address, IONO_TOKEN: token },
      timeoutMs: 80_000,
    });
    const start = stdout.indexOf("{");
    if (start < 0) throw new Error(`${stdout}${stderr}`);
    const summary = JSON.parse(stdout.slice(start)) as {
      accuracy: number;
      tasksPerWorker: Record<string, object>;
      movedBytes: number;
    };
    expect(Object.keys(summary.tasksPerWorker).toSorted()).toEqual(["first", "head", "second"]);
    expect(summary.accuracy).toBeGreaterThan(0.9);
    // The training set, once to each node.
    expect(Math.round(summary.movedBytes / (60_000 * 784 * 4))).toBe(3);
  }, 120_000);
});
