/** Questions of this agent to others, and its answers to theirs. Every question settles: with its answer, or an error. */
import { IonoError, type ErrorCode, type NodeMessage } from "@iono/core";

type Without<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
export type NodeRequest = Without<
  Extract<NodeMessage, { t: "address" | "death reason" | "job" | "flush logs" | "code" | "status" }>,
  "id"
>;

interface Waiting {
  readonly node: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: IonoError) => void;
  readonly timer: NodeJS.Timeout;
}

const defaultMs = 30_000;

export class Requests {
  readonly #send: (node: number, message: NodeMessage) => void;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  constructor(send: (node: number, message: NodeMessage) => void) {
    this.#send = send;
  }

  ask<T>(node: number, request: NodeRequest, timeoutMs = defaultMs): Promise<T> {
    const id = this.#next++;
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(
          new IonoError(
            "Unreachable",
            `node ${node} did not answer "${request.t}" within ${timeoutMs / 1000} s`,
          ),
        );
      }, timeoutMs);
      timer.unref();
      // The asker knows what the answer is.
      this.#waiting.set(id, { node, resolve: resolve as (value: unknown) => void, reject, timer });
      this.#send(node, { ...request, id });
    });
  }

  answered(id: number, value: unknown, error: { code: ErrorCode; message: string } | undefined): void {
    const waiting = this.#take(id);
    if (waiting === undefined) return;
    if (error === undefined) waiting.resolve(value);
    else waiting.reject(new IonoError(error.code, error.message));
  }

  /** Sends what is answered, or why there is no answer. */
  async answerWith(node: number, id: number, answer: Promise<unknown>): Promise<void> {
    try {
      this.#send(node, { t: "answer", id, value: await answer });
    } catch (thrown) {
      const error = thrown instanceof IonoError ? thrown : new IonoError("Internal", String(thrown));
      this.#send(node, { t: "answer", id, value: null, error: { code: error.code, message: error.message } });
    }
  }

  nodeLost(node: number, reason: string): void {
    for (const [id, waiting] of this.#waiting)
      if (waiting.node === node) this.#take(id)?.reject(new IonoError("NodeDied", reason));
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    return waiting;
  }
}
