/**
 * The executor: runs the entries that owners send to this process, tasks one at a time, or the calls of one actor.
 *
 * A task that waits in `get` gives up its turn: further entries run in the same process (this process's own children
 * first), so that nesting costs neither deadlock nor a process a level.
 */
import { claim, frameKinds, IonoError, limits, resultStatus, taskEntryHeaderBytes, taskFlags, wholeResult } from "@iono/core";
import type { Link } from "../links/link.ts";
import { Deque } from "../owner/deque.ts";
import type { Owner } from "../owner/owner.ts";
import type { Payload } from "../owner/payload.ts";
import { ActorExit } from "./actor-exit.ts";
import { ArgumentReader } from "./arguments.ts";
import { Definitions } from "./definitions.ts";
import { ExecutorLink, type ExecutorDefinition } from "./executor-link.ts";
import { originOf } from "./failures.ts";
import { RunningStream } from "./generators.ts";
import { writeEnd, writeError, writeOne, writeSeveral } from "./results.ts";
import { RunningTask, taskStorage, type ConcurrencyGroup } from "./task-context.ts";
import { cancelled, isThenable, runUserCode, type ActorInstance } from "./user-code.ts";

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

/** An entry taken off its link that waits for a place in its group. */
interface ParkedEntry {
  readonly link: ExecutorLink;
  readonly chunk: Buffer;
  readonly at: number;
}

const sliceMs = 2;
const shortUs = 500;
const drainMs = 1000;

export class Executor {
  readonly #owner: Owner;
  readonly #surroundings: ExecutorSurroundings;
  readonly #links: ExecutorLink[] = [];
  #turn = 0;
  readonly #tasks: ConcurrencyGroup = { name: "tasks", limit: 1, running: 0 };
  /** Tasks that wait in `get`. */
  #waiting = 0;
  /** How many tasks are in the `running` of some link. */
  #registered = 0;
  #threads = 1;
  #pumpArmed = false;
  #pumping = false;
  #flushArmed = false;
  #saidBlocked = false;
  #actor: ActorInstance | null = null;
  /** Calls of an actor whose group is full, by group, and how many they are. */
  readonly #parked = new Map<ConcurrencyGroup, Deque<ParkedEntry>>();
  #parkedCount = 0;
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
  }

  /** Tasks and calls that have ended here. */
  runs = 0;

  /** Nothing is under way here. */
  get idle(): boolean {
    return this.#registered === 0 && this.#waiting === 0 && this.#tasks.running === 0;
  }

  /** Nothing computes here: a child of a waiting task may run by loopback. */
  get mayLoopBack(): boolean {
    return this.#actor === null && this.#tasks.running === 0 && this.#waiting > 0;
  }

  attach(ownerNumber: number, link: Link, page: ArrayBuffer | null, first = false): ExecutorLink {
    const attached = new ExecutorLink(ownerNumber, link, this.#owner.codec, page);
    if (first) this.#links.unshift(attached);
    else this.#links.push(attached);
    return attached;
  }

  /** The owner's end is gone: what it wanted is dropped, what runs for it is cancelled. */
  detach(link: ExecutorLink): void {
    link.closed = true;
    const at = this.#links.indexOf(link);
    if (at >= 0) this.#links.splice(at, 1);
    const orphans = [...link.running.values()];
    for (const running of orphans) this.#abort(running, new IonoError("OwnerDied", "the owner of this task ended"), true);
    if (orphans.length === 0 || this.#actor !== null) return;
    // Nobody is left who would replace a worker whose task does not end.
    setTimeout(() => {
      if (orphans.some((running) => !running.ended)) this.#surroundings.retire("a task of an owner that had ended did not end in its grace");
    }, limits.cancelGrace.value).unref();
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
        link.definitions.delete(chunk.readUInt32LE(start));
        return true;
      case frameKinds.cancel:
        this.#cancel(link, chunk.readUInt32LE(start), chunk[start + 5], (chunk[start + 4] & 1) === 1);
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
    this.#flush();
    let open = this.#links.length;
    const closed = (): void => {
      if (--open <= 0) done();
    };
    if (open === 0) done();
    for (const { link } of [...this.#links]) {
      if (link.isLoopback) closed();
      else {
        link.listen({ frame() {}, closed });
        link.close();
      }
    }
    setTimeout(done, drainMs).unref();
  }

  #draining = false;

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
      if (this.#parkedCount > 0 && this.#beginParked(now)) now = performance.now();
      else {
        const link = this.#nextLink();
        if (link === null) break;
        now = this.#begin(link, now);
      }
      if (now - began > sliceMs) {
        yields = true;
        break;
      }
    }
    this.#pumping = false;
    this.#flush();
    this.#forgetLateCancels();
    if (yields) {
      this.#pumpArmed = true;
      setImmediate(this.#pump);
    } else if (this.#waiting > 0) this.#tellBlocked();
  };

  #hasPlace(): boolean {
    return this.#actor !== null || this.#tasks.running < 1;
  }

  /** The next link with an entry: round robin, the loopback (first) before all others. */
  #nextLink(): ExecutorLink | null {
    const links = this.#links;
    // Before this process ends for `maxCalls`, it runs only what its own tasks wait for.
    const count = this.#retiring === "" ? links.length : Math.min(links.length, 1);
    if (count === 1 && this.#retiring !== "" && !links[0].link.isLoopback) return null;
    if (count === 1) return links[0].entries.length > 0 && links[0].starting === 0 ? links[0] : null;
    if (count > 0 && links[0].link.isLoopback && links[0].entries.length > 0) return links[0];
    for (let i = 0; i < count; i++) {
      this.#turn = this.#turn + 1 >= count ? 0 : this.#turn + 1;
      const link = links[this.#turn];
      if (link.entries.length > 0 && link.starting === 0) return link;
    }
    return null;
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
      this.#refuse(link, chunk.readUInt32LE(at), slot, chunk[at + 9], resultStatus.error, "unknown", error);
      return now;
    }
    if (this.#actor !== null) return this.#beginCall(this.#actor, link, definition, chunk, at, now);
    return this.#start(link, definition, this.#tasks, chunk, at, now);
  }

  /** A call of the actor: runs now, or waits for a place in its group, behind those that wait already. */
  #beginCall(actor: ActorInstance, link: ExecutorLink, definition: ExecutorDefinition, chunk: Buffer, at: number, now: number): number {
    const group = actor.groupOf(definition.method ?? "", definition.group);
    let parked = this.#parkedCount > 0 ? this.#parked.get(group) : undefined;
    if (group.running < group.limit && (parked === undefined || parked.length === 0)) {
      return this.#start(link, definition, group, chunk, at, now);
    }
    parked ??= this.#parked.get(group);
    if (parked === undefined) this.#parked.set(group, (parked = new Deque()));
    parked.push({ link, chunk, at });
    this.#parkedCount++;
    link.mark(chunk.readUInt16LE(at + 10), claim.queued);
    return now;
  }

  /** Starts a parked call whose group has a place; false when there is none. */
  #beginParked(now: number): boolean {
    for (const [group, parked] of this.#parked) {
      if (group.running >= group.limit) continue;
      const entry = parked.peek();
      if (entry === undefined || entry.link.starting > 0) continue;
      parked.shift();
      this.#parkedCount--;
      const { link, chunk, at } = entry;
      if (link.closed || !link.claim(chunk.readUInt16LE(at + 10))) return true;
      const definition = link.definitions.get(chunk.readUInt32LE(at + 4));
      if (definition !== undefined) this.#start(link, definition, group, chunk, at, now);
      return true;
    }
    return false;
  }

  #start(link: ExecutorLink, definition: ExecutorDefinition, group: ConcurrencyGroup, chunk: Buffer, at: number, now: number): number {
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
      this.#refuse(link, wire, slot, attempt, resultStatus.cancelled, definition.name, cancelled(definition.name));
      return now;
    }
    if (definition.threads !== this.#threads) {
      this.#threads = definition.threads;
      this.#surroundings.threads?.(definition.threads);
    }
    // What is not known to be short must not hold finished results back.
    if (definition.meanUs < 0 || definition.meanUs > shortUs) this.#flush();
    const running = new RunningTask(this, link, definition, wire, attempt, slot, group, now);
    group.running++;
    if ((flags & taskFlags.composite) !== 0 || definition.fn === null || definition.loading !== null) {
      this.#register(running);
      const args = (flags & taskFlags.composite) !== 0 ? this.#read.composite(chunk, from, end) : this.#lateArguments(definition, chunk, from, end);
      // Calls of one caller start in order, also when one has to read its arguments first.
      if (this.#actor !== null) link.starting++;
      void this.#startLater(running, flags, args);
      return now;
    }
    let args: unknown[];
    try {
      args = this.#read.plain(chunk, from, end);
    } catch (error) {
      this.#finishError(running, error);
      return now;
    }
    return this.#call(running, flags, args);
  }

  async #lateArguments(definition: ExecutorDefinition, chunk: Buffer, from: number, end: number): Promise<unknown[]> {
    await this.#definitions.load(definition);
    return this.#read.plain(chunk, from, end);
  }

  #register(running: RunningTask): void {
    if (running.link.running.get(running.wire) === running) return;
    running.link.running.set(running.wire, running);
    this.#registered++;
  }

  async #startLater(running: RunningTask, flags: number, pending: Promise<unknown[]>): Promise<void> {
    let args: unknown[];
    try {
      args = await pending;
      if (running.definition.loading !== null) await running.definition.loading;
    } catch (error) {
      this.#started(running);
      this.#finishError(running, error);
      return;
    }
    this.#started(running);
    if (running.cancelled) {
      this.#finishError(running, cancelled(running.definition.name));
      return;
    }
    running.startedMs = performance.now();
    this.#call(running, flags, args);
  }

  #started({ link }: RunningTask): void {
    if (this.#actor === null) return;
    link.starting--;
    this.#soon();
  }

  /** Calls the function; returns the time after it. */
  #call(running: RunningTask, flags: number, args: unknown[]): number {
    const { definition } = running;
    let value: unknown;
    try {
      value = taskStorage.run(running, runUserCode, definition, this.#actor, args);
    } catch (error) {
      this.#finishError(running, error);
      return performance.now();
    }
    if ((flags & taskFlags.stream) !== 0) {
      this.#register(running);
      const stream = new RunningStream(running);
      running.stream = stream;
      if (running.cancelled) stream.cancel();
      stream.run(value).then(
        (count) => this.#finishStream(running, count),
        (error: unknown) => this.#finishError(running, error),
      );
      return performance.now();
    }
    if (isThenable(value)) {
      this.#register(running);
      value.then(
        (resolved) => this.#finishValue(running, resolved),
        (error: unknown) => this.#finishError(running, error),
      );
      return performance.now();
    }
    return this.#finishValue(running, value);
  }

  // finishing

  /** Returns the time (ms) when it was done. */
  #finishValue(running: RunningTask, value: unknown): number {
    const now = performance.now();
    const durationUs = (now - running.startedMs) * 1000;
    try {
      if (running.definition.numReturns === 1) writeOne(running, durationUs, value);
      else writeSeveral(this.#owner.codec, running, durationUs, value);
    } catch (error) {
      this.#finishError(running, error);
      return now;
    }
    this.#ended(running, durationUs);
    return now;
  }

  #finishStream(running: RunningTask, count: number): void {
    const durationUs = (performance.now() - running.startedMs) * 1000;
    writeEnd(running, durationUs, count);
    this.#ended(running, durationUs);
  }

  #finishError(running: RunningTask, error: unknown): void {
    const durationUs = (performance.now() - running.startedMs) * 1000;
    writeError(running, durationUs, error);
    this.#ended(running, durationUs);
  }

  /** Answers an entry that never begins. */
  #refuse(link: ExecutorLink, wire: number, slot: number, attempt: number, status: number, name: string, error: Error): void {
    link.mark(slot, claim.done);
    link.result(wire, status, attempt, 0, [error, originOf(error, name, attempt)], ["error"]);
    this.#flushSoon();
  }

  #ended(running: RunningTask, durationUs: number): void {
    running.ended = true;
    this.runs++;
    const { definition, group } = running;
    if (running.waits === 0) group.running--;
    else {
      // It ended without awaiting some `get`: its turn was given up already.
      running.waits = 0;
      this.#waiting--;
      this.#tellUnblocked();
    }
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
    if (this.#registered === 0 || group.limit === 1) this.#flush();
    else this.#flushSoon();
    this.#soon();
  }

  #flush(): void {
    for (const link of this.#links) if (link.pendingResults) link.flush();
  }

  #flushSoon(): void {
    if (this.#flushArmed) return;
    this.#flushArmed = true;
    setImmediate(() => {
      this.#flushArmed = false;
      this.#flush();
    });
  }

  /** Why this process ends once no task runs or waits in it; "" when it does not. */
  #retiring = "";

  #retireIfIdle(): void {
    if (this.#waiting > 0 || this.#tasks.running > 0 || this.#draining) return;
    this.#flush();
    this.#surroundings.retire(this.#retiring);
  }

  // waiting in get

  /**
   * The running task begins to wait; the result ends that.
   * @param interrupt called when the task is cancelled meanwhile
   */
  wait(running: RunningTask, interrupt: ((reason: Error) => void) | null): (() => void) | null {
    if (running.ended) return null;
    if (interrupt !== null) running.onAbort(interrupt);
    if (this.#actor !== null) return this.#waitInActor(running, interrupt);
    if (running.waits++ === 0) {
      running.group.running--;
      this.#waiting++;
      running.link.mark(running.slot, claim.blocked);
      this.#tell(running, frameKinds.blocked);
      this.#soon();
      queueMicrotask(this.onAllWaiting);
    }
    let over = false;
    return () => {
      if (over) return;
      over = true;
      if (interrupt !== null) running.offAbort(interrupt);
      if (running.ended || --running.waits > 0) return;
      this.#waiting--;
      this.#tellUnblocked();
      running.group.running++;
      running.link.mark(running.slot, claim.running);
      this.#tell(running, frameKinds.unblocked);
    };
  }

  #waitInActor(running: RunningTask, interrupt: ((reason: Error) => void) | null): () => void {
    this.#flush();
    this.#waiting++;
    if (!this.#saidBlocked) this.#tellBlocked();
    let over = false;
    return () => {
      if (over) return;
      over = true;
      if (interrupt !== null) running.offAbort(interrupt);
      if (--this.#waiting === 0) this.#tellUnblocked();
    };
  }

  #tellUnblocked(): void {
    if (!this.#saidBlocked) return;
    this.#saidBlocked = false;
    this.#surroundings.blocked(false);
  }

  #tell(running: RunningTask, kind: typeof frameKinds.blocked | typeof frameKinds.unblocked): void {
    if (running.link.closed) return;
    running.link.flush();
    const payload = Buffer.allocUnsafe(4);
    payload.writeUInt32LE(running.wire, 0);
    running.link.link.send("control", kind, payload);
  }

  #tellBlocked(): void {
    if (this.#saidBlocked || (this.#actor === null && this.#tasks.running > 0)) return;
    this.#saidBlocked = true;
    this.#surroundings.blocked(true);
  }

  // cancelling and streams

  #cancel(link: ExecutorLink, wire: number, attempt: number, recursive: boolean): void {
    const running = link.running.get(wire);
    const isRunning = running !== undefined && running.attempt === attempt;
    for (const { type } of link.cancels.handle({ type: "cancel", wire, attempt, isRunning })) {
      if (type === "abort" && running !== undefined) this.#abort(running, cancelled(running.definition.name), recursive);
    }
    this.#forgetLateCancels();
  }

  /** Cancels of what has ended already: every entry of their link has begun. */
  #forgetLateCancels(): void {
    for (const { cancels, entries } of this.#links) {
      if (cancels.size > 0 && entries.length === 0 && this.#parkedCount === 0) cancels.handle({ type: "caught up" });
    }
  }

  #abort(running: RunningTask, reason: Error, recursive: boolean): void {
    if (recursive && running.children !== null) for (const child of [...running.children]) this.#owner.cancelTask(child);
    if (!running.cancelled) running.abort(reason);
  }
}
