/** Actors that the tests of actors use. */
import { setTimeout as sleep } from "node:timers/promises";
import { getActor, type ActorHandle } from "../../src/index.ts";
import { collectGarbage } from "../../src/objects/collect.ts";

/** Calls wait here until the test opens what they wait for. */
export class Gate {
  readonly #doors = new Map<string, PromiseWithResolvers<void>>();
  #waiting = new Map<string, number>();

  #door(name: string): PromiseWithResolvers<void> {
    let door = this.#doors.get(name);
    if (door === undefined) this.#doors.set(name, (door = Promise.withResolvers()));
    return door;
  }

  async wait(name: string): Promise<string> {
    this.#waiting.set(name, (this.#waiting.get(name) ?? 0) + 1);
    await this.#door(name).promise;
    return name;
  }

  async open(name: string): Promise<void> {
    this.#door(name).resolve();
  }

  /** How many calls of `wait(name)` there were. */
  async waits(name: string): Promise<number> {
    return this.#waiting.get(name) ?? 0;
  }
}
export type GateHandle = ActorHandle<typeof Gate>;

/** Keeps what it was told, in order. */
export class Log {
  readonly #lines: string[] = [];

  add(line: string): void {
    this.#lines.push(line);
  }

  addLength(bytes: Uint8Array): void {
    this.#lines.push(String(bytes.length));
  }

  all(): string[] {
    return this.#lines;
  }
}
export type LogHandle = ActorHandle<typeof Log>;

/** Resolves once the condition holds; the test's own time limit ends the wait. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10);
}

/** Collects garbage until the condition holds. */
export async function collectUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  await until(() => {
    collectGarbage();
    return condition();
  });
}

/** Whether a process with this id runs. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether an actor of that name lives. */
export async function isNamed(name: string): Promise<boolean> {
  return getActor(name).then(
    () => true,
    () => false,
  );
}
