import { type ChildProcess, fork, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { linuxPlatform } from "./linux.ts";
import { plainPlatform } from "./plain.ts";
import { PeerGoneError } from "./platform.ts";
import { createSharedPage, openSharedPage } from "./shared-page.ts";

const linux = linuxPlatform();
const plain = plainPlatform("for a test");
const script = path.join(import.meta.dirname, "testing-child.ts");
const execArgv = ["--conditions=iono-source", "--disable-warning=ExperimentalWarning"];
let directory: string;
beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "iono-platform-"));
});
afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

const segments = [
  ["memfd", linuxPlatform(["memfd"])],
  ["shm", linuxPlatform(["shm"])],
  ["file", linuxPlatform(["file"])],
  ["plain", plain],
] as const;

describe.each(segments)("a segment on %s", (name, platform) => {
  it("is written, read, made a hole, and leaves nothing behind", async () => {
    const segment = platform.createSegment(64 * 1024 * 1024, directory);
    const view = platform.openSegment(segment.path, segment.sizeBytes);
    await segment.commit(8192, 200_000);
    await segment.prefault(8192, 200_000);
    const source = Uint8Array.from({ length: 150_001 }, (_, i) => (i * 31) & 255);
    view.write(8192 + 5, source, true);
    const target = new Uint8Array(source.length);
    view.read(8192 + 5, target);
    expect(Buffer.compare(source, target)).toBe(0);
    const mapping = view.mapPrivate(8192, 200_000);
    expect(mapping === undefined).toBe(name === "plain");
    if (mapping !== undefined) {
      const mapped = new Uint8Array(mapping.memory);
      expect(Buffer.compare(source, mapped.subarray(5, 5 + source.length))).toBe(0);
      mapped[5] = 99;
      view.read(8192 + 5, target);
      expect(target[0]).toBe(source[0]);
      mapping.unmap();
    }
    const used = (): number => fs.fstatSync(segment.fd).blocks * 512;
    await segment.release(8192, 204_800);
    if (name !== "plain") expect(used()).toBe(0);
    view.close();
    segment.close();
    expect(fs.readdirSync(directory)).toEqual([]);
  });
});

describe("createSegment", () => {
  it("falls back, with a warning that says why, and refuses when nothing is left", () => {
    const none = path.join(directory, "file", "below");
    fs.writeFileSync(path.join(directory, "file"), "");
    expect(() => linuxPlatform(["file"]).createSegment(1 << 20, none)).toThrow(/ENOTDIR|EEXIST/);
    const segment = linuxPlatform(["file", "shm"]).createSegment(1 << 20, none);
    expect([segment.backing, segment.warning]).toEqual(["shm", expect.stringContaining("/dev/shm: file: ")]);
    segment.close();
  });
});

describe.each([
  ["linux", linux],
  ["plain", plain],
] as const)("a blocking socket on %s", (_, platform) => {
  /** A peer in another process: doubles each byte; ends on zero. */
  async function peer(file: string): Promise<ChildProcess> {
    const program = `
      const server = require("node:net").createServer((socket) => socket.on("data", (bytes) =>
        bytes.includes(0) ? socket.destroy() : socket.write(bytes.map((byte) => byte * 2))));
      server.listen(process.argv[1], () => process.send("ready"));`;
    const child = spawn(process.execPath, ["-e", program, file], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    await once(child, "message");
    return child;
  }

  it("exchanges bytes, times out, and says when the peer is gone", async () => {
    const file = path.join(directory, "socket");
    const child = await peer(file);
    const socket = platform.connectBlocking(file);
    const target = new Uint8Array(3);
    socket.send(new Uint8Array([1, 2, 3]));
    expect([socket.receive(target, 10_000), [...target]]).toEqual([true, [2, 4, 6]]);
    expect(socket.receive(target, 20)).toBe(false);
    socket.send(new Uint8Array(300_000).fill(7));
    const large = new Uint8Array(300_000);
    expect([socket.receive(large, 10_000), large.every((byte) => byte === 14)]).toEqual([true, true]);
    socket.send(new Uint8Array([0]));
    expect(() => socket.receive(target, 10_000)).toThrow(PeerGoneError);
    socket.close();
    const exited = once(child, "exit");
    child.kill();
    await exited;
  });

  it("refuses to connect where nobody listens", () => {
    expect(() => platform.connectBlocking(path.join(directory, "nobody"))).toThrow(/ENOENT/);
  });
});

describe("connectBlocking on Linux", () => {
  it("refuses a path that no socket can have", () => {
    expect(() => linux.connectBlocking(`/${"x".repeat(120)}`)).toThrow(/ENAMETOOLONG/);
  });

  it("refuses a socket whose server has ended", async () => {
    const file = path.join(directory, "ended");
    const server = net.createServer().listen(file);
    await once(server, "listening");
    fs.renameSync(file, `${file}-kept`);
    server.close();
    await once(server, "close");
    expect(() => linux.connectBlocking(`${file}-kept`)).toThrow(/ECONNREFUSED/);
  });
});

describe("a shared page", () => {
  it("is seen by another process, with compare-and-swap", () => {
    const page = createSharedPage(8192, linux);
    const words = new Int32Array(page.memory);
    Atomics.store(words, 0, 7);
    const file = `/proc/${process.pid}/fd/${page.fd}`;
    const child = spawnSync(process.execPath, [...execArgv, script, "page", file, "8192"], {
      stdio: "inherit",
    });
    expect([child.status, Atomics.load(words, 0), Atomics.load(words, 1)]).toEqual([0, 8, 107]);
    const again = openSharedPage(file, 8192, linux);
    expect(new Int32Array(again.memory)[1]).toBe(107);
    again.close();
    page.close();
  });

  it("is refused where there is none", () => {
    expect(() => createSharedPage(4096, plain)).toThrow(/ENOSYS/);
    expect(() => openSharedPage("/nowhere", 4096, plain)).toThrow(/ENOSYS/);
  });
});

describe("dieWithParent", () => {
  it("ends the child when its parent is killed", async () => {
    const parent = fork(script, ["parent"], { execArgv });
    const [pid] = (await once(parent, "message")) as [number];
    expect(fs.existsSync(`/proc/${pid}`)).toBe(true);
    const exited = once(parent, "exit");
    parent.kill("SIGKILL");
    await exited;
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 10_000 });
  });

  it("ends the child at once when the parent is another already", () => {
    const child = spawnSync(process.execPath, [...execArgv, script, "stranger"]);
    expect(child.signal).toBe("SIGTERM");
  });
});

/** False for a zombie that nobody has collected yet. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s*Z/m.test(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe("the rest", () => {
  it("raises the limit of open files", () => {
    expect(linux.raiseFileLimit()).toBeGreaterThan(255);
    const limits = fs.readFileSync("/proc/self/limits", "utf8").match(/Max open files\s+(\d+)\s+(\d+)/);
    expect(limits?.[1]).toBe(limits?.[2]);
    expect(plain.raiseFileLimit()).toBe(0);
  });

  it("sleeps, and comes back", () => {
    expect([linux.sleepBlocking(1), plain.sleepBlocking(1)]).toEqual([undefined, undefined]);
  });

  it("says what it lacks", () => {
    expect(linux.missing).toEqual([]);
    expect(plain.missing.join("\n")).toMatch(/for a test: the object store is a file/);
  });
});
