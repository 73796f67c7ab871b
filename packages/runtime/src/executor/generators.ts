/** Runs a generator: its items go out one by one, never more than `backpressure` ahead of the consumer. */
import { IonoError } from "@iono/core";
import { taskStorage, type RunningTask } from "./task-context.ts";

type AnyIterator = Iterator<unknown> | AsyncIterator<unknown>;

/** Streams the items, or, for a fixed number of results, collects and returns them. */
export async function runGenerator(running: RunningTask, value: unknown, streams: boolean): Promise<unknown[] | null> {
  const iterator = iteratorOf(await value, running.definition.name);
  const items: unknown[] = [];
  const { backpressure } = running.definition;
  for (let index = 0; ; index++) {
    if (streams && index - running.consumed >= backpressure) await room(running, index - backpressure);
    if (running.cancelled) {
      await iterator.return?.();
      throw new IonoError("TaskCancelled", `${running.definition.name} was cancelled`);
    }
    const step = taskStorage.run(running, () => iterator.next());
    const { done, value: item } = step instanceof Promise ? await step : step;
    if (done === true) return streams ? null : items;
    if (!streams) {
      items.push(item);
      continue;
    }
    running.link.item(running.wire, index, running.attempt, item);
    running.link.flush();
    // A synchronous generator must not keep cancels and other calls waiting.
    if (!(step instanceof Promise)) await new Promise((resolve) => setImmediate(resolve));
  }
}

function room(running: RunningTask, needed: number): Promise<void> {
  return new Promise((resolve) => {
    running.onConsumed = () => {
      if (running.consumed <= needed && !running.cancelled) return;
      running.onConsumed = null;
      resolve();
    };
  });
}

function iteratorOf(value: unknown, name: string): AnyIterator {
  const object = value as { [Symbol.asyncIterator]?: () => AnyIterator; [Symbol.iterator]?: () => AnyIterator };
  const start = object?.[Symbol.asyncIterator] ?? object?.[Symbol.iterator];
  if (typeof start !== "function") throw new TypeError(`${name} was to return a generator, not ${typeof value}`);
  return start.call(object);
}
