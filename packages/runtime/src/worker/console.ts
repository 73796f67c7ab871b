/**
 * What tasks print goes to the driver's terminal, in order, with the task's name. Whole lines travel; what
 * has no end of line follows when the code that wrote it has returned.
 */
import type { AgentLink } from "../member/agent-link.ts";
import { taskStorage } from "../executor/task-context.ts";

/** Output that the agent has not taken yet; more than this is dropped, and said so (I6). */
const mostQueuedBytes = 16 * 1024 * 1024;

class ForwardedStream {
  readonly #agent: AgentLink;
  readonly #stream: "stdout" | "stderr";
  readonly #decoder = new TextDecoder();
  #text = "";
  /** The task that wrote it. */
  #label = "";
  #armed = false;
  #sinceMs = 0;
  #sent = 0;
  #droppedChars = 0;

  constructor(agent: AgentLink, stream: "stdout" | "stderr") {
    this.#agent = agent;
    this.#stream = stream;
  }

  write(chunk: string | Uint8Array): void {
    const label = taskStorage.getStore()?.definition.name ?? "worker";
    if (label !== this.#label) this.flush();
    this.#label = label;
    this.#text += typeof chunk === "string" ? chunk : this.#decoder.decode(chunk, { stream: true });
    if (this.#text.length > pieceChars || this.#isLive()) this.#sendLines();
    if (this.#armed) return;
    this.#armed = true;
    queueMicrotask(() => {
      this.#armed = false;
      this.flush();
    });
  }

  /** Lines that come now and then are shown at once, also while their task computes; a flood travels in pieces. */
  #isLive(): boolean {
    const now = performance.now();
    if (now - this.#sinceMs > burstMs) {
      this.#sinceMs = now;
      this.#sent = 0;
    }
    return this.#text.endsWith("\n") && ++this.#sent <= burstLines;
  }

  flush(): void {
    const text = this.#text;
    this.#text = "";
    if (text !== "") this.#send(text);
  }

  /** Sends the whole lines there are: a long piece is not cut within one. */
  #sendLines(): void {
    const end = this.#text.lastIndexOf("\n") + 1 || this.#text.length;
    const rest = this.#text.slice(end);
    this.#send(this.#text.slice(0, end));
    this.#text = rest;
  }

  #send(text: string): void {
    if (this.#agent.queuedBytes > mostQueuedBytes) {
      this.#droppedChars += text.length;
      return;
    }
    if (this.#droppedChars > 0) {
      this.#notify(
        `… ${this.#droppedChars} characters of output were dropped: more was printed than could be passed on\n`,
      );
      this.#droppedChars = 0;
    }
    this.#notify(text);
  }

  #notify(text: string): void {
    this.#agent.notify({ t: "log", stream: this.#stream, label: this.#label, text });
  }
}

const burstMs = 20;
const burstLines = 32;
/** More than this does not wait for the code to return. */
const pieceChars = 16 * 1024;

/** Forwards what this process prints; the result sends what is still here. */
export function forwardOutput(agent: AgentLink): () => void {
  const streams: ForwardedStream[] = [];
  for (const name of ["stdout", "stderr"] as const) {
    const stream = new ForwardedStream(agent, name);
    streams.push(stream);
    const write = (chunk: string | Uint8Array, encoding?: unknown, callback?: unknown): boolean => {
      stream.write(chunk);
      const done = typeof encoding === "function" ? encoding : callback;
      if (typeof done === "function") queueMicrotask(() => done());
      return true;
    };
    process[name].write = write;
  }
  const flush = (): void => {
    for (const stream of streams) stream.flush();
  };
  process.on("exit", flush);
  return flush;
}
