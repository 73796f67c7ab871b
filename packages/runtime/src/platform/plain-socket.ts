import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { type BlockingSocket, PeerGoneError, SystemCallError } from "./platform.ts";

/** A blocking stream made of a thread that does the I/O: this thread sleeps on a word of shared memory until it is told. */

/** The thread's program, as text: it needs no file of its own, and nothing but Node. */
const program = `
const { workerData: { path, port, word } } = require("node:worker_threads");
const wake = () => { Atomics.add(word, 0, 1); Atomics.notify(word, 0); };
const socket = require("node:net").connect(path, () => { port.postMessage({ kind: "open" }); wake(); });
socket.on("data", (bytes) => { port.postMessage({ kind: "data", bytes }); wake(); });
socket.on("error", (error) => { port.postMessage({ kind: "error", code: error.code }); wake(); });
socket.on("close", () => { port.postMessage({ kind: "closed" }); wake(); });
port.on("message", (bytes) => { if (bytes === null) { socket.destroy(); port.close(); } else socket.write(bytes); });
`;

type FromThread =
  | { readonly kind: "open" | "closed" }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "error"; readonly code: string };

const connectTimeoutMs = 10_000;

/** Connects to a Unix socket or named pipe. Throws if nobody listens. */
export function connectThroughThread(path: string): BlockingSocket {
  const word = new Int32Array(new SharedArrayBuffer(4));
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(program, {
    eval: true,
    workerData: { path, port: port2, word },
    transferList: [port2],
    execArgv: [],
  });
  worker.unref();
  port1.unref();
  let buffered: Uint8Array = new Uint8Array(0);
  let open = false;
  let gone = "";

  /** Takes one message of the thread; false when none comes in time. */
  const next = (timeoutMs: number): boolean => {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const seen = Atomics.load(word, 0);
      const message = (receiveMessageOnPort(port1) as { message: FromThread } | undefined)?.message;
      if (message === undefined) {
        const leftMs = until - performance.now();
        if (leftMs <= 0) return false;
        Atomics.wait(word, 0, seen, leftMs);
        continue;
      }
      if (message.kind === "open") open = true;
      else if (message.kind === "data")
        buffered = buffered.byteLength === 0 ? message.bytes : Buffer.concat([buffered, message.bytes]);
      else gone ||= message.kind === "error" ? message.code : "closed";
      return true;
    }
  };

  const close = (): void => {
    port1.postMessage(null);
    port1.close();
    void worker.terminate();
  };

  while (!open && gone === "" && next(connectTimeoutMs));
  if (!open) {
    close();
    throw new SystemCallError(`connect ${path}`, gone || "ETIMEDOUT");
  }
  return {
    fd: -1,
    send(bytes) {
      if (gone !== "") throw new PeerGoneError(gone);
      port1.postMessage(bytes.slice());
    },
    receive(target, timeoutMs) {
      const until = performance.now() + timeoutMs;
      while (buffered.byteLength < target.byteLength) {
        if (next(Math.max(0, until - performance.now()))) continue;
        if (buffered.byteLength === 0) return false;
        throw new PeerGoneError("the peer stopped in the middle of a message");
      }
      target.set(buffered.subarray(0, target.byteLength));
      buffered = buffered.subarray(target.byteLength);
      return true;
    },
    close,
  };
}
