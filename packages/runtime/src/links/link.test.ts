import { frameHeaderBytes, frameKinds, FrameError, maxFrameBytes, writeFrameHeader } from "@iono/core";
import { describeLink } from "@iono/testing";
import * as fc from "fast-check";
import * as net from "node:net";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemoryLink } from "./memory.ts";
import { publish, type PublishedSocket } from "./publish.ts";
import { UnixLink } from "./unix.ts";

let published: PublishedSocket;
const accepted: ((socket: net.Socket) => void)[] = [];

beforeAll(async () => {
  published = await publish(net.createServer((socket) => accepted.shift()?.(socket)));
});

afterAll(() => published.close());

/** A connected pair of sockets: ours, and the one that a link is made of. */
async function sockets(): Promise<[net.Socket, net.Socket]> {
  const other = new Promise<net.Socket>((resolve) => accepted.push(resolve));
  const socket = net.connect({ path: published.path });
  await once(socket, "connect");
  return [socket, await other];
}

describeLink("MemoryLink", async (near, far) => MemoryLink.pair(near, far));

describeLink("UnixLink", async (near, far) => {
  const [a, b] = await sockets();
  return [new UnixLink(a, near), new UnixLink(b, far)];
});

interface Raw {
  readonly socket: net.Socket;
  readonly link: UnixLink;
  readonly frames: string[];
  readonly ended: Promise<Error | undefined>;
}

/** A link whose peer sends what it likes. */
async function rawPeer(): Promise<Raw> {
  const [socket, other] = await sockets();
  socket.on("error", () => {});
  const frames: string[] = [];
  let link!: UnixLink;
  const ended = new Promise<Error | undefined>((resolve) => {
    link = new UnixLink(other, {
      frame: (_kind, chunk, start, end) => frames.push(chunk.toString("latin1", start, end)),
      closed: resolve,
    });
  });
  return { socket, link, frames, ended };
}

function header(kind: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(frameHeaderBytes);
  writeFrameHeader(new DataView(buffer.buffer, buffer.byteOffset, buffer.length), 0, kind as 40, bytes);
  return buffer;
}

describe("UnixLink and a peer that breaks the rules", () => {
  it("reads frames that come byte by byte", async () => {
    const { socket, link, frames, ended } = await rawPeer();
    socket.setNoDelay(true);
    for (const byte of Buffer.concat([
      header(frameKinds.control, 5),
      Buffer.from("hello"),
      header(frameKinds.watch, 0),
    ])) {
      await new Promise<void>((resolve) => socket.write(Buffer.from([byte]), () => resolve()));
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.end();
    expect(await ended).toBeUndefined();
    expect(frames).toEqual(["hello", ""]);
    link.destroy();
  });

  it("closes on random bytes, hands none of them on as an unknown kind, and lives", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 8, maxLength: 200 }), async (bytes) => {
        const { socket, ended } = await rawPeer();
        socket.end(bytes);
        const error = await ended;
        expect(error === undefined || error instanceof FrameError).toBe(true);
        socket.destroy();
      }),
      { numRuns: 60 },
    );
  });

  it("closes on a frame that is too long, and on one it will not take from a stranger", async () => {
    const long = await rawPeer();
    long.socket.write(header(frameKinds.control, maxFrameBytes + 1));
    expect(await long.ended).toBeInstanceOf(FrameError);
    const stranger = await rawPeer();
    stranger.link.maxFrameBytes = 100;
    stranger.socket.write(header(frameKinds.control, 101));
    expect(await stranger.ended).toBeInstanceOf(FrameError);
  });

  it("closes on credit for what was never sent", async () => {
    const { socket, ended } = await rawPeer();
    socket.write(Buffer.concat([header(frameKinds.credit, 4), Buffer.from([1, 0, 0, 0])]));
    expect(await ended).toBeInstanceOf(FrameError);
    const odd = await rawPeer();
    odd.socket.write(Buffer.concat([header(frameKinds.credit, 3), Buffer.from([0, 0, 0])]));
    expect(await odd.ended).toBeInstanceOf(FrameError);
  });

  it("takes a half frame at the end for an end", async () => {
    const { socket, frames, ended } = await rawPeer();
    socket.end(Buffer.concat([header(frameKinds.control, 50), Buffer.from("half")]));
    expect(await ended).toBeUndefined();
    expect(frames).toEqual([]);
  });
});
