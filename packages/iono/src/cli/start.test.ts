import { hasCode } from "@iono/core";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { runProgram } from "@iono/testing";
import { formatStarted, startRequest, type StartOptions } from "./start.ts";

const home = mkdtempSync(join(tmpdir(), "start-"));
beforeAll(() => void vi.stubEnv("HOME", home));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

const plain: StartOptions = { head: true, tokenLife: "15m", name: "", foreground: false, json: false };
const joining: StartOptions = { ...plain, head: false, address: "iono://a:1", token: "t" };

describe("what iono start asks for", () => {
  test("a head listens on this machine alone unless told", () => {
    expect(startRequest({ ...plain, cpus: 2, label: ["zone=a"], resource: ["disk=0.5"] })).toMatchObject({
      head: { joinPort: 7601, tokenMs: 900_000 },
      join: null,
      listen: { host: "127.0.0.1", port: 7600, advertise: "", keys: "" },
      node: { numCpus: 2, labels: { zone: "a" }, resources: { disk: 0.5 } },
    });
    expect(startRequest({ ...plain, port: 0 }).head).toEqual({ joinPort: 0, tokenMs: 900_000 });
  });

  test("a node that joins only dials unless told", () => {
    const { head, join: asked, listen } = startRequest(joining);
    expect([head, asked, listen]).toEqual([null, { address: "iono://a:1", token: "t" }, null]);
    expect(startRequest({ ...joining, host: "127.0.0.1" }).listen).toMatchObject({ port: 0 });
  });

  test.each<[wrong: Partial<StartOptions>, message: RegExp]>([
    [{ address: "iono://a:1" }, /--head starts a cluster, --address and --token join one/],
    [{ head: false }, /start with --head to begin a cluster, or with the --address and --token/],
    [{ head: false, address: "iono://a:1" }, /or with the --address and --token/],
    [{ port: 99_999 }, /^--port must be a port from 1 to 65535, or 0 for any free one; got 99999$/],
    [{ port: Number.NaN }, /^--port must be .* got NaN$/],
    [{ joinPort: -1 }, /^--join-port must be/],
    [{ port: 7000, joinPort: 7000 }, /^--join-port must be another port than --port/],
    [{ name: "my node" }, /^--name must be letters, digits,/],
    [{ host: "localhost" }, /^--host must be an IP address of this machine/],
    [{ host: "10.0.0.1" }, /needs keys, so that nobody else can join: run `iono keys` once/],
    [{ keys: "/nowhere/keys" }, /^--keys must be a directory with keys; make them with `iono keys --dir/],
    [{ advertise: "iono://a:1" }, /^--advertise must be host or host:port/],
    [{ cpus: -1 }, /^--cpus must be a number from 0; got -1$/],
    [{ gpus: Number.NaN }, /^--gpus must be/],
    [{ label: ["zone"] }, /^--label zone: it takes name=value$/],
    [{ resource: ["disk=much"] }, /^--resource disk=much: it takes name=number$/],
    [{ tokenLife: "soon" }, /^--token-life must be/],
    [{ ...joining, port: 7600 }, /^--port is for a node that listens: give --host as well/],
    [{ ...joining, joinPort: 7600 }, /^--join-port is for a head/],
  ])("%o is refused", (wrong, message) => {
    let thrown: unknown;
    try {
      startRequest({ ...plain, ...wrong });
    } catch (error) {
      thrown = error;
    }
    expect(hasCode(thrown, "BadOption")).toBe(true);
    expect((thrown as Error).message).toMatch(message);
  });
});

test("what is printed: the lines that join and run, or how to stop", () => {
  const report = { t: "started", node: 1, name: "gpu1", pid: 7 } as const;
  const text = formatStarted({ ...report, address: "iono://a:7600", token: "ionojoin1.x" }, "15m");
  expect(text).toContain("\n  npx iono start --address iono://a:7600 --token ionojoin1.x\n");
  expect(text).toContain("\n  IONO_ADDRESS=iono://a:7600 IONO_TOKEN=ionojoin1.x node program.ts\n");
  expect(formatStarted({ ...report, address: "", token: "" }, "15m")).toBe(
    "This machine is node gpu1 (node-1). Stop it with: iono stop",
  );
});

test("every command has help with an example", async () => {
  const file = join(import.meta.dirname, "main.ts");
  const commands = ["start", "stop", "status", "token", "keys", "doctor"];
  const shown = await Promise.all(commands.map((name) => runProgram({ file, argv: [name, "--help"] })));
  for (const [at, { stdout, exitCode }] of shown.entries()) {
    expect(stdout).toContain(`Examples:\n  iono ${commands[at]}`);
    expect(exitCode).toBe(0);
  }
  const all = await runProgram({ file });
  for (const name of commands) expect(all.stdout).toContain(`iono ${name}`);
}, 60_000);
