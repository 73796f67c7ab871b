import fs from "node:fs";
import { type Libc, checked } from "./libc.ts";
import { type BlockingSocket, PeerGoneError, SystemCallError } from "./platform.ts";

const unixDomain = 1;
const stream = 1;
const closeOnExec = 0o2000000;
const noSignal = 0x4000;
const pollIn = 1;
/** sun_path of Linux, with its final zero. */
const maxPathBytes = 108;

/** A Unix stream socket whose calls block this thread: a round trip to a peer that waits takes some 40 µs. */
export function connectBlocking(libc: Libc, path: string): BlockingSocket {
  const name = Buffer.from(path);
  if (name.length >= maxPathBytes) throw new SystemCallError(`connect ${path}`, "ENAMETOOLONG");
  const address = Buffer.alloc(2 + maxPathBytes);
  address.writeUInt16LE(unixDomain, 0);
  name.copy(address, 2);
  const fd = checked(libc, "socket", libc.socket(unixDomain, stream | closeOnExec, 0));
  if (libc.connect(fd, address, 2 + name.length + 1) < 0) {
    const code = libc.errno();
    fs.closeSync(fd);
    throw new SystemCallError(`connect ${path}`, code);
  }
  return new LinuxBlockingSocket(libc, fd);
}

class LinuxBlockingSocket implements BlockingSocket {
  readonly #libc: Libc;
  readonly fd: number;
  readonly #polled = Buffer.alloc(8);

  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.fd = fd;
    this.#polled.writeInt32LE(fd, 0);
    this.#polled.writeInt16LE(pollIn, 4);
  }

  send(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.byteLength > 0) {
      const sent = this.#libc.send(this.fd, rest, rest.byteLength, noSignal);
      if (sent >= 0) rest = rest.subarray(sent);
      else this.#fail("send");
    }
  }

  receive(target: Uint8Array, timeoutMs: number): boolean {
    const until = performance.now() + timeoutMs;
    let rest = target;
    while (rest.byteLength > 0) {
      const leftMs = Math.max(0, Math.ceil(until - performance.now()));
      const ready = this.#libc.poll(this.#polled, 1, leftMs);
      if (ready < 0) this.#fail("poll");
      else if (ready === 0 && leftMs === 0) {
        if (rest.byteLength === target.byteLength) return false;
        throw new PeerGoneError("the peer stopped in the middle of a message");
      } else if (ready > 0) {
        const received = this.#libc.recv(this.fd, rest, rest.byteLength, 0);
        if (received === 0) throw new PeerGoneError("the peer closed the connection");
        if (received > 0) rest = rest.subarray(received);
        else this.#fail("recv");
      }
    }
    return true;
  }

  close(): void {
    fs.closeSync(this.fd);
  }

  /** Throws, unless the call is to be made again. */
  #fail(call: string): void {
    const code = this.#libc.errno();
    if (code === "EINTR" || code === "EAGAIN") return;
    if (code === "EPIPE" || code === "ECONNRESET") throw new PeerGoneError(`${call}: ${code}`);
    throw new SystemCallError(call, code);
  }
}
