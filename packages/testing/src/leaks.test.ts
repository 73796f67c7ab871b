import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { abandoned, describeLeaks, findLeaks, leakedFiles, leakedProcesses } from "./leaks.ts";
import { runVariable } from "./leaks-run.ts";
import { listeningSockets } from "./leaks-sockets.ts";
import { addressFromTable } from "./tcp-table.ts";

const runId = `probe-${process.pid}`;
let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill("SIGKILL");
  child = undefined;
});

const idle = "process.stdout.write('up'); setInterval(() => {}, 1000)";

function spawnProbe(program: string): ChildProcess {
  return spawn(process.execPath, ["-e", program], {
    env: { ...process.env, [runVariable]: runId },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function startChild(): Promise<ChildProcess> {
  child = spawnProbe(idle);
  await once(child.stdout!, "data");
  return child;
}

describe.runIf(process.platform === "linux")("leaked processes", () => {
  test("a child of the run is found by the environment it inherited, and is gone when it ended", async () => {
    const started = await startChild();
    const [found] = leakedProcesses(runId);
    expect(found).toMatchObject({ pid: started.pid, testFile: "packages/testing/src/leaks.test.ts" });
    expect(found.title).toContain("setInterval");
    started.kill("SIGKILL");
    await once(started, "exit");
    expect(leakedProcesses(runId)).toEqual([]);
  });

  test("another run's child is not found", async () => {
    await startChild();
    expect(leakedProcesses(`${runId}-other`)).toEqual([]);
  });
});

describe.runIf(process.platform === "linux")("what listens", () => {
  test("is told of a leaked process", async () => {
    const listens = `const s = require("node:net").createServer().listen(0, "127.0.0.1", () => process.stdout.write(String(s.address().port)))`;
    child = spawnProbe(listens);
    const port = String(await once(child.stdout!, "data"));
    const leaks = findLeaks({ runId, temporaryDirectory: "/does/not/exist", sharedMemoryBefore: [] });
    expect(leaks.processes[0].listensOn).toEqual([`127.0.0.1:${port}`]);
    expect(describeLeaks(leaks)[0]).toContain(`, listening on 127.0.0.1:${port}: `);
  });

  test("in this process is found, until it is closed", async () => {
    expect(listeningSockets()).toEqual([]);
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    expect(listeningSockets()).toEqual([`127.0.0.1:${port}`]);
    server.close();
    await once(server, "close");
    expect(listeningSockets()).toEqual([]);
  });

  test.each([
    ["0100007F", "127.0.0.1"],
    ["00000000", "0.0.0.0"],
    ["00000000000000000000000000000000", "[::]"],
    ["00000000000000000000000001000000", "[::1]"],
    ["B80D0120000000000000000001000000", "[2001:db8::1]"],
  ])("the address %s is %s", (hex, address) => expect(addressFromTable(hex)).toBe(address));
});

describe("leaked files", () => {
  test("only names of iono count, and only what nobody has open is abandoned", () => {
    const directory = mkdtempSync(join(tmpdir(), "probe-"));
    try {
      writeFileSync(join(directory, "iono-1"), "");
      writeFileSync(join(directory, "other"), "");
      expect(leakedFiles(directory)).toEqual([join(directory, "iono-1")]);
      if (process.platform === "linux") {
        const descriptor = openSync(join(directory, "iono-1"), "r");
        expect(abandoned(leakedFiles(directory))).toEqual([]);
        closeSync(descriptor);
      }
      expect(abandoned(leakedFiles(directory))).toEqual([join(directory, "iono-1")]);
      const leaks = findLeaks({ runId, temporaryDirectory: directory, sharedMemoryBefore: [] });
      expect(describeLeaks(leaks)).toContain(`left in the temporary directory: ${join(directory, "iono-1")}`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test("a directory that does not exist holds nothing", () => {
    expect(leakedFiles("/does/not/exist")).toEqual([]);
  });
});
