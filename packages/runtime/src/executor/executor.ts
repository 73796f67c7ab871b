/**
 * The executor: runs the entries that owners send to this process, tasks one at a time, or the calls of one actor.
 *
 * A task that waits in `get` gives up its turn: further entries run in the same process (this process's own children
 * first), so that nesting costs neither deadlock nor a process a level.
 */
import {
  claim,
  frameKinds,
  IonoError,
  resultStatus,
  taskEntryHeaderBytes,
  taskFlags,
  wholeResult,
} from "@iono/core";
import type { Link } from "../links/link.ts";
import type { Owner } from "../owner/owner.ts";
import type { Payload } from "../owner/payload.ts";
import { ActorExit } from "./actor-exit.ts";
import { ArgumentReader } from "./arguments.ts";
import { cancelOnLink, cancelOrphans } from "./cancelling.ts";
import { Definitions } from "./definitions.ts";
import { ExecutorLink, type ExecutorDefinition } from "./executor-link.ts";
import { LinkTurns } from "./link-turns.ts";
import { ParkedCalls } from "./parked-calls.ts";
import { writeRefusal } from "./results.ts";
import { Runs, type RunHost } from "./runs.ts";
import { RunningTask, type ConcurrencyGroup } from "./task-context.ts";
import { cancelled, type ActorInstance } from "./user-code.ts";
import { WaitingTasks } from "./waiting-tasks.ts";

/** What the executor needs of its process. */
export interface ExecutorSurroundings {
  /** All tasks of this process wait (or no longer do): the agent may lend its CPU. */
  blocked(isBlocked: boolean): void;
  /** Code that arrived with a definition, by key. */
  learnDefinition(key: string, payload: Payload): void;
  /** A definition ran `maxCalls` times: this process ends after its results are out. */
  retire(reason: string): void;
  /** What runs next may use this many threads. */
  threads?(count: number): void;
}

const sliceMs = 2;
const shortUs = 500;
const drainMs = 1000;

export class Executor implements RunHost {
  readonly #owner: Owner;
  readonly #surroundings: ExecutorSurroundings;
  readonly #links = new LinkTurns();
  readonly #tasks: ConcurrencyGroup = { name: "tasks", limit: 1, running: 0 };
  readonly #waiting: WaitingTasks;
  readonly #runs: Runs;
  /** How many tasks are in the `running` of some link. */
  #registered = 0;
  #threads = 1;
  #pumpArmed = false;
  #pumping = false;
  #draining = false;
  /** Why this process ends once no task runs or waits in it; "" when it does not. */
  #retiring = "";
  #actor: ActorInstance | null = null;
  readonly #parked = new ParkedCalls();
  /** Entries are not begun while set: the actor's constructor runs. */
  #gate: Promise<void> | null = null;
  readonly #read: ArgumentReader;
  readonly #definitions: Definitions;
  /** Called when every task here waits: children that are queued in this process may run. */
  onAllWaiting: () => void = () => {};

  constructor(owner: Owner, surroundings: ExecutorSurroundings) {
    this.#owner = owner;
    this.#surroundings = surroundings;
    this.#read = new ArgumentReader(owner);
    this.#definitions = new Definitions(owner, (key, payload) => surroundings.learnDefinition(key, payload));
    this.#runs = new Runs(owner.codec, this);
    const executor = this;
    this.#waiting = new WaitingTasks({
      get hostsActor() {
        return executor.#actor !== null;
      },
      get computes() {
        return executor.#tasks.running > 0;
      },
      flush: () => this.#links.flush(),
      turnFreed: () => {
        this.#soon();
        queueMicrotask(this.onAllWaiting);
      },
      blocked: (isBlocked) => surroundings.blocked(isBlocked),
    });
  }

  /** Tasks and calls that have ended here. */
  runs = 0;

  /** Nothing is under way here. */
  get idle(): boolean {
    return this.#registered === 0 && this.#waiting.count === 0 && this.#tasks.running === 0;
  }

  /** Nothing computes here: a child of a waiting task may run by loopback. */
  get mayLoopBack(): boolean {
    return this.#actor === null && this.#tasks.running === 0 && this.#waiting.count > 0;
  }

  attach(ownerNumber: number, link: Link, page: ArrayBuffer | null, first = false): ExecutorLink {
    const attached = new ExecutorLink(ownerNumber, link, this.#owner.codec, page);
    this.#links.add(attached, first);
    return attached;
  }

  /** The owner's end is gone: what it wanted is dropped, what runs for it is cancelled. */
  detach(link: ExecutorLink): void {
    link.closed = true;
    this.#links.remove(link);
    cancelOrphans(
      this.#owner,
      link,
      this.#actor === null ? (reason) => this.#surroundings.retire(reason) : null,
    );
  }

  /** Frames of the executor's half of a link. False when the frame is for someone else. */
  frame(link: ExecutorLink, kind: number, chunk: Buffer, start: number, end: number): boolean {
    switch (kind) {
      case frameKinds.tasks:
        link.entries.push({ chunk, at: start, end });
        this.#soon();
        return true;
      case frameKinds.defineFunction:
        this.#definitions.define(link, chunk, start, end);
        return true;
      case frameKinds.dropFunction:
        this.#definitions.drop(link, chunk.readUInt32LE(start));
        return true;
      case frameKinds.cancel:
        cancelOnLink(
          this.#owner,
          link,
          chunk.readUInt32LE(start),
          chunk[start + 5],
          (chunk[start + 4] & 1) === 1,
        );
        this.#forgetLateCancels();
        return true;
      case frameKinds.streamConsumed:
        link.running.get(chunk.readUInt32LE(start))?.stream?.consumed(chunk.readUInt32LE(start + 4));
        return true;
      case frameKinds.resultReceived: {
        const item = chunk.readUInt32LE(start + 4);
        const wire = chunk.readUInt32LE(start);
        link.acknowledged(item === wholeResult ? `${wire}` : `${wire}:${item}`);
        return true;
      }
      default:
        return false;
    }
  }

  /** This process becomes an actor: calls go to `instance` once `constructed` has resolved. */
  become(instance: ActorInstance, constructed: Promise<void>): void {
    this.#actor = instance;
    this.#gate = constructed.finally(() => {
      this.#gate = null;
      this.#soon();
    });
  }

  /** The actor leaves: calls not begun fail, and the process ends when its results are out. */
  exitActor(): void {
    if (this.#actor === null) return;
    this.#actor.ended = new ActorExit();
    setImmediate(() => this.#surroundings.retire("exitActor() was called"));
  }

  get actor(): ActorInstance | null {
    return this.#actor;
  }

  /** Begins nothing further, sends every result, ends the links, then calls `done`. */
  drain(done: () => void): void {
    this.#draining = true;
    this.#links.flush();
    this.#links.close(done);
    setTimeout(done, drainMs).unref();
  }

  // the pump

  #soon(): void {
    if (this.#pumpArmed || this.#pumping) return;
    this.#pumpArmed = true;
    // Frames of one chunk arrive in one turn: begin after them, still before the next poll.
    queueMicrotask(this.#pump);
  }

  readonly #pump = (): void => {
    this.#pumpArmed = false;
    if (this.#gate !== null || this.#draining) return;
    this.#pumping = true;
    const began = performance.now();
    let now = began;
    let yields = false;
    while (this.#hasPlace() && !this.#draining) {
      if (this.#parked.count > 0 && this.#beginParked(now)) now = performance.now();
      else {
        // Before this process ends for `maxCalls`, it runs only what its own tasks wait for.
        const link = this.#links.next(this.#retiring !== "");
        if (link === null) break;
        now = this.#begin(link, now);
      }
      if (now - began > sliceMs) {
        yields = true;
        break;
      }
    }
    this.#pumping = false;
    this.#links.flush();
    this.#forgetLateCancels();
    if (yields) {
      this.#pumpArmed = true;
      setImmediate(this.#pump);
    } else if (this.#waiting.count > 0) this.#waiting.tellBlocked();
  };

  #hasPlace(): boolean {
    return this.#actor !== null || this.#tasks.running < 1;
  }

  /** Takes the next entry of a link and starts it. Returns the time (ms) after that. */
  #begin(link: ExecutorLink, now: number): number {
    const range = link.entries.peek();
    if (range === undefined) return now;
    const { chunk, at } = range;
    const length = chunk.readUInt32LE(at + 12);
    range.at = at + taskEntryHeaderBytes + length;
    if (range.at >= range.end) link.entries.shift();
    const slot = chunk.readUInt16LE(at + 10);
    if (!link.claim(slot)) return now;
    const definition = link.definitions.get(chunk.readUInt32LE(at + 4));
    if (definition === undefined) {
      const error = new IonoError("Internal", "a call of a function that was not defined arrived");
      writeRefusal(link, chunk.readUInt32LE(at), slot, chunk[at + 9], "unknown", error);
      this.#links.flushSoon();
      return now;
    }
    if (this.#actor !== null) return this.#beginCall(this.#actor, link, definition, chunk, at, now);
    return this.#start(link, definition, this.#tasks, chunk, at, now);
  }

  /** A call of the actor: runs now, or waits for a place in its group, behind those that wait already. */
  #beginCall(
    actor: ActorInstance,
    link: ExecutorLink,
    definition: ExecutorDefinition,
    chunk: Buffer,
    at: number,
    now: number,
  ): number {
    const group = actor.groupOf(definition.method ?? "", definition.group);
    if (this.#parked.mayPass(group)) return this.#start(link, definition, group, chunk, at, now);
    this.#parked.park(group, { link, chunk, at });
    link.mark(chunk.readUInt16LE(at + 10), claim.queued);
    return now;
  }

  /** Starts a parked call whose group has a place; false when there is none. */
  #beginParked(now: number): boolean {
    const group = this.#parked.groupWithPlace();
    const call = group === null ? undefined : this.#parked.take(group);
    if (group === null || call === undefined) return false;
    const { link, chunk, at } = call;
    if (link.closed || !link.claim(chunk.readUInt16LE(at + 10))) return true;
    const definition = link.definitions.get(chunk.readUInt32LE(at + 4));
    if (definition !== undefined) this.#start(link, definition, group, chunk, at, now);
    return true;
  }

  #start(
    link: ExecutorLink,
    definition: ExecutorDefinition,
    group: ConcurrencyGroup,
    chunk: Buffer,
    at: number,
    now: number,
  ): number {
    const wire = chunk.readUInt32LE(at);
    const flags = chunk[at + 8];
    const attempt = chunk[at + 9];
    const slot = chunk.readUInt16LE(at + 10);
    const from = at + taskEntryHeaderBytes;
    const end = from + chunk.readUInt32LE(at + 12);
    if ((flags & taskFlags.skip) !== 0) {
      link.mark(slot, claim.done);
      link.result(wire, resultStatus.skipped, attempt, 0, undefined, []);
      return now;
    }
    if (link.cancels.size > 0 && link.cancels.handle({ type: "begin", wire, attempt }).length > 0) {
      writeRefusal(link, wire, slot, attempt, definition.name, cancelled(definition.name));
      this.#links.flushSoon();
      return now;
    }
    if (definition.threads !== this.#threads) {
      this.#threads = definition.threads;
      this.#surroundings.threads?.(definition.threads);
    }
    // What is not known to be short must not hold finished results back.
    if (definition.meanUs < 0 || definition.meanUs > shortUs) this.#links.flush();
    const running = new RunningTask(this, link, definition, wire, attempt, slot, group, now);
    group.running++;
    if ((flags & taskFlags.composite) !== 0 || definition.fn === null || definition.loading !== null) {
      this.register(running);
      const args =
        (flags & taskFlags.composite) !== 0
          ? this.#read.composite(chunk, from, end, (interrupt) => this.wait(running, interrupt))
          : this.#read.late(this.#definitions.load(definition), chunk, from, end);
      // Calls of one caller start in order, also when one has to read its arguments first.
      if (this.#actor !== null) link.starting++;
      void this.#runs.callLater(running, (flags & taskFlags.stream) !== 0, args);
      return now;
    }
    let args: unknown[];
    try {
      args = this.#read.plain(chunk, from, end);
    } catch (error) {
      this.#runs.fail(running, error);
      return now;
    }
    return this.#runs.call(running, (flags & taskFlags.stream) !== 0, args);
  }

  register(running: RunningTask): void {
    if (running.link.running.get(running.wire) === running) return;
    running.link.running.set(running.wire, running);
    this.#registered++;
  }

  begins({ link }: RunningTask): void {
    if (this.#actor === null) return;
    link.starting--;
    this.#soon();
  }

  // finishing

  ended(running: RunningTask, durationUs: number): void {
    running.ended = true;
    this.runs++;
    const { definition, group } = running;
    if (running.waits === 0) group.running--;
    else this.#waiting.endedWaiting(running);
    if (this.#registered > 0 && running.link.running.get(running.wire) === running) {
      running.link.running.delete(running.wire);
      this.#registered--;
    }
    const mean = definition.meanUs;
    definition.meanUs = mean < 0 ? durationUs : mean + (durationUs - mean) * (durationUs > mean ? 0.3 : 0.05);
    definition.calls++;
    if (definition.maxCalls > 0 && definition.calls >= definition.maxCalls) {
      this.#retiring = `${definition.name} ran ${definition.calls} times (maxCalls)`;
    }
    if (this.#retiring !== "") this.#retireIfIdle();
    if (this.#pumping) return;
    // An asynchronous task ended outside the pump.
    if (this.#registered === 0 || group.limit === 1) this.#links.flush();
    else this.#links.flushSoon();
    this.#soon();
  }

  #retireIfIdle(): void {
    if (this.#waiting.count > 0 || this.#tasks.running > 0 || this.#draining) return;
    this.#links.flush();
    this.#surroundings.retire(this.#retiring);
  }

  // waiting in get

  /**
   * The running task begins to wait; the result ends that.
   * @param interrupt called when the task is cancelled meanwhile
   */
  wait(running: RunningTask, interrupt: ((reason: Error) => void) | null): (() => void) | null {
    return this.#waiting.begin(running, interrupt);
  }

  #forgetLateCancels(): void {
    if (this.#parked.count === 0) this.#links.forgetLateCancels();
  }
}
