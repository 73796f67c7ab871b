import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { collectGarbage } from "./collect.ts";
import type { StoreHandle } from "./handles.ts";
import type { StoreClient } from "./store-client.ts";
import { TestHost } from "./testing/harness.ts";

const mebibyte = 1024 * 1024;
const full = expect.objectContaining({ code: "ObjectStoreFull" });

function value(sizeBytes: number, fill: number): { bytes: Uint8Array; parts: Uint8Array[] } {
  return { bytes: new Uint8Array([fill & 255]), parts: [new Uint8Array(sizeBytes).fill(fill)] };
}

/** Bytes that differ from object to object and from place to place. */
function pattern(seed: number, bytes: number): Uint8Array {
  const words = new Uint32Array(bytes / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + 1, 2_654_435_761) ^ seed;
  return new Uint8Array(words.buffer);
}

/** Reads what `pattern` made, blocking and not. A function of its own, so that its frame keeps no value alive. */
async function readAll(client: StoreClient, handles: readonly StoreHandle[]): Promise<void> {
  for (const [i, { location }] of handles.entries()) {
    const read = i % 2 === 0 ? client.read(location) : await client.readAsync(location);
    expect(Buffer.compare(read.parts[0], pattern(i, 4 * mebibyte))).toBe(0);
  }
}

describe("loops that run for ever", () => {
  it("a synchronous loop of puts whose refs are dropped: 1 GiB through 64 MiB, nothing spilled", async () => {
    await using host = await TestHost.start({ capacityBytes: 64 * mebibyte });
    const client = host.client(1);
    const big = value(4 * mebibyte, 1);
    for (let i = 0; i < 256; i++) client.adopt(client.write(big, 1));
    const { committedBytes, spilledBytes } = await host.stats();
    expect({ spilledBytes, within: committedBytes <= 64 * mebibyte }).toEqual({
      spilledBytes: 0,
      within: true,
    });
  });

  it("get(put(big)) with nothing but microtasks between: 1 GiB through 64 MiB, nothing spilled", async () => {
    await using host = await TestHost.start({ capacityBytes: 64 * mebibyte });
    const client = host.client(1);
    const big = value(4 * mebibyte, 1);
    let sum = 0;
    for (let i = 0; i < 256; i++) {
      const handle = client.adopt(client.write(big, 1));
      const read = await Promise.resolve(client.read(handle.location));
      sum += read.parts[0][i];
    }
    expect(sum).toBe(256);
    expect((await host.stats()).spilledBytes).toBe(0);
  });

  it("get(put(big)) with turns of the event loop, and no leak of descriptors in the agent", async () => {
    await using host = await TestHost.start({ capacityBytes: 32 * mebibyte });
    const client = host.client(1);
    client.stats();
    const before = await host.stats();
    for (let i = 0; i < 128; i++) {
      const handle = client.adopt(await client.writeAsync(value(4 * mebibyte, i), 1));
      expect((await client.readAsync(handle.location)).parts[0][0]).toBe(i);
      await nextTurn();
    }
    expect((await host.stats()).fds).toBeLessThanOrEqual(before.fds + 2);
  });
});

describe("a full store", () => {
  it("makes a put wait, then fail, when all is mapped; the blocking one and the other", async () => {
    await using host = await TestHost.start({ capacityBytes: 16 * mebibyte });
    const client = host.client(1);
    const reader = host.client(2);
    const views = [1, 2, 3].map((fill) =>
      reader.read(client.adopt(client.write(value(5 * mebibyte, fill), 1)).location),
    );
    expect(() => client.write(value(4 * mebibyte, 4), 1)).toThrow(full);
    let turns = 0;
    const ticking = setInterval(() => turns++, 5);
    await expect(client.writeAsync(value(4 * mebibyte, 4), 1)).rejects.toEqual(full);
    clearInterval(ticking);
    expect(turns).toBeGreaterThan(1); // the event loop went on
    expect(views.map(({ parts }) => parts[0][mebibyte])).toEqual([1, 2, 3]);
    expect(() => client.write(value(17 * mebibyte, 1), 1)).toThrow(/larger than the object store/);
    expect((await host.stats()).waiting).toBe(0);
  });

  it("goes on as soon as another process lets go", async () => {
    await using host = await TestHost.start({ capacityBytes: 16 * mebibyte });
    const client = host.client(1);
    const reader = host.client(2);
    let view: { readonly parts: readonly Uint8Array[] } | undefined;
    const handle = client.adopt(client.write(value(12 * mebibyte, 1), 1));
    view = reader.read(handle.location);
    handle.release();
    const written = client.writeAsync(value(12 * mebibyte, 2), 1);
    await nextTurn();
    expect(view.parts[0][0]).toBe(1);
    view = undefined;
    collectGarbage();
    using second = client.adopt(await written);
    expect(client.read(second.location).parts[0][0]).toBe(2);
  });

  it("tells other processes to collect", async () => {
    await using host = await TestHost.start({ capacityBytes: 16 * mebibyte });
    const client = host.client(1);
    const view = client.read(client.adopt(client.write(value(12 * mebibyte, 1), 1)).location);
    expect(() => host.client(2).write(value(12 * mebibyte, 1), 2)).toThrow(full);
    expect(view.parts[0][0]).toBe(1);
    await host.stats();
    expect(host.pressures).toBeGreaterThan(0);
  });
});

describe("spilling", () => {
  it("writes to disk what does not fit, reads it back equal, and leaves nothing when it is released", async () => {
    await using host = await TestHost.start({ capacityBytes: 32 * mebibyte });
    const client = host.client(1);
    const handles: StoreHandle[] = [];
    for (let i = 0; i < 24; i++) {
      handles.push(
        client.adopt(client.write({ bytes: new Uint8Array(3), parts: [pattern(i, 4 * mebibyte)] }, 1)),
      );
    }
    expect((await host.stats()).spilledBytes).toBeGreaterThan(64 * mebibyte);
    await readAll(client, handles);
    const after = await host.stats();
    expect(after.restoredBytes).toBeGreaterThan(32 * mebibyte);
    expect(fs.readdirSync(path.join(host.directory, "spill"))).toEqual([]); // the files have no names
    for (const handle of handles) handle.release();
    await vi.waitFor(async () => {
      collectGarbage();
      await nextTurn();
      expect(client.liveMappings()).toEqual([]);
    });
    client.stats();
    const { diskBytes, spillFiles, committedBytes } = await host.stats();
    expect({ diskBytes, spillFiles }).toEqual({ diskBytes: 0, spillFiles: 0 });
    expect(committedBytes).toBeLessThanOrEqual(32 * mebibyte);
  });

  it("leaves mapped views alone", async () => {
    await using host = await TestHost.start({ capacityBytes: 32 * mebibyte });
    const client = host.client(1);
    const handle = client.adopt(
      client.write({ bytes: new Uint8Array(1), parts: [pattern(1, 8 * mebibyte)] }, 1),
    );
    const view = client.read(handle.location).parts[0];
    const others: StoreHandle[] = [];
    for (let i = 0; i < 12; i++) others.push(client.adopt(client.write(value(5 * mebibyte, i), 1)));
    expect(Buffer.compare(view, pattern(1, 8 * mebibyte))).toBe(0);
    expect(others.map(({ location }) => client.read(location).parts[0][9])).toEqual(others.map((_, i) => i));
  });

  it("finds damage on disk: the object is lost, the store goes on", async () => {
    await using host = await TestHost.start({ capacityBytes: 16 * mebibyte });
    const client = host.client(1);
    const first = client.adopt(client.write(value(10 * mebibyte, 1), 1));
    using second = client.adopt(client.write(value(10 * mebibyte, 2), 1));
    const fds = `/proc/${host.child.pid}/fd`;
    const spilled = fs
      .readdirSync(fds)
      .filter((fd) => fs.readlinkSync(path.join(fds, fd)).includes("spill-"));
    expect(spilled).toHaveLength(1);
    const file = fs.openSync(path.join(fds, spilled[0]), "r+");
    fs.writeSync(file, Buffer.from("damage"), 0, 6, 5 * mebibyte);
    fs.closeSync(file);
    const lost = expect.objectContaining({ code: "ObjectLost" });
    expect(() => client.read(first.location)).toThrow(lost);
    expect(() => client.read(first.location)).toThrow(lost);
    expect(client.read(second.location).parts[0][1]).toBe(2);
    first.release();
  });

  it("says OutOfDisk to the put that needed it, then goes on", async () => {
    await using host = await TestHost.start({ capacityBytes: 16 * mebibyte, diskLimitBytes: 12 * mebibyte });
    const client = host.client(1);
    const handles = [1, 2].map((fill) => client.adopt(client.write(value(10 * mebibyte, fill), 1)));
    expect(() => client.write(value(10 * mebibyte, 3), 1)).toThrow(
      expect.objectContaining({ code: "OutOfDisk" }),
    );
    await expect(client.writeAsync(value(10 * mebibyte, 3), 1)).rejects.toMatchObject({ code: "OutOfDisk" });
    handles[0].release();
    const third = client.adopt(client.write(value(10 * mebibyte, 3), 1));
    expect(client.read(third.location).parts[0][1]).toBe(3);
  });

  it("tries the next directory when one is full or cannot be written, and says OutOfDisk when all are", async ({
    skip,
  }) => {
    const small = fs.mkdtempSync("/tmp/iono-small-disk-");
    try {
      try {
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=6m", "tmpfs", small], { stdio: "ignore" });
      } catch {
        skip("mounting a small file system needs root");
      }
      const directory = fs.mkdtempSync("/tmp/iono-large-disk-");
      try {
        const blocked = path.join(directory, "a-file");
        fs.writeFileSync(blocked, "");
        await using host = await TestHost.start({
          capacityBytes: 16 * mebibyte,
          spillDirs: [small, path.join(blocked, "below"), directory],
        });
        const client = host.client(1);
        const handles = [1, 2, 3, 4].map((fill) => client.adopt(client.write(value(10 * mebibyte, fill), 1)));
        expect(handles.map(({ location }) => client.read(location).parts[0][7])).toEqual([1, 2, 3, 4]);
        await host.stats();
        expect(host.warnings.join("\n")).toMatch(/ENOTDIR|ENOSPC/);
      } finally {
        fs.rmSync(directory, { recursive: true });
      }
      await using host = await TestHost.start({ capacityBytes: 16 * mebibyte, spillDirs: [small] });
      const client = host.client(1);
      const kept = client.adopt(client.write(value(10 * mebibyte, 1), 1));
      expect(() => client.write(value(10 * mebibyte, 2), 1)).toThrow(
        expect.objectContaining({ code: "OutOfDisk" }),
      );
      expect(client.read(kept.location).parts[0][7]).toBe(1);
    } finally {
      try {
        execFileSync("umount", [small], { stdio: "ignore" });
      } catch {
        // It was not mounted.
      }
      fs.rmSync(small, { recursive: true, force: true });
    }
  });
});
