/** In the agent of a worker's node: takes the questions of its workers, asks the program's machine, keeps the answers. */
import { timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import {
  formatDuration,
  limits,
  readCodeReply,
  readCodeRequest,
  type CodeReply,
  type CodeRequest,
} from "@iono/core";
import { unpackMessage } from "../owner/payload.ts";
import { framed, lengthBytes, maxRequestBytes } from "./code-wire.ts";
import { keyOf, ModuleCache } from "./module-cache.ts";

export interface CodeRelayOptions {
  /** Asks the machine of a job. What it rejects with is told to the worker; it may also never settle. */
  ask(job: string, request: CodeRequest): Promise<CodeReply>;
  /** How long a worker waits for an answer. Default: the limit `moduleAnswer`. */
  readonly answerMs?: number;
  /** Most bytes kept of all jobs together. Default: the limit `moduleCache`. */
  readonly cacheBytes?: number;
}

interface Job {
  readonly cache: ModuleCache;
  /** Questions under way, by `keyOf`. */
  readonly asked: Map<string, Promise<CodeReply>>;
}

interface Admission {
  readonly secret: Buffer;
  readonly job: string;
}

/** Connections that have not said hello yet. */
const maxUnknown = 1024;
const helloTimeoutMs = 5000;
/** Most jobs whose modules are kept; the one that came first is forgotten. */
const maxJobs = 64;

export class CodeRelay {
  readonly #options: Required<CodeRelayOptions>;
  readonly #admitted = new Map<number, Admission>();
  readonly #connections = new Map<number, RelayConnection>();
  readonly #unknown = new Set<RelayConnection>();
  readonly #jobs = new Map<string, Job>();
  #closed = false;

  constructor(options: CodeRelayOptions) {
    this.#options = {
      answerMs: limits.moduleAnswer.value,
      cacheBytes: limits.moduleCache.value,
      ...options,
      ask: (job, request) => options.ask(job, request),
    };
  }

  /** Lets a worker of this job connect and ask. */
  admit(process: number, secret: string, job: string): void {
    this.#admitted.set(process, { secret: Buffer.from(secret), job });
  }

  processDied(process: number): void {
    this.#admitted.delete(process);
    this.#connections.get(process)?.close();
  }

  /** The job is over. */
  forget(job: string): void {
    this.#jobs.delete(job);
  }

  /** Takes a connection of the socket that workers are told of. */
  accept(socket: Socket): void {
    if (this.#closed || this.#unknown.size >= maxUnknown) {
      socket.destroy();
      return;
    }
    let job: string | undefined;
    let process = -1;
    const connection = new RelayConnection(
      socket,
      async (message) => {
        if (job !== undefined) return this.answer(job, message);
        const hello = readHello(message);
        const admission = hello === undefined ? undefined : this.#admitted.get(hello.process);
        if (hello === undefined || admission === undefined || !isEqual(admission.secret, hello.secret))
          return null;
        ({ job } = admission);
        ({ process } = hello);
        clearTimeout(timer);
        this.#unknown.delete(connection);
        this.#connections.get(process)?.close();
        this.#connections.set(process, connection);
        return undefined;
      },
      () => {
        clearTimeout(timer);
        this.#unknown.delete(connection);
        if (this.#connections.get(process) === connection) this.#connections.delete(process);
      },
    );
    const timer = setTimeout(() => connection.close(), helloTimeoutMs);
    this.#unknown.add(connection);
  }

  /** The answer to what a worker of this job asked; null when that is no question. Never rejects, and always settles in time. */
  async answer(jobId: string, message: unknown): Promise<CodeReply | null> {
    const request = readCodeRequest(message);
    if (request === undefined) return null;
    const job = this.#job(jobId);
    const known = job.cache.find(request);
    if (known !== undefined) return known;
    const key = keyOf(request);
    let asked = job.asked.get(key);
    if (asked === undefined) {
      asked = this.#ask(jobId, request).finally(() => job.asked.delete(key));
      job.asked.set(key, asked);
    }
    const reply = await asked;
    job.cache.keep(request, reply);
    this.#makeRoom(job);
    return reply;
  }

  close(): void {
    this.#closed = true;
    for (const connection of [...this.#connections.values(), ...this.#unknown]) connection.close();
    this.#jobs.clear();
  }

  #job(id: string): Job {
    const known = this.#jobs.get(id);
    if (known !== undefined) return known;
    if (this.#jobs.size >= maxJobs) {
      const [oldest] = this.#jobs.keys();
      if (oldest !== undefined) this.#jobs.delete(oldest);
    }
    const job: Job = { cache: new ModuleCache(this.#options.cacheBytes), asked: new Map() };
    this.#jobs.set(id, job);
    return job;
  }

  /** Other jobs' modules go before those of the one that needs the room, which keeps within it by itself. */
  #makeRoom(needing: Job): void {
    let bytes = 0;
    for (const { cache } of this.#jobs.values()) bytes += cache.bytes;
    for (const [id, job] of this.#jobs) {
      if (bytes <= this.#options.cacheBytes) return;
      if (job === needing) continue;
      bytes -= job.cache.bytes;
      this.#jobs.delete(id);
    }
  }

  #ask(job: string, request: CodeRequest): Promise<CodeReply> {
    const { answerMs } = this.#options;
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => resolve(failed(`no answer within ${formatDuration(answerMs)}`)),
        answerMs,
      );
      const settle = (reply: CodeReply): void => {
        clearTimeout(timer);
        resolve(reply);
      };
      try {
        this.#options.ask(job, request).then(
          (reply) => settle(readCodeReply(reply) ?? failed("what it answered cannot be understood")),
          (error: unknown) => settle(failed(error instanceof Error ? error.message : String(error))),
        );
      } catch (error) {
        settle(failed(error instanceof Error ? error.message : String(error)));
      }
    });
  }
}

/** Cuts messages out of a worker's stream and answers each, one after the other. */
class RelayConnection {
  readonly #socket: Socket;
  /** null ends the connection; undefined is no reply. */
  readonly #serve: (message: unknown) => Promise<CodeReply | null | undefined>;
  readonly #onClose: () => void;
  #buffered: Buffer = Buffer.alloc(0);
  #isServing = false;
  #closed = false;

  constructor(
    socket: Socket,
    serve: (message: unknown) => Promise<CodeReply | null | undefined>,
    onClose: () => void,
  ) {
    this.#socket = socket;
    this.#serve = serve;
    this.#onClose = onClose;
    socket.on("data", (chunk: Buffer) => {
      this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
      // One question at a time: a worker that sends more is none of ours.
      if (this.#buffered.length > 2 * (maxRequestBytes + lengthBytes)) this.close();
      else void this.#next();
    });
    socket.on("error", () => this.close());
    socket.on("close", () => this.close());
    socket.on("end", () => this.close());
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#onClose();
  }

  async #next(): Promise<void> {
    if (this.#isServing) return;
    this.#isServing = true;
    for (;;) {
      const message = this.#take();
      if (message === undefined || this.#closed) break;
      const reply = await this.#serve(message);
      if (this.#closed) break;
      if (reply === null) this.close();
      else if (reply !== undefined) this.#socket.write(framed(reply));
    }
    this.#isServing = false;
  }

  #take(): unknown {
    const bytes = this.#buffered;
    if (bytes.length < lengthBytes) return undefined;
    const end = lengthBytes + bytes.readUInt32LE(0);
    if (end > maxRequestBytes + lengthBytes) {
      this.close();
      return undefined;
    }
    if (bytes.length < end) return undefined;
    this.#buffered = Buffer.from(bytes.subarray(end));
    try {
      return unpackMessage(bytes, lengthBytes, end) ?? null;
    } catch {
      this.close();
      return undefined;
    }
  }
}

function failed(message: string): CodeReply {
  return { t: "failed", message };
}

function readHello(value: unknown): { process: number; secret: string } | undefined {
  if (typeof value !== "object" || value === null || !("process" in value) || !("secret" in value))
    return undefined;
  const { process, secret } = value;
  return typeof process === "number" && typeof secret === "string" ? { process, secret } : undefined;
}

function isEqual(expected: Buffer, given: string): boolean {
  const bytes = Buffer.from(given);
  return bytes.length === expected.length && timingSafeEqual(bytes, expected);
}
