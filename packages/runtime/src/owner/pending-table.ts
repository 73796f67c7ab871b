/**
 * The ring of pending tasks, by sequence number. On the wire a sequence travels as u32, so two pending tasks never share
 * a slot: a sequence whose slot is taken is skipped, and the ring doubles before it is half full.
 */
import { IonoError, limits } from "@iono/core";
import type { Task } from "./task.ts";

export class PendingTable {
  #slots: Array<Task | undefined> = new Array<Task | undefined>(1024).fill(undefined);
  #mask = 1023;
  #count = 0;
  #next = 1;

  get size(): number {
    return this.#count;
  }

  /** Takes `count` consecutive sequences, the first of which may be entered into the table. */
  allocate(count = 1): number {
    if (this.#count * 2 >= this.#mask) this.#grow();
    while (this.#slots[this.#next & this.#mask] !== undefined) this.#next++;
    const sequence = this.#next;
    this.#next += count;
    return sequence;
  }

  add(sequence: number, task: Task): void {
    this.#slots[sequence & this.#mask] = task;
    this.#count++;
  }

  /** The pending task whose sequence is `wire` modulo 2^32. */
  find(wire: number): Task | undefined {
    const task = this.#slots[wire & this.#mask];
    return task !== undefined && task.wire === wire ? task : undefined;
  }

  /** False when it is not there (any more). */
  remove(task: Task): boolean {
    const at = task.wire & this.#mask;
    if (this.#slots[at] !== task) return false;
    this.#slots[at] = undefined;
    this.#count--;
    return true;
  }

  *[Symbol.iterator](): Iterator<Task> {
    for (const task of this.#slots) if (task !== undefined) yield task;
  }

  #grow(): void {
    if (this.#count >= limits.pendingTasks.value) {
      throw new IonoError(
        "TooManyPending",
        `${this.#count} tasks are pending; at most ${limits.pendingTasks.value} may be: await some refs first`,
      );
    }
    const slots = new Array<Task | undefined>((this.#mask + 1) * 2).fill(undefined);
    const mask = slots.length - 1;
    for (const task of this.#slots) if (task !== undefined) slots[task.wire & mask] = task;
    this.#slots = slots;
    this.#mask = mask;
  }
}
