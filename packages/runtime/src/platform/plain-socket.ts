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
  | { readonly kind: "open" }
  | { readonly kind: "closed" }
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
  const state = { buffered: new Uint8Array(0) as Uint8Array, open: false, gone: "" };

  /** Takes one message of the thread; false when none comes in time. */
  const next = (timeoutMs: number): boolean => {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const seen = Atomics.load(word, 0);
      const received = receiveMessageOnPort(port1);
      if (received !== undefined) {
        accept(state, received.message as FromThread);
        return true;
      }
      const leftMs = until - performance.now();
      if (leftMs <= 0) return false;
      Atomics.wait(word, 0, seen, leftMs);
    }
  };

  const close = (): void => {
    port1.postMessage(null);
    port1.close();
    void worker.terminate();
  };

  while (!state.open && state.gone === "") if (!next(connectTimeoutMs)) state.gone = "ETIMEDOUT";
  if (!state.open) {
    close();
    throw new SystemCallError(`connect ${path}`, state.gone);
  }
  return {
    fd: -1,
    send(bytes) {
      if (state.gone !== "") throw new PeerGoneError(state.gone);
      port1.postMessage(bytes.slice());
    },
    receive(target, timeoutMs) {
      const until = performance.now() + timeoutMs;
      while (state.buffered.byteLength < target.byteLength) {
        if (state.gone !== "") throw new PeerGoneError(state.gone);
        if (next(Math.max(0, until - performance.now()))) continue;
        if (state.buffered.byteLength === 0) return false;
        throw new PeerGoneError("the peer stopped in the middle of a message");
      }
      target.set(state.buffered.subarray(0, target.byteLength));
      state.buffered = state.buffered.subarray(target.byteLength);
      return true;
    },
    close,
  };
}

interface StreamState {
  buffered: Uint8Array;
  open: boolean;
  /** Why there is no connection any more; empty while there is. */
  gone: string;
}

function accept(state: StreamState, message: FromThread): void {
  if (message.kind === "open") state.open = true;
  else if (message.kind === "error") state.gone ||= message.code;
  else if (message.kind === "closed") state.gone ||= "closed";
  else if (state.buffered.byteLength === 0) state.buffered = message.bytes;
  else state.buffered = Buffer.concat([state.buffered, message.bytes]);
}
