/** In the agent of a worker's node: takes the questions of its workers, asks the program's machine, keeps the answers. */
import { timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import {
  formatDuration,
  limits,
  readCodeAnswer,
  readCodeReply,
  readCodeRequest,
  type CodeAnswer,
  type CodeReply,
  type CodeRequest,
} from "@iono/core";
import { keyOf, ModuleCache } from "./module-cache.ts";
import { RelayConnection } from "./relay-connection.ts";

export interface CodeRelayOptions {
  /** Asks the `CodeServer` of a job's machine and gives what it answered, as it arrived. What it rejects with is told to the worker; it may also never settle. */
  ask(job: string, request: CodeRequest): Promise<unknown>;
  /** How long a worker waits for an answer. Default: the limit `moduleAnswer`. */
  readonly answerMs?: number;
  /** Most bytes kept of all jobs together. Default: the limit `moduleCache`. */
  readonly cacheBytes?: number;
}

interface Job {
  readonly cache: ModuleCache;
  /** Questions under way, by `keyOf`. */
  readonly asked: Map<string, Promise<CodeAnswer>>;
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

  /** Workers that are connected. */
  get connections(): number {
    return this.#connections.size;
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
      asked = this.#ask(jobId, request).then((answer) => {
        job.asked.delete(key);
        job.cache.keepAll(request, answer);
        this.#makeRoom(job);
        return answer;
      });
      job.asked.set(key, asked);
    }
    return (await asked).reply;
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

  #ask(job: string, request: CodeRequest): Promise<CodeAnswer> {
    const { answerMs } = this.#options;
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => resolve(failed(`no answer within ${formatDuration(answerMs)}`)),
        answerMs,
      );
      const settle = (answer: CodeAnswer): void => {
        clearTimeout(timer);
        resolve(answer);
      };
      try {
        this.#options.ask(job, request).then(
          (answer) =>
            settle(
              readCodeAnswer(answer) ?? alone(answer) ?? failed("what it answered cannot be understood"),
            ),
          (error: unknown) => settle(failed(error instanceof Error ? error.message : String(error))),
        );
      } catch (error) {
        settle(failed(error instanceof Error ? error.message : String(error)));
      }
    });
  }
}

/** A reply that brings nothing. */
function alone(value: unknown): CodeAnswer | undefined {
  const reply = readCodeReply(value);
  return reply === undefined ? undefined : { reply, modules: [], answers: [] };
}

function failed(message: string): CodeAnswer {
  return { reply: { t: "failed", message }, modules: [], answers: [] };
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
