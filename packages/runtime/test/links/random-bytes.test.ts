import { frameKinds, writeFrameHeader, frameHeaderBytes } from "@iono/core";
import { randomBytes } from "node:crypto";
import { readdirSync, readlinkSync, writeSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { get, init, put, remote, shutdown } from "../../src/index.ts";

const where = remote(() => ({ worker: process.pid, agent: process.ppid }));
let pids: { worker: number; agent: number };
const said: string[] = [];

beforeAll(async () => {
  await init({ numCpus: 2 });
  pids = await get(where.remote());
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    said.push(String(text));
    return true;
  });
});

afterAll(async () => {
  vi.restoreAllMocks();
  await shutdown();
});

/** The sockets that a process listens on: each is held as a descriptor of a file that is gone. */
function listening(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /iono-\w+\/s( \(deleted\))?$/.test(readlinkSync(`/proc/${pid}/fd/${fd}`))
        ? [`/proc/${pid}/fd/${fd}`]
        : [];
    } catch {
      return [];
    }
  });
}

/** Sends bytes; resolves when the other side has ended the connection, or has taken all and kept it open for a while. */
async function send(path: string, bytes: Uint8Array, ends: boolean): Promise<void> {
  const socket: Socket = connect({ path });
  socket.on("error", () => {});
  socket.resume();
  await new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
    socket.write(bytes, () => {
      if (ends) socket.end();
      else setTimeout(() => socket.destroy(), 50);
    });
  });
}

function frame(kind: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(frameHeaderBytes + payload.length);
  writeFrameHeader(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, kind as 1, payload.length);
  bytes.set(payload, frameHeaderBytes);
  return bytes;
}

describe("bytes that are not ours", () => {
  it("on any socket of driver, worker and agent end that connection; all go on; one line is said (C15)", async () => {
    const counts = [process.pid, pids.worker, pids.agent].map((pid) => listening(pid).length);
    expect(
      counts.every((count) => count >= 1),
      counts.join(),
    ).toBe(true);
    for (const pid of [process.pid, pids.worker, pids.agent]) {
      for (const path of listening(pid)) {
        for (let i = 0; i < 8; i++) await send(path, randomBytes(1 + 37 * i), i % 2 === 0);
        await send(path, frame(frameKinds.hello, randomBytes(20)), false);
        await send(path, frame(frameKinds.hello, Buffer.from([0xc0])), false);
        await send(path, frame(frameKinds.tasks, randomBytes(100)), false);
        await send(path, Buffer.from('{"kind":7}\n{}\n\n'), false);
        await send(path, Buffer.from([0xff, 0xff, 0xff, 0x7f, 40, 0, 0, 0]), false);
      }
    }
    const again = await get(where.remote());
    expect(again.agent).toBe(pids.agent);
    expect(() => process.kill(pids.worker, 0)).not.toThrow();
    const big = put(new Uint8Array(1_000_000));
    expect(await get(remote((bytes: Uint8Array) => bytes.length).remote(big))).toBe(1_000_000);
    const refused = said.filter((line) => line.includes("refused a connection"));
    expect(refused.filter((line) => line.startsWith("iono: ")).length).toBe(1);
  });

  it("written by a task to its worker's own link cost that worker, and nobody else", async () => {
    const spoils = remote(
      async (bytes: Uint8Array) => {
        writeSync(3, bytes);
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      },
      { retries: 0 },
    );
    for (const bytes of [
      randomBytes(64),
      frame(frameKinds.control, randomBytes(64)),
      frame(frameKinds.control, Buffer.from([0xc0])),
    ]) {
      await expect(get(spoils.remote(new Uint8Array(bytes)))).rejects.toMatchObject({ code: "WorkerDied" });
    }
    expect((await get(where.remote())).agent).toBe(pids.agent);
  });
});
