import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { memberIfAny } from "../../src/api/runtime.ts";
import { free, get, init, objectLocations, put, putAsync, remote, shutdown } from "../../src/index.ts";
import { rejection } from "../tasks/signals.ts";

const mebibyte = 1024 * 1024;
const stats = () => memberIfAny()!.owner.store.stats() as Record<string, number>;
const make = remote((bytes: number) => new Uint8Array(bytes).fill(7));
const lengthOf = remote((bytes: Uint8Array) => bytes.length);

afterEach(shutdown);

describe("a store of 64 MiB", () => {
  it("serves a loop of get(put()) and one of put() for many times its size", async () => {
    await init({ numCpus: 1, objectStore: "64MiB" });
    const array = new Float64Array(mebibyte);
    for (let i = 0; i < 20; i++) {
      array[0] = i;
      expect((await get(put(array)))[0]).toBe(i);
    }
    for (let i = 0; i < 16; i++) {
      array[0] = i;
      put(array);
    }
    expect(stats().committedBytes).toBeLessThanOrEqual(64 * mebibyte);
  });

  it("spills what is kept beyond it, and gives it back as it was (K1, K12, K2)", async () => {
    const spillDir = mkdtempSync(join(tmpdir(), "iono-spill-test-"));
    await init({ numCpus: 1, objectStore: "64MiB", spillDir });
    const array = new Uint8Array(4 * mebibyte);
    const held = put(array.fill(200));
    const view = await get(held);
    const refs = Array.from({ length: 24 }, (_, i) => put(array.fill(i)));
    const states = (await objectLocations(refs)).map(({ state }) => state);
    expect(states).toContain("spilled");
    expect(states).toContain("store");
    expect(stats().spilledBytes).toBeGreaterThanOrEqual(32 * mebibyte);
    expect(stats().spillFiles).toBeLessThan(states.filter((state) => state === "spilled").length);
    for (const [i, ref] of refs.entries()) {
      const bytes = await get(ref);
      expect([bytes[0], bytes[4 * mebibyte - 1]]).toEqual([i, i]);
    }
    expect(stats().restoredBytes).toBeGreaterThan(0);
    expect(await get(lengthOf.remote(refs[0]))).toBe(4 * mebibyte);
    expect([view[0], view[4 * mebibyte - 1]]).toEqual([200, 200]);
    free(refs);
    // What is still mapped, here and in the worker, keeps its copy on disk.
    await expect.poll(() => stats().diskBytes).toBeLessThan(3 * 5 * mebibyte);
    await shutdown();
    await expect.poll(() => readdirSync(spillDir, { recursive: true })).toEqual([]);
    rmSync(spillDir, { recursive: true });
  });

  it("refuses what is larger than itself: put, putAsync, arguments, results", async () => {
    await init({ numCpus: 1, objectStore: "64MiB" });
    const huge = new Uint8Array(80 * mebibyte);
    const text = /is larger than the object store \(67108864 bytes\)/;
    expect(() => put(huge)).toThrow(text);
    for (const refused of [putAsync(huge), get(make.remote(80 * mebibyte))]) {
      const error = await rejection(refused);
      expect(error.code).toBe("ObjectStoreFull");
      expect(error.message).toMatch(text);
    }
    expect(() => lengthOf.remote(huge)).toThrow(text);
    expect((await get(put(new Uint8Array(32 * mebibyte)))).length).toBe(32 * mebibyte);
  });

  it("keeps nothing in /dev/shm", async () => {
    const ours = (): string[] => readdirSync("/dev/shm").filter((name) => name.includes("iono"));
    const before = ours();
    await init({ numCpus: 1, objectStore: "64MiB" });
    await get(put(new Uint8Array(32 * mebibyte)));
    expect(ours()).toEqual(before);
    expect(memberIfAny()!.owner.store.stats().backing).toBe("memfd");
  });
});

describe.runIf(mayMount())("a spill disk that is full (K7)", () => {
  it("is OutOfDisk for put, putAsync, results, arguments and actors, until something is freed", async () => {
    const disk = mkdtempSync(join(tmpdir(), "iono-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", disk]);
    try {
      await init({ numCpus: 1, objectStore: "64MiB", spillDir: join(disk, "spill") });
      const array = new Uint8Array(8 * mebibyte).fill(1);
      const refs = [];
      let full: unknown;
      while (full === undefined) {
        try {
          refs.push(put(array));
        } catch (error) {
          full = error;
        }
      }
      expect(full).toMatchObject({ code: "OutOfDisk", retryable: true });
      const actor = remote(
        class {
          make(bytes: number) {
            return new Uint8Array(bytes);
          }
        },
      ).remote();
      const failures = [
        putAsync(array),
        get(make.remote(8 * mebibyte)),
        get(actor.make.remote(8 * mebibyte)),
      ].map(rejection);
      for (const failure of await Promise.all(failures)) expect(failure.code).toBe("OutOfDisk");
      expect(() => lengthOf.remote(array)).toThrow(/nothing more can be written to the spill directory/);
      free(refs.splice(0, 5));
      expect((await get(put(array)))[0]).toBe(1);
      for (const ref of refs) expect((await get(ref))[8 * mebibyte - 1]).toBe(1);
      await shutdown();
    } finally {
      execFileSync("umount", ["-l", disk]);
      rmSync(disk, { recursive: true, force: true });
    }
  });
});

function mayMount(): boolean {
  const probe = mkdtempSync(join(tmpdir(), "iono-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", probe], { stdio: "ignore" });
    execFileSync("umount", [probe]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}
