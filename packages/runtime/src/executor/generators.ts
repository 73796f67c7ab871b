/** Runs a generator: its items go out one by one. Core's StreamProducer says when to pull, send, wait and close. */
import { IonoError, limits, StreamProducer, type ProducerEvent, type ProducerInstruction } from "@iono/core";
import { taskStorage, type RunningTask } from "./task-context.ts";

type AnyIterator = Iterator<unknown> | AsyncIterator<unknown>;

export class RunningStream {
  readonly #running: RunningTask;
  readonly #producer: StreamProducer;
  /** Set while the generator waits for its reader. */
  #resume: ((next: ProducerInstruction) => void) | null = null;
  /** How it goes on, said before it had begun to wait. */
  #early: ProducerInstruction | null = null;

  constructor(running: RunningTask) {
    this.#running = running;
    this.#producer = new StreamProducer(running.definition.backpressure);
  }

  /** The reader has taken `count` items. */
  consumed(count: number): void {
    this.#handle({ type: "consumed", count });
  }

  cancel(): void {
    this.#handle({ type: "cancel" });
  }

  /** Runs the generator to its end; resolves with the number of items. Rejects with what it throws. */
  async run(value: unknown): Promise<number> {
    const running = this.#running;
    const iterator = iteratorOf(await value, running.definition.name);
    let isOpen = true;
    try {
      let [next] = this.#producer.handle({ type: "begin" });
      for (;;) {
        if (next.type === "wait") next = await this.#room();
        else if (next.type === "close")
          throw new IonoError("TaskCancelled", `${running.definition.name} was cancelled`);
        else {
          const step = taskStorage.run(running, nextOf, iterator);
          const { done, value: item } = isThenable(step) ? await step : step;
          if (done === true) {
            isOpen = false;
            return countOf(this.#producer.handle({ type: "returned" }));
          }
          next = this.#produced(isThenable(item) ? await item : item);
          // A synchronous generator must not keep cancels and other calls waiting.
          if (!isThenable(step)) await new Promise((resolve) => setImmediate(resolve));
        }
      }
    } catch (error) {
      if (isOpen) await closeQuietly(running, iterator);
      throw error;
    }
  }

  #produced(item: unknown): ProducerInstruction {
    const { link, wire, attempt, definition } = this.#running;
    let next: ProducerInstruction = { type: "close" };
    for (const instruction of this.#producer.handle({ type: "produced" })) {
      if (instruction.type !== "send") next = instruction;
      else if (instruction.index >= limits.streamItems.value) {
        throw new IonoError(
          "TaskFailed",
          `${definition.name} gave more than ${limits.streamItems.value} items`,
        );
      } else {
        link.item(wire, instruction.index, attempt, item);
        link.flush();
      }
    }
    return next;
  }

  /** The reader is behind: others may run here until it has taken some. */
  async #room(): Promise<ProducerInstruction> {
    const running = this.#running;
    if (this.#early !== null) {
      const early = this.#early;
      this.#early = null;
      return early;
    }
    const resumed = running.executor.wait(running, null);
    const next = await new Promise<ProducerInstruction>((resolve) => {
      this.#resume = resolve;
    });
    this.#resume = null;
    resumed?.();
    return next;
  }

  #handle(event: ProducerEvent): void {
    const [next] = this.#producer.handle(event);
    if (next === undefined) return;
    if (this.#resume === null) this.#early = next;
    else this.#resume(next);
  }
}

/** What the generator throws while it cleans up does not hide why it had to. */
async function closeQuietly(running: RunningTask, iterator: AnyIterator): Promise<void> {
  try {
    await taskStorage.run(running, () => iterator.return?.());
  } catch (error) {
    process.emitWarning(
      `${running.definition.name} threw while it was closed: ${String(error)}`,
      "IonoWarning",
    );
  }
}

function nextOf(iterator: AnyIterator): IteratorResult<unknown> | Promise<IteratorResult<unknown>> {
  return iterator.next();
}

function countOf(instructions: readonly ProducerInstruction[]): number {
  for (const each of instructions) if (each.type === "end") return each.count;
  return 0;
}

function isThenable<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return (
    value !== null && typeof value === "object" && typeof (value as { then?: unknown }).then === "function"
  );
}

function iteratorOf(value: unknown, name: string): AnyIterator {
  const object = value as {
    [Symbol.asyncIterator]?: () => AnyIterator;
    [Symbol.iterator]?: () => AnyIterator;
  };
  const start = object?.[Symbol.asyncIterator] ?? object?.[Symbol.iterator];
  if (typeof start !== "function")
    throw new TypeError(`${name} was to return a generator, not ${typeof value}`);
  return start.call(object);
}
