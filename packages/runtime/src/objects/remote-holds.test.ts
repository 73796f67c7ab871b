import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { IonoError, processNumber, type ErrorCode, type StoreLocation } from "@iono/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { currentPlatform } from "../platform/current.ts";
import { collectGarbage } from "./collect.ts";
import type { RemoteObjects } from "./remote-objects.ts";
import { StoreClient, type CopyKeeper } from "./store-client.ts";
import { startScript } from "./testing/harness.ts";
import type { NodesCommand, NodesHostOptions, NodesReport } from "./testing/nodes-host.ts";

const mebibyte = 1024 * 1024;
const nowhere: StoreLocation = { node: 0, block: 0, generation: 0, offset: 0, size: 0 };
const directory = mkdtempSync(path.join(os.tmpdir(), "iono-remote-test-"));
const socketPaths = [1, 2].map((node) => path.join(directory, `${node}.sock`));
const secret = "secret";

let host: ChildProcess;
const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
let nextId = 1;
/** What the clients asked for. */
const asked: string[] = [];
let expected: Promise<void>[] = [];
let home: StoreClient;
let reader: StoreClient;

function ask(command: Partial<NodesCommand> & Pick<NodesCommand, "op" | "process">): Promise<unknown> {
  const id = nextId++;
  asked.push(command.op);
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    host.send({ id, location: nowhere, purpose: "read", ...command } satisfies NodesCommand);
  });
}

function client(node: number): StoreClient {
  const number = processNumber(node, 1);
  const objects: RemoteObjects = {
    hold: (location) => ask({ op: "hold", process: number, location }).then(() => {}),
    release: (location) => void ask({ op: "release", process: number, location }),
    fetch: (location, purpose) =>
      ask({ op: "fetch", process: number, location, purpose }) as Promise<StoreLocation>,
    free: (location) => void ask({ op: "free", process: number, location }),
  };
  return StoreClient.connect({
    platform: currentPlatform(),
    socketPath: socketPaths[node - 1],
    process: number,
    secret,
    fullTimeoutMs: 1_000,
    remote: { objects, expect: (registration) => expected.push(registration) },
  });
}

beforeAll(async () => {
  const options: NodesHostOptions = { socketPaths, capacityBytes: 64 * mebibyte, secret };
  host = startScript(new URL("testing/nodes-host.ts", import.meta.url), options);
  const ready = Promise.withResolvers<void>();
  host.on("message", (report: NodesReport) => {
    if (report.kind === "ready") return ready.resolve();
    const { resolve, reject } = waiting.get(report.id) ?? {};
    waiting.delete(report.id);
    if (report.kind === "done") resolve?.(report.value);
    else reject?.(new IonoError(report.code as ErrorCode, report.message));
  });
  await Promise.race([ready.promise, once(host, "exit")]);
  home = client(1);
  reader = client(2);
});
afterAll(async () => {
  home.close();
  reader.close();
  const exited = once(host, "exit");
  host.disconnect();
  await exited;
  rmSync(directory, { recursive: true, force: true });
});

function value(sizeBytes: number, fill: number): { bytes: Uint8Array; parts: Uint8Array[] } {
  return { bytes: new Uint8Array([fill]), parts: [new Uint8Array(sizeBytes).fill(fill)] };
}

function keeper(): CopyKeeper {
  return { copy: null };
}

async function statsOf(
  node: number,
): Promise<{ blocks: number; usedBytes: number; cachedBytes: number; sent: number }> {
  return (await ask({ op: "stats", process: node })) as Awaited<ReturnType<typeof statsOf>>;
}

describe("objects of another node, as a process has them", () => {
  it("are read through a copy, which later reads use", async () => {
    using handle = home.adopt(home.write(value(3 * mebibyte, 7), processNumber(1, 1)));
    expect(handle.location.node).toBe(1);
    expect(reader.isRemote(handle.location)).toBe(true);
    expect(reader.whereIs(handle.location)).toBe("elsewhere");
    const kept = keeper();
    const [first, second] = await Promise.all([
      reader.readCopy(handle.location, kept),
      reader.readCopy(handle.location, keeper()),
    ]);
    for (const read of [first, second]) expect(read.parts[0].every((byte) => byte === 7)).toBe(true);
    expect(kept.copy?.location.node).toBe(2);
    asked.length = 0;
    expect((await reader.readCopy(handle.location, kept)).bytes[0]).toBe(7);
    expect(asked).toEqual([]);
    kept.copy?.release();
  });

  it("are held at home once, however often here, and let go with the last handle", async () => {
    expected = [];
    asked.length = 0;
    const location = home.write(value(mebibyte, 8), processNumber(1, 1));
    const own = home.adopt(location);
    const holds = [reader.hold(location), reader.hold(location)];
    reader.pin(location);
    expect(expected).toHaveLength(1);
    await expected[0];
    own.release();
    holds[0].release();
    reader.unpin(location);
    expect(asked).toEqual(["hold"]);
    await expect.poll(() => home.whereIs(location)).toBe("memory");
    holds[1].release();
    await expect.poll(() => home.whereIs(location)).toBe("nowhere");
    expect(asked).toEqual(["hold", "release"]);
  });

  it("written for another node's process are adopted there without asking", async () => {
    const greeting = home.write(value(10, 1), processNumber(1, 1));
    using _met = reader.hold(greeting); // so that node 1 knows the process
    await expected.at(-1);
    asked.length = 0;
    const location = home.write(value(mebibyte, 9), processNumber(2, 1));
    const handle = reader.adopt(location);
    expect(asked).toEqual([]);
    expect((await reader.readCopy(location, keeper())).bytes[0]).toBe(9);
    handle.release();
    await expect.poll(() => home.whereIs(location)).toBe("nowhere");
  });

  it("fail to be read, not to arrive, when they are gone", async () => {
    const location = home.write(value(mebibyte, 3), processNumber(1, 1));
    home.adopt(location).release();
    await expect.poll(() => home.whereIs(location)).toBe("nowhere");
    using late = reader.hold(location);
    await expected.at(-1);
    await expect(reader.readCopy(late.location, keeper())).rejects.toMatchObject({ code: "ObjectLost" });
  });

  it("leave nothing behind when handles are collected", async () => {
    const location = home.write(value(2 * mebibyte, 5), processNumber(1, 1));
    const own = home.adopt(location);
    await (async () => {
      reader.hold(location);
      await reader.readCopy(location, keeper());
    })();
    own.release();
    await expect
      .poll(
        async () => {
          collectGarbage();
          await nextTurn();
          home.collect();
          const { usedBytes, cachedBytes } = await statsOf(2);
          return [home.whereIs(location), usedBytes - cachedBytes];
        },
        { timeout: 10_000 },
      )
      .toEqual(["nowhere", 0]);
  });

  it("cannot be had where there is no way to other nodes", () => {
    const alone = StoreClient.connect({
      platform: currentPlatform(),
      socketPath: socketPaths[1],
      process: processNumber(2, 1),
      secret,
    });
    expect(() => alone.hold({ ...nowhere, node: 9 })).toThrow(/no way to the objects of node-9/);
    alone.close();
  });
});
