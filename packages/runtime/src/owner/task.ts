/** A task as its owner keeps it until its result is in. */
import type { TaskCancellation } from "@iono/core";
import type { Definition } from "./definition.ts";
import type { Ref, Waiter } from "./object-ref.ts";
import type { StreamState } from "./stream.ts";
import type { Sender } from "./sender.ts";

/** Where queued tasks of one kind wait for a place to run: a lease pool, or an actor. */
export interface Destination {
  /** A task whose dependencies are settled. */
  enqueue(task: Task): void;
  /** Removes a task that waits here; false when it does not. */
  withdraw(task: Task): boolean;
  /** The task's arguments are settled and encoded (actors wait for them in call order). */
  ready(task: Task): void;
  /** The task is over, however it ended. */
  finished(task: Task): void;
  /** Where a task rather goes whose data are on another node; absent where all is one. */
  near?(node: number): Destination;
}

export class Task implements Waiter {
  readonly wire: number;
  readonly ref: Ref;
  readonly definition: Definition;
  /** Another one once it is known where its data are. */
  destination: Destination;
  /** All refs when the task returns several values. */
  refs: Ref[] | null = null;
  stream: StreamState | null = null;
  /** Encoded arguments: `bytes` from `at` to `at + length`. */
  bytes: Uint8Array;
  at: number;
  length: number;
  argumentCount: number;
  flags = 0;
  attempt = 0;
  /** How often it may still be run again after its worker died; Infinity for -1. */
  retriesLeft: number;
  /** Where it was sent, its index in that link's claim ring and the time it is thought to need. */
  sender: Sender | null = null;
  index = 0;
  estimateUs = 0;
  /** Its row in the queue of its actor; -1 outside of one. */
  call = -1;
  /** Refs that must be settled before it can be sent. */
  unsettled = 0;
  /** The arguments as given, while some are refs that are not settled; then what must live until the reply. */
  held: unknown[] | null = null;
  /** Set once somebody has cancelled it. */
  cancellation: TaskCancellation | null = null;
  /** Workers that ended while it had not begun or only waited. */
  bystanderLosses = 0;
  /** It runs and waits in `get`. */
  blocked = false;
  /** Waits in the queue of its destination. */
  queued = false;
  /** The first dependency that failed. */
  failedDependency: Ref | null = null;
  timer: NodeJS.Timeout | null = null;
  /** The running task of this process that submitted it: children are cancelled with their parent. */
  parent: object | null = null;

  constructor(
    sequence: number,
    ref: Ref,
    definition: Definition,
    destination: Destination,
    bytes: Uint8Array,
    at: number,
    length: number,
    argumentCount: number,
  ) {
    this.wire = sequence >>> 0;
    this.ref = ref;
    this.definition = definition;
    this.destination = destination;
    this.bytes = bytes;
    this.at = at;
    this.length = length;
    this.argumentCount = argumentCount;
    this.retriesLeft = definition.retries;
  }

  get cancelled(): boolean {
    return this.cancellation !== null;
  }

  settled(ref: Ref): void {
    this.definition.owner.dependencySettled(this, ref);
  }
}
