import os from "node:os";
import fs from "node:fs";
import path from "node:path";
import { once } from "node:events";
import net from "node:net";
import { describe, expect, it } from "vitest";
import { linuxPlatform } from "../platform/linux.ts";
import { plainPlatform } from "../platform/plain.ts";
import { memoryLimitBytes, storeCapacityBytes } from "./capacity.ts";
import { storeSpillDirs } from "./spill-directories.ts";
import { StoreServer } from "./store-server.ts";
import { TestHost } from "./testing/harness.ts";

const mebibyte = 1024 * 1024;

describe("a store on other platforms", () => {
  it.each(["plain", "file"] as const)(
    "%s: writes, reads and spills, with copies instead of mappings",
    async (kind) => {
      await using host = await TestHost.start({ capacityBytes: 8 * mebibyte, platform: kind });
      const client = host.client(1, kind === "plain" ? plainPlatform("a test") : undefined);
      const values = Array.from({ length: 6 }, (_, i) => new Uint8Array(2 * mebibyte).fill(i));
      const handles = values.map((part) =>
        client.adopt(client.write({ bytes: new Uint8Array(9), parts: [part] }, 1)),
      );
      for (const [i, handle] of handles.entries()) {
        const read = await client.readAsync(handle.location);
        expect(Buffer.compare(read.parts[0], values[i])).toBe(0);
      }
      if (kind === "file") return;
      expect(client.liveMappings()).toEqual([]);
      expect(host.warnings.join()).toMatch(/the object store lies in/);
    },
  );

  it("becomes smaller, and still serves, where the system has less memory than it was promised", async () => {
    // A file on a file system that is too small behaves as a container's /dev/shm does.
    const shm = fs.statfsSync("/dev/shm");
    const tooMuch = (shm.blocks + 1000) * shm.bsize;
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "iono-small-"));
    const warnings: string[] = [];
    const server = new StoreServer({
      platform: linuxPlatform(["shm"]),
      capacityBytes: tooMuch * 2,
      spillDirs: [directory],
      prefaultBytes: 0,
      onWarning: (message) => warnings.push(message),
    });
    await expect(server.local.allocate(tooMuch, 0)).rejects.toMatchObject({ code: "ObjectStoreFull" });
    const location = await server.local.allocate(mebibyte, 0);
    server.local.write(location, 10, new Uint8Array([1, 2, 3]));
    server.local.seal(location);
    const target = new Uint8Array(3);
    const pinned = await server.local.pin(location);
    server.local.read(pinned, 10, target);
    expect([[...target], server.stats().backing]).toEqual([[1, 2, 3], "shm"]);
    expect(warnings.join()).toMatch(/ENOSPC/);
    await server.close();
    fs.rmSync(directory, { recursive: true });
  });
});

describe("the agent's own use of the store", () => {
  it("receives an object in pieces for a process, which then reads it", async () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "iono-local-"));
    const server = new StoreServer({
      platform: linuxPlatform(),
      capacityBytes: 4 * mebibyte,
      spillDirs: [directory],
    });
    server.admit(1, "secret");
    const listener = net
      .createServer((socket) => server.accept(socket))
      .listen(path.join(directory, "socket"));
    await once(listener, "listening");
    const location = await server.local.allocate(2 * mebibyte, 1);
    for (let at = 0; at < location.size; at += mebibyte)
      server.local.write(location, at, new Uint8Array(mebibyte).fill(3));
    expect(() => server.local.write(location, location.size - 1, new Uint8Array(2))).toThrow(RangeError);
    server.local.seal(location);
    expect(server.stats().blocks).toBe(1);
    const first = await server.local.pin(location);
    await server.local.pin(location);
    server.local.unpin(location);
    server.processDied(1);
    const target = new Uint8Array(4);
    server.local.read(first, 100, target);
    expect([[...target], server.stats().blocks]).toEqual([[3, 3, 3, 3], 1]);
    server.local.unpin(location);
    server.local.unpin(location);
    expect(server.stats().blocks).toBe(0);
    await expect(server.local.pin(location)).rejects.toMatchObject({ code: "ObjectLost" });
    const abandoned = await server.local.allocate(mebibyte, 0);
    server.local.abandon(abandoned);
    expect(server.stats().blocks).toBe(0);
    listener.close();
    await server.close();
    fs.rmSync(directory, { recursive: true });
  });
});

describe("capacity", () => {
  it("is 30 % of what the container allows, or less when configured", () => {
    const gibibyte = 1024 ** 3;
    const limit = (files: Readonly<Record<string, string>>): number =>
      memoryLimitBytes((file) => files[file]);
    const v1 = "/sys/fs/cgroup/memory/memory.limit_in_bytes";
    expect(limit({})).toBe(os.totalmem());
    expect(limit({ "/sys/fs/cgroup/memory.max": `${gibibyte}\n` })).toBe(gibibyte);
    expect(limit({ "/sys/fs/cgroup/memory.max": "max\n" })).toBe(os.totalmem());
    expect(limit({ [v1]: `${gibibyte / 2}\n` })).toBe(gibibyte / 2);
    expect(limit({ [v1]: "9223372036854771712" })).toBe(os.totalmem());
    const nested = { "/proc/self/cgroup": "0::/a.slice/b\n", "/sys/fs/cgroup/a.slice/memory.max": "5000000" };
    expect(limit(nested)).toBe(5_000_000);
    const old = { "/proc/self/cgroup": "9:name=systemd:/x\n4:cpu,memory:/job/1\n" };
    expect(limit({ ...old, "/sys/fs/cgroup/memory/job/1/memory.limit_in_bytes": "7000000" })).toBe(7_000_000);
    expect(storeCapacityBytes(undefined, gibibyte)).toBe(Math.floor(gibibyte * 0.3));
    expect(storeCapacityBytes(100 * mebibyte, gibibyte)).toBe(100 * mebibyte);
    expect(storeCapacityBytes(gibibyte, gibibyte)).toBe(Math.floor(gibibyte * 0.3));
  });

  it("spills where it was told, else on a disk; a directory that cannot be written is refused at the start", () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), "iono-dirs-"));
    const [first, second, file] = ["a/b", "c", "file"].map((name) => path.join(directory, name));
    fs.writeFileSync(file, "");
    expect(storeSpillDirs(`${first}${path.delimiter}${second}`)).toEqual([first, second]);
    expect(fs.existsSync(first)).toBe(true);
    expect(() => storeSpillDirs(path.join(file, "below"))).toThrow(
      /^spillDir must name directories.*ENOTDIR/,
    );
    expect(storeSpillDirs("")).toHaveLength(1);
    fs.rmSync(directory, { recursive: true });
  });
});
