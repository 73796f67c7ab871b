import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { StoreLocation } from "@iono/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collectGarbage } from "./collect.ts";
import type { StoreClient } from "./store-client.ts";
import { startScript, TestHost } from "./testing/harness.ts";
import type { ScriptOptions } from "./testing/script.ts";
import { isMapped } from "./transfer-guard.ts";

const mebibyte = 1024 * 1024;
let host: TestHost;
let writer: StoreClient;
let reader: StoreClient;

beforeAll(async () => {
  host = await TestHost.start({ capacityBytes: 64 * mebibyte });
  writer = host.client(1);
  reader = host.client(2);
});
afterAll(() => host[Symbol.asyncDispose]());

/** A value whose bytes are all `fill`. */
function value(sizeBytes: number, fill: number): { bytes: Uint8Array; parts: Uint8Array[] } {
  return { bytes: new Uint8Array([fill, 1, 2]), parts: [new Uint8Array(sizeBytes).fill(fill)] };
}

async function collected(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await nextTurn();
    await nextTurn();
  }
}

/** Runs a script and resolves to its location, once it has done its work. */
async function run(
  options: ScriptOptions,
): Promise<{ child: ReturnType<typeof startScript>; location: StoreLocation }> {
  const child = startScript(new URL("testing/script.ts", import.meta.url), options);
  const [message] = (await Promise.race([once(child, "message"), once(child, "exit")])) as unknown[];
  if (typeof message !== "object" || message === null)
    throw new Error(`the script ended: ${String(message)}`);
  return { child, location: (message as { location: StoreLocation }).location };
}

async function killed(child: ReturnType<typeof startScript>): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

describe("values", () => {
  it("come back equal, copied or mapped, with parts aligned to 64 bytes", () => {
    for (const sizes of [[], [0], [1, 0, 63, 64, 65], [100_000, 3], [600_000, 1, 700_001]]) {
      const parts = sizes.map((size, i) => Uint8Array.from({ length: size }, (_, at) => (at * 7 + i) & 255));
      const bytes = Uint8Array.from({ length: 1 + sizes.length * 13 }, (_, at) => at & 255);
      using handle = writer.adopt(writer.write({ bytes, parts }, 1));
      const read = reader.read(handle.location);
      expect(Buffer.compare(read.bytes, bytes)).toBe(0);
      expect(read.parts.map((part) => part.byteOffset % 64)).toEqual(sizes.map(() => 0));
      expect(read.parts.every((part, i) => Buffer.compare(part, parts[i]) === 0)).toBe(true);
    }
  });

  it("are snapshots: the writer's later changes are not seen", () => {
    const source = value(mebibyte, 3);
    using handle = writer.adopt(writer.write(source, 1));
    source.parts[0].fill(9);
    expect(reader.read(handle.location).parts[0][77]).toBe(3);
  });

  it("take a view of a larger buffer, and Buffers of the pool", () => {
    const whole = Uint8Array.from({ length: 300_000 }, (_, i) => i & 255);
    const pooled = Buffer.from("pooled");
    using handle = writer.adopt(writer.write({ bytes: pooled, parts: [whole.subarray(1000, 250_000)] }, 1));
    const read = reader.read(handle.location);
    expect(Buffer.from(read.bytes).toString()).toBe("pooled");
    expect(Buffer.compare(read.parts[0], whole.subarray(1000, 250_000))).toBe(0);
  });

  it.each([200_000, 2 * mebibyte])("of %i bytes are private to each reader", (size) => {
    using handle = writer.adopt(writer.write(value(size, 4), 1));
    const first = reader.read(handle.location);
    const second = reader.read(handle.location);
    first.parts[0].fill(8);
    first.bytes[0] = 8;
    expect([second.parts[0][5], second.bytes[0]]).toEqual([4, 4]);
    expect(writer.read(handle.location).parts[0][size - 1]).toBe(4);
  });
});

describe("mappings", () => {
  it("stay valid while everything around them is reused", () => {
    const handle = writer.adopt(writer.write(value(4 * mebibyte, 6), 1));
    const view = reader.read(handle.location).parts[0];
    handle.release();
    for (let i = 0; i < 60; i++) writer.adopt(writer.write(value(3 * mebibyte, i), 1)).release();
    expect(view.every((byte) => byte === 6)).toBe(true);
    expect(() => writer.hold({ ...handle.location, generation: handle.location.generation + 1 })).toThrow(
      /nothing held it/,
    );
  });

  it("end when the last view is collected, and their pages are free again", async () => {
    await collected();
    const before = reader.liveMappings().length;
    const handle = writer.adopt(writer.write(value(4 * mebibyte, 6), 1));
    let view: Uint8Array | undefined = reader.read(handle.location).parts[0].subarray(5, 6);
    handle.release();
    expect(reader.liveMappings()).toHaveLength(before + 1);
    await collected();
    expect(view[0]).toBe(6);
    expect(reader.liveMappings()).toHaveLength(before + 1);
    view = undefined;
    await collected();
    expect(reader.liveMappings()).toHaveLength(before);
    expect(() => reader.hold(handle.location)).toThrow(expect.objectContaining({ code: "ObjectLost" }));
  });

  it("cannot be moved away: transfer copies, cloning with transfer is refused, streams copy or refuse", async () => {
    using handle = writer.adopt(writer.write(value(mebibyte, 2), 1));
    const { buffer } = reader.read(handle.location).parts[0];
    if (!(buffer instanceof ArrayBuffer)) throw new TypeError("not an ArrayBuffer");
    const moved = buffer.transfer();
    expect([isMapped(buffer), isMapped(moved), buffer.detached, moved.byteLength]).toEqual([
      true,
      false,
      false,
      buffer.byteLength,
    ]);
    expect(buffer.transferToFixedLength(10).byteLength).toBe(10);
    expect(() => structuredClone(buffer, { transfer: [buffer] })).toThrow(/transfer/);
    expect(structuredClone(buffer).byteLength).toBe(buffer.byteLength);
    const stream = new ReadableStream({
      type: "bytes",
      start: (controller) => controller.enqueue(new Uint8Array(buffer, 0, 4)),
    });
    const byob = stream.getReader({ mode: "byob" });
    await expect(byob.read(new Uint8Array(buffer, 0, 4))).rejects.toThrow(/use a copy/);
    expect((await byob.read(new Uint8Array(4))).value).toHaveLength(4);
    expect(buffer.detached).toBe(false);
    const own = new ArrayBuffer(8);
    expect([own.transfer(16).byteLength, own.detached]).toEqual([16, true]);
  });

  it("leak neither descriptors nor maps", async () => {
    const count = (): number[] => [
      fs.readdirSync("/proc/self/fd").length,
      fs
        .readFileSync("/proc/self/maps", "utf8")
        .split("\n")
        .filter((line) => line.includes("iono-store")).length,
    ];
    const handle = writer.adopt(writer.write(value(mebibyte, 2), 1));
    reader.read(handle.location);
    await collected();
    const before = count();
    for (let i = 0; i < 300; i++) reader.read(handle.location);
    await collected();
    expect(count()).toEqual(before);
    handle.release();
  });
});

describe("pins", () => {
  it("count within a process: the last one releases", () => {
    const location = writer.write(value(200_000, 1), 1);
    const first = writer.adopt(location);
    const second = writer.hold(location);
    first.release();
    first.release();
    expect(reader.read(location).parts[0][0]).toBe(1);
    second.release();
    writer.stats(); // a round trip: the unpin has arrived
    expect(() => reader.read(location)).toThrow(expect.objectContaining({ code: "ObjectLost" }));
  });

  it("of another process keep the object, and go with a killed process", async () => {
    const handle = writer.adopt(writer.write(value(mebibyte, 1), 1));
    const { location } = handle;
    const client = host.clientOptions(3);
    const { child } = await run({ client: { ...client }, action: "hold", location });
    handle.release();
    writer.stats();
    expect(reader.read(location).parts[0][0]).toBe(1);
    await collected();
    await killed(child);
    host.died(3);
    await host.stats();
    expect(() => reader.hold(location)).toThrow(expect.objectContaining({ code: "ObjectLost" }));
  });

  it("of a killed reader and a killed owner are let go", async () => {
    await using killHost = await TestHost.start({ capacityBytes: 16 * mebibyte });
    const client = killHost.client(1);
    const handle = client.adopt(client.write(value(6 * mebibyte, 1), 1));
    const mapper = await run({ client: killHost.clientOptions(2), action: "map", location: handle.location });
    handle.release();
    const owner = await run({ client: killHost.clientOptions(3), action: "write", bytes: 6 * mebibyte });
    expect(client.read(owner.location).parts[0][9]).toBe(5);
    await collected();
    await killed(mapper.child);
    await killed(owner.child);
    expect((await killHost.stats()).usedBytes).toBeGreaterThan(12 * mebibyte);
    killHost.died(2);
    killHost.died(3);
    expect((await killHost.stats()).usedBytes).toBe(0);
    const stalled = await run({ client: killHost.clientOptions(4), action: "stall", bytes: 2 * mebibyte });
    await killed(stalled.child);
    expect((await killHost.stats()).usedBytes).toBeGreaterThan(mebibyte);
    killHost.died(4);
    expect((await killHost.stats()).usedBytes).toBe(0);
  });

  it("are refused for a freed object, and after its generation has passed", () => {
    const handle = writer.adopt(writer.write(value(mebibyte, 1), 1));
    const view = reader.read(handle.location).parts[0];
    writer.free(handle.location);
    writer.stats();
    expect(() => reader.read(handle.location)).toThrow(expect.objectContaining({ code: "ObjectFreed" }));
    expect(view[5]).toBe(1);
    expect(() => reader.read({ ...handle.location, block: 99_999 })).toThrow(
      expect.objectContaining({ code: "ObjectLost" }),
    );
  });
});

describe("strangers on the store's socket", () => {
  it.each([
    ["random bytes", Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) & 255))],
    ["zeros", Buffer.alloc(64)],
    ["a hello with a wrong secret", hello(1, "wrong")],
    ["a hello of an unknown process", hello(77, "secret of process 77")],
    ["a hello with a huge secret", hello(1, "x".repeat(300))],
    ["a request before the hello", Buffer.concat([Buffer.from([2, 0, 0, 0]), Buffer.alloc(28)])],
  ])("%s: the connection ends, the store goes on", async (_, bytes) => {
    const socket = net.connect(host.socketPath);
    socket.on("error", () => {});
    socket.write(bytes);
    socket.resume();
    await once(socket, "close");
    expect(writer.stats().backing).toBe("memfd");
  });

  it("garbage after a right hello ends that connection only", async () => {
    const socket = net.connect(host.socketPath);
    socket.on("error", () => {});
    socket.write(hello(4, "secret of process 4"));
    await once(socket, "data");
    socket.write(Buffer.alloc(96, 255));
    await once(socket, "close");
    expect(host.client(4).stats().backing).toBe("memfd");
  });
});

function hello(process: number, secret: string): Buffer {
  const request = Buffer.alloc(32);
  request.writeUInt8(1, 0);
  request.writeDoubleLE(secret.length, 16);
  request.writeDoubleLE(process, 24);
  return Buffer.concat([request, Buffer.from(secret)]);
}

describe("without an agent", () => {
  it("says that the cluster is lost, at the first use", async () => {
    await using lost = await TestHost.start({ capacityBytes: 4 * mebibyte });
    const client = lost.client(1);
    const handle = client.adopt(client.write(value(mebibyte, 3), 1));
    const view = client.read(handle.location).parts[0];
    const exited = once(lost.child, "exit");
    lost.child.kill("SIGKILL");
    await exited;
    handle.release(); // tells nobody, and does not throw, now or in a later turn
    await collected();
    expect(view.every((byte) => byte === 3)).toBe(true);
    expect(() => client.write(value(200_000, 1), 1)).toThrow(
      expect.objectContaining({ code: "ClusterLost" }),
    );
    expect(() => lost.client(2).stats()).toThrow(expect.objectContaining({ code: "ClusterLost" }));
  });
});
