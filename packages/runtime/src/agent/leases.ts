/** The lease machine of this node, its ticks, and what it says as calls. */
import {
  LeaseMachine,
  leaseTickMs,
  type LeaseEvent,
  type LeaseInstruction,
  type LeaseSettings,
} from "@iono/core";

export class NodeLeases {
  readonly machine: LeaseMachine;
  readonly #perform: (instruction: LeaseInstruction) => void;
  #isTicking = false;

  constructor(settings: LeaseSettings, perform: (instruction: LeaseInstruction) => void) {
    this.machine = new LeaseMachine(settings);
    this.#perform = perform;
  }

  start(workers: number): void {
    for (const instruction of this.machine.start(workers)) this.#perform(instruction);
  }

  handle(event: LeaseEvent): void {
    for (const instruction of this.machine.handle(event)) this.#perform(instruction);
    if (!this.machine.wantsTicks || this.#isTicking) return;
    this.#isTicking = true;
    setTimeout(this.#tick, leaseTickMs);
  }

  readonly #tick = (): void => {
    this.#isTicking = false;
    this.handle({ type: "tick" });
  };
}
