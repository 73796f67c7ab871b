/** Says once what a `get` has waited for when it waits for very long. */
import { formatDuration, limits } from "@iono/core";
import type { WaitingGet } from "../owner/get.ts";
import { refState } from "../owner/object-ref.ts";

const maxWatched = 1000;
const lookMs = limits.getWarning.value / 4;

export class OverdueGets {
  readonly #waits = new Map<WaitingGet, number>();
  #timer: NodeJS.Timeout | null = null;

  watch(wait: WaitingGet): void {
    if (this.#waits.size >= maxWatched) return;
    this.#waits.set(wait, performance.now());
    if (this.#timer === null) this.#timer = setTimeout(() => this.#look(), lookMs).unref();
  }

  #look(): void {
    this.#timer = null;
    const now = performance.now();
    for (const [wait, since] of this.#waits) {
      if (!wait.done && now - since < limits.getWarning.value) continue;
      this.#waits.delete(wait);
      if (!wait.done) warn(wait, now - since);
    }
    if (this.#waits.size > 0) this.#timer = setTimeout(() => this.#look(), lookMs).unref();
  }
}

function warn(wait: WaitingGet, waitedMs: number): void {
  const pending = wait.refs.filter((ref) => ref.state === refState.pending);
  const names = pending.slice(0, 3).map((ref) => ref.id);
  if (pending.length > 3) names.push("…");
  process.emitWarning(
    `a get has waited ${formatDuration(Math.round(waitedMs))} for ${pending.length} of ${wait.refs.length} refs (${names.join(", ")})`,
    "IonoWarning",
  );
}
