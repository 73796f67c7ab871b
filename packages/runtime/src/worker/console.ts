/**
 * What tasks print goes to the driver's terminal, in order, with the task's name: written before the task's result is.
 * Whole lines travel; what has no end of line follows when the code that wrote it has returned.
 */
import type { AgentLink } from "../member/agent-link.ts";
import { taskStorage } from "../executor/task-context.ts";

/** Output that the agent has not taken yet; more than this is dropped, and said so (I6). */
const mostQueuedBytes = 16 * 1024 * 1024;

class ForwardedStream {
  readonly #agent: AgentLink;
  readonly #stream: "stdout" | "stderr";
  readonly #decoder = new TextDecoder();
  #partial = "";
  /** The task that wrote the partial line. */
  #label = "";
  #armed = false;
  #droppedChars = 0;

  constructor(agent: AgentLink, stream: "stdout" | "stderr") {
    this.#agent = agent;
    this.#stream = stream;
  }

  write(chunk: string | Uint8Array): void {
    const label = taskStorage.getStore()?.definition.name ?? "worker";
    if (this.#partial !== "" && label !== this.#label) this.flush();
    this.#label = label;
    const text = this.#partial + (typeof chunk === "string" ? chunk : this.#decoder.decode(chunk, { stream: true }));
    const end = text.lastIndexOf("\n") + 1;
    if (end > 0) this.#send(text.slice(0, end));
    this.#partial = text.slice(end);
    if (this.#partial.length > longestPartial) this.flush();
    if (this.#partial === "" || this.#armed) return;
    this.#armed = true;
    queueMicrotask(() => {
      this.#armed = false;
      this.flush();
    });
  }

  /** Sends a line that was not ended. */
  flush(): void {
    if (this.#partial === "") return;
    const text = this.#partial;
    this.#partial = "";
    this.#send(text);
  }

  #send(text: string): void {
    if (this.#agent.queuedBytes > mostQueuedBytes) {
      this.#droppedChars += text.length;
      return;
    }
    if (this.#droppedChars > 0) {
      this.#notify(`… ${this.#droppedChars} characters of output were dropped: more was printed than could be passed on\n`);
      this.#droppedChars = 0;
    }
    this.#notify(text);
  }

  #notify(text: string): void {
    this.#agent.notify({ t: "log", stream: this.#stream, label: this.#label, text });
  }
}

const longestPartial = 16 * 1024;

export function forwardOutput(agent: AgentLink): void {
  for (const name of ["stdout", "stderr"] as const) {
    const stream = new ForwardedStream(agent, name);
    const write = (chunk: string | Uint8Array, encoding?: unknown, callback?: unknown): boolean => {
      stream.write(chunk);
      const done = typeof encoding === "function" ? encoding : callback;
      if (typeof done === "function") queueMicrotask(() => done());
      return true;
    };
    process[name].write = write as typeof process.stdout.write;
    process.on("exit", () => stream.flush());
  }
}
