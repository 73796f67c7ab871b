/** `iono start`, `status`, `token`, `keys` and `stop`, run as people run them. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { linkedFolder, runProgram, sourceNodeArgs, workspaceRoot, type ProgramResult } from "@iono/testing";
import type { StatusReport } from "../src/cli/status-collect.ts";

const cli = join(workspaceRoot, "packages/iono/src/cli/main.ts");
/** Other tests have nodes on this machine: ours are told by their names. */
const names = { head: `head-${process.pid}`, second: `second-${process.pid}`, third: `third-${process.pid}` };
const home = mkdtempSync(join(tmpdir(), "cluster-cli-"));
const folder = linkedFolder();
const environment = { HOME: home, IONO_ADDRESS: undefined, IONO_TOKEN: undefined };
/** What the head printed. */
let started: ProgramResult;
let address = "";

function iono(...argv: string[]): Promise<ProgramResult> {
  return runProgram({ file: cli, argv, env: environment, cwd: folder.path });
}

/** A line as it was printed, in a shell where `npx iono` and `node` are those of this workspace. */
function shell(line: string): Promise<ProgramResult> {
  const bin = join(home, "bin");
  const run = [process.execPath, ...sourceNodeArgs].map((each) => `'${each}'`).join(" ");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "node"), `#!/bin/sh\nexec ${run} "$@"\n`, { mode: 0o755 });
  writeFileSync(join(bin, "npx"), `#!/bin/sh\nshift\nexec ${run} '${cli}' "$@"\n`, { mode: 0o755 });
  const PATH = `${bin}:${process.env["PATH"]}`;
  const file = join(home, "line.mjs");
  writeFileSync(
    file,
    `import { spawnSync } from "node:child_process";
     process.exitCode = spawnSync("sh", ["-c", process.argv[2]], { stdio: "inherit" }).status;`,
  );
  return runProgram({ file, argv: [line], env: { ...environment, PATH }, cwd: folder.path });
}

function printedLine(start: string): string {
  return started.stdout.split("\n").find((line) => line.trim().startsWith(start)) ?? "";
}

/** Everything that the commands of these tests have started and that lives. */
function processes(): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const variables = readFileSync(`/proc/${pid}/environ`, "latin1").split("\0");
      const title = readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").trim();
      return variables.includes(`HOME=${home}`) && title !== "" ? [`${pid} ${title}`] : [];
    } catch {
      return [];
    }
  });
}

async function status(): Promise<{ text: string; report: StatusReport }> {
  const [text, json] = await Promise.all([iono("status"), iono("status", "--json")]);
  return { text: text.stdout, report: JSON.parse(json.stdout) as StatusReport };
}

beforeAll(async () => {
  started = await iono("start", "--head", "--port", "0", "--cpus", "1", "--name", names.head);
  address = /iono:\/\/127\.0\.0\.1:\d+/.exec(started.stdout)?.[0] ?? "";
}, 60_000);

afterAll(async () => {
  // The head last: with it all would end at once.
  for (const name of [names.third, names.second, names.head]) await iono("stop", name);
  folder[Symbol.dispose]();
  rmSync(home, { recursive: true, force: true });
}, 60_000);

describe.runIf(process.platform === "linux")("a cluster started by hand", () => {
  test("the printed lines join another machine, and run a program", async () => {
    expect(started.stdout).toContain(`This machine is node ${names.head} (node-1).`);
    const join = printedLine("npx iono start");
    const joined = await shell(`${join} --name ${names.second} --cpus 1 --label zone=b`);
    expect(joined).toMatchObject({
      stdout: `This machine is node ${names.second} (node-2). Stop it with: iono stop\n`,
      stderr: "",
      exitCode: 0,
    });
    writeFileSync(
      `${folder.path}/program.ts`,
      `import { get, remote, runtimeContext } from "iono";
       const where = remote(() => runtimeContext().nodeId);
       console.log(await get(where.options({ scheduling: { labels: { zone: "b" } } }).remote()));`,
    );
    expect(await shell(printedLine("IONO_ADDRESS"))).toMatchObject({ stdout: "node-2\n", exitCode: 0 });
  }, 60_000);

  test("iono status shows its nodes", async () => {
    const { text, report } = await status();
    const cluster = report.clusters.find((each) => each.address === address);
    expect(cluster).toMatchObject({
      silent: [],
      here: [{ name: names.head }, { name: names.second }],
      nodes: [
        { id: "node-1", name: names.head, labels: {} },
        { id: "node-2", name: names.second, labels: { zone: "b" } },
      ],
    });
    expect(cluster?.nodes[1].resources.total["CPU"]).toBe(1);
    expect(cluster?.here[1].links.map(({ to }) => to)).toContain("the head");
    expect(text).toContain(`Cluster at ${address}, 2 nodes`);
    expect(text).toMatch(new RegExp(`node +${names.second} \\(node-2, here with pid \\d+ for \\S+\\):`));
    expect(text).toMatch(/labels +zone=b/);
  }, 60_000);

  test("a second head on its port, a node of the same name, and a wrong address are refused with what to do", async () => {
    const { port } = new URL(address.replace("iono:", "http:"));
    const [, token] = /--token (\S+)/.exec(started.stdout) ?? [];
    const [second, twin, lost] = await Promise.all([
      iono("start", "--head", "--port", port),
      shell(`${printedLine("npx iono start")} --name ${names.head} --json`),
      iono("start", "--address", "iono://127.0.0.1:1", "--token", token),
    ]);
    expect(lost).toMatchObject({
      stdout: "",
      stderr: expect.stringMatching(
        /^iono: nobody answers at 127\.0\.0\.1:1: connection refused \(waited [\d.]+ s\)\n$/,
      ) as string,
      exitCode: 1,
    });
    expect(second).toMatchObject({
      stdout: "",
      stderr: `iono: cannot listen at port ${port} of 127.0.0.1: another process listens there; end that one, or choose another port\n`,
      exitCode: 1,
    });
    expect(twin.exitCode).toBe(1);
    expect(JSON.parse(twin.stdout)).toMatchObject({
      error: {
        code: "JoinRefused",
        message: expect.stringContaining("give this one another name") as string,
      },
    });
  }, 60_000);

  test("tokens are made, listed and revoked; one that is revoked, expired or for programs joins no machine", async () => {
    const token = (...argv: string[]) => iono("token", ...argv, "--address", address, "--json");
    const [one, short, client] = await Promise.all([
      token("create"),
      token("create", "--life", "1ms"),
      token("create", "--role", "client", "--uses", "3"),
    ]).then((made) => made.map(({ stdout }) => JSON.parse(stdout) as { id: string; token: string }));
    const listed = JSON.parse((await token("list")).stdout) as { tokens: object[] };
    expect(listed.tokens).toContainEqual(
      expect.objectContaining({ id: client.id, role: "client", uses: 3, used: 0 }),
    );
    expect(JSON.parse((await token("revoke", one.id)).stdout)).toEqual({ revoked: true });
    const attempts = [one, short, client].map((each) =>
      iono("start", "--address", address, "--token", each.token, "--name", names.third),
    );
    const failures = (await Promise.all(attempts)).map(({ stderr, stdout, exitCode }) => {
      expect([stdout, exitCode]).toEqual(["", 1]);
      return stderr;
    });
    expect(failures).toEqual([
      expect.stringContaining("does not know this token"),
      expect.stringContaining("the token expired"),
      expect.stringContaining("not for joining as a node"),
    ]);
    const unknown = await iono("token", "revoke", "abc", "--address", address);
    expect(unknown).toMatchObject({
      stderr: "iono: there is no token abc; see iono token list\n",
      exitCode: 1,
    });
  }, 60_000);

  test("--foreground stays until Ctrl-C, and leaves nothing", async () => {
    const [, joinToken] = /--token (\S+)/.exec(started.stdout) ?? [];
    const argv = ["start", "--address", address, "--token", joinToken, "--name", names.third, "--foreground"];
    const child = spawn(process.execPath, [...sourceNodeArgs, cli, ...argv], {
      env: { ...process.env, HOME: home, TRACE_OF: names.third },
      stdio: ["ignore", "pipe", "inherit"],
      detached: true,
    });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    expect(line.toString()).toContain(`This machine is node ${names.third}`);
    // To the whole group, as a terminal does.
    process.kill(-(child.pid ?? 0), "SIGINT");
    expect(await once(child, "exit")).toEqual([0, null]);
    const { report } = await status();
    const cluster = report.clusters.find((each) => each.address === address);
    expect(cluster?.nodes.map(({ name }) => name)).toEqual([names.head, names.second]);
  }, 60_000);

  test("iono stop ends what is named, then the cluster, and leaves no process", async () => {
    const unknown = await iono("stop", "nobody");
    expect(unknown.stderr).toContain('no node named "nobody" runs on this machine');
    expect(unknown.exitCode).toBe(1);
    const second = await iono("stop", names.second, "--json");
    expect(JSON.parse(second.stdout)).toMatchObject({ stopped: [{ name: names.second, trouble: "" }] });
    const head = await iono("stop", names.head);
    expect(head).toMatchObject({
      stdout: expect.stringMatching(new RegExp(`^Stopped node ${names.head} \\(pid \\d+\\)\\.\n$`)) as string,
      stderr: "",
      exitCode: 0,
    });
    await vi.waitFor(() => expect(processes()).toEqual([]), { timeout: 10_000, interval: 50 });
  }, 60_000);
});

describe("keys", () => {
  test("are needed beyond the machine, made once, and refused when others can read them", async () => {
    const beyond = (): Promise<ProgramResult> => iono("start", "--head", "--host", "0.0.0.0", "--port", "0");
    const without = await beyond();
    expect(without.stderr).toMatch(
      /^iono: --host 0\.0\.0\.0 is beyond this machine and needs keys, .*: run `iono keys` once\n$/,
    );
    expect(without.exitCode).toBe(1);
    const made = await iono("keys", "--json");
    const directory = join(home, ".iono/keys");
    expect(JSON.parse(made.stdout)).toEqual({
      directory,
      isNew: true,
      publicKey: expect.stringMatching(/^.{40}$/) as string,
    });
    expect((await iono("keys")).stdout).toContain("There are keys in");
    chmodSync(directory, 0o755);
    const open = await beyond();
    expect(open.stderr).toContain("can be read by other users (mode 755)");
    expect(open.stderr).toContain(`chmod 700 ${directory}`);
    expect(open.exitCode).toBe(1);
  }, 60_000);
});
