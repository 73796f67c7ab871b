/**
 * A chaos proxy in a process of its own, on a host: what others connect to instead of a port of that host, or of another;
 * or on this machine: for what this process waits for without turning its event loop, as it does in `init`.
 */
import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Address, ProxyCounters, TcpProxy } from "../proxy.ts";
import type { Host } from "./host.ts";

const methods = [
  "set",
  "stall",
  "drop",
  "corruptNext",
  "reset",
  "closeSilently",
  "refuse",
  "answerOnce",
  "setListening",
  "retarget",
  "heal",
] as const;
type RelayMethod = (typeof methods)[number];

export interface RelayStart {
  readonly target: Address;
  readonly seed: number;
  readonly host: string;
  readonly port: number;
}

export interface RelayRequest {
  readonly id: number;
  readonly method: RelayMethod;
  readonly args: readonly unknown[];
}

export interface RelayReply {
  readonly id: number;
  readonly counters: ProxyCounters;
  readonly error: string | undefined;
  /** Said once, before anything was asked. */
  readonly port?: number;
}

/** The methods of a proxy, each settling when it has been done; `counters` are of the last of them. */
export type Relay = {
  readonly [M in RelayMethod]: (...args: Parameters<TcpProxy[M]>) => Promise<void>;
} & {
  /** Of the host it runs on. */
  readonly address: string;
  readonly port: number;
  counters(): Promise<ProxyCounters>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const loopback = "127.0.0.1";

export interface RelayOptions {
  /** As the host that it runs on sees it. */
  readonly target: Address;
  /** Any free port unless said. */
  readonly port?: number;
  readonly seed?: number;
}

/**
 * On a host, or on this machine for `null`.
 * @throws Error when it does not start, such as for a port that is taken.
 */
export async function startRelay(
  host: Host | null,
  { target, port = 0, seed = 1 }: RelayOptions,
): Promise<Relay> {
  const start: RelayStart = { target, port, seed, host: host === null ? loopback : "0.0.0.0" };
  const args = [...process.execArgv, join(import.meta.dirname, "relay-bin.ts"), JSON.stringify(start)];
  const options: SpawnOptions = {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    serialization: "advanced", // JSON has no Infinity, which is a rate here.
  };
  const child =
    host === null ? spawn(process.execPath, args, options) : host.spawn(process.execPath, args, options);
  const conversation = new Conversation(child);
  const first = await conversation.answer(0);
  const ask = async (method: RelayMethod, args: readonly unknown[]): Promise<void> => {
    await conversation.ask(method, args);
  };
  const close = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    if (child.connected) child.disconnect();
    await ended;
  };
  const calls = Object.fromEntries(
    methods.map((method) => [method, (...args: readonly unknown[]) => ask(method, args)]),
  ) as { readonly [M in RelayMethod]: (...args: Parameters<TcpProxy[M]>) => Promise<void> };
  return {
    ...calls,
    address: host?.address ?? loopback,
    port: first.port ?? port,
    counters: async () => (await conversation.ask("set", [{}])).counters,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Requests to the child and its answers. */
class Conversation {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve: (reply: RelayReply) => void; reject: (error: Error) => void }
  >();
  #lastId = 0;
  #over: Error | undefined;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.on("message", (reply: RelayReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.error === undefined) waiting?.resolve(reply);
      else waiting?.reject(new Error(reply.error));
    });
    const end = (error: Error): void => {
      this.#over = error;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    child.once("error", end);
    child.once("exit", (code, signal) => end(new Error(`the relay has ended (${signal ?? code})`)));
  }

  answer(id: number): Promise<RelayReply> {
    return new Promise((resolve, reject) => {
      if (this.#over !== undefined) reject(this.#over);
      else this.#waiting.set(id, { resolve, reject });
    });
  }

  ask(method: RelayMethod, args: readonly unknown[]): Promise<RelayReply> {
    const request: RelayRequest = { id: ++this.#lastId, method, args };
    const answer = this.answer(request.id);
    if (this.#child.connected) this.#child.send(request);
    return answer;
  }
}
