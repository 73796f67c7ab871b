/**
 * `init({ inline: true })`: everything runs in this process, with the same encoding and the same machines, for unit tests
 * and breakpoints. As many tasks as there are CPUs may be under way, those that await something taking turns; each actor
 * has an executor of its own. There is no store: large values stay in memory, encoded.
 */
import {
  ActorDirectory,
  IonoError,
  resourceAmount,
  resourceAmounts,
  type ActorEvent,
  type ActorInstruction,
  type ActorSpec,
  type CompiledInitOptions,
  type ToAgent,
} from "@iono/core";
import * as numbers from "../agent/options.ts";
import { introduce, setMember } from "../api/runtime.ts";
import { Executor } from "../executor/executor.ts";
import { AgentLink } from "../member/agent-link.ts";
import { newJobSeed } from "../member/job-id.ts";
import { loopbackSender } from "../member/loopback.ts";
import { Member } from "../member/member.ts";
import type { LeasePool } from "../owner/lease-pool.ts";
import type { Sender } from "../owner/sender.ts";
import { hostActor } from "../worker/host-actor.ts";
import { defaultNamespace } from "./driver.ts";
import { entryUrl } from "./launch.ts";

const driverNumber = numbers.driverNumber(0);
const firstWorkerNumber = numbers.firstWorkerNumber(0);

/** Runs one task at a time, like a worker. */
interface Lane {
  /** Negative: processes have positive ones. */
  readonly number: number;
  readonly executor: Executor;
  readonly senders: Map<LeasePool, Sender>;
}

export class InlineRuntime {
  readonly member: Member;
  readonly #lanes: Lane[] = [];
  #nextLane = -1;

  constructor(options: CompiledInitOptions) {
    const agent = new InlineAgent(options);
    this.member = new Member(
      {
        processNumber: driverNumber,
        entryUrl: entryUrl() === "" ? undefined : entryUrl(),
        namespace: options.namespace === "" ? defaultNamespace : options.namespace,
        job: newJobSeed(),
        resources: options.resources,
        owed: (isOwed) => agent.keepAlive(isOwed),
        warn: (message) => process.emitWarning(message, "IonoWarning"),
        stop: () => {},
      },
      agent,
    );
    for (let i = 0; i < lanesOf(options); i++) this.#addLane();
    this.member.execute(
      newExecutor(this.member, () => {}),
      false,
    );
    this.member.leasePools.onPool = (pool) => {
      for (const lane of this.#lanes) this.#serve(lane, pool);
    };
    agent.replace = (worker, reason) => this.#replace(worker, reason);
    this.member.peers.connectInstead = (process, onLost) => agent.senderOf(process, onLost);
    agent.member = this.member;
    introduce(this.member);
  }

  #addLane(): Lane {
    const lane: Lane = {
      number: this.#nextLane--,
      executor: newExecutor(this.member, () => {}),
      senders: new Map(),
    };
    this.#lanes.push(lane);
    return lane;
  }

  #serve(lane: Lane, pool: LeasePool): void {
    const sender = loopbackSender(this.member.owner, lane.executor, driverNumber, { worker: lane.number });
    lane.senders.set(pool, sender);
    sender.onProgress = () => pool.progressed(sender);
    pool.granted(sender);
  }

  /** A task did not heed its cancellation: nobody can end it here, but others need its place. */
  #replace(number: number, reason: string): void {
    const at = this.#lanes.findIndex((lane) => lane.number === number);
    if (at < 0) return;
    const [former] = this.#lanes.splice(at, 1);
    former.executor.drain(() => {});
    const lane = this.#addLane();
    for (const [pool, sender] of former.senders) {
      pool.lost(sender, Promise.resolve(reason));
      this.#serve(lane, pool);
    }
  }

  async whenReady(): Promise<void> {}

  async shutdown(): Promise<void> {
    const reason = new IonoError("ShutDown", "the runtime was shut down");
    this.member.close(reason);
    setMember(null, reason);
  }
}

/** How many tasks may be under way. */
function lanesOf({ cpuUnits }: CompiledInitOptions): number {
  return Math.min(mostLanes, Math.max(1, Math.floor(resourceAmount("CPU", cpuUnits))));
}

const mostLanes = 16;

function newExecutor(member: Member, retire: (reason: string) => void): Executor {
  return new Executor(member.owner, {
    blocked: () => {},
    retire,
    learnDefinition: (key, payload) => member.learnDefinition(key, payload),
  });
}

interface Hosted {
  readonly executor: Executor;
  readonly senders: Array<{ sender: Sender; onLost(sender: Sender): void }>;
}

/** Answers what an agent would, within this process. */
class InlineAgent extends AgentLink {
  readonly #options: CompiledInitOptions;
  member!: Member;
  /** Set by the runtime: ends the use of a lane. */
  replace: (worker: number, reason: string) => void = () => {};
  readonly #actors = new ActorDirectory();
  readonly #hosted = new Map<number, Hosted>();
  readonly #addressWaiters = new Map<number, Array<(reply: unknown) => void>>();
  readonly #creations = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #nextProcess = firstWorkerNumber;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: CompiledInitOptions) {
    super();
    this.#options = options;
  }

  /** Nothing but a timer keeps the loop alive while a result is owed. */
  keepAlive(isOwed: boolean): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = isOwed ? setInterval(() => {}, 2 ** 30) : null;
  }

  override notify(message: ToAgent): void {
    if (message.t === "replace") this.replace(message.worker, message.reason);
    else if (message.t === "kill actor")
      this.#handle({ type: "kill", actor: message.actor, reason: message.reason });
    else if (message.t === "supply actor")
      this.#handle({ type: "supply", actor: message.actor, payload: message.payload });
    else if (message.t === "abandon actor") {
      this.#handle({ type: "abandon", actor: message.actor, reason: message.reason, error: message.error });
    } else if (message.t === "drop actor")
      this.#handle({ type: "drop", actor: message.actor, holder: driverNumber });
  }

  override request<T>(message: { readonly t: string }): Promise<T> {
    return this.#answer(message as ToAgent) as Promise<T>;
  }

  #answer(message: ToAgent): Promise<unknown> {
    switch (message.t) {
      case "create actor":
        return new Promise((resolve, reject) => {
          this.#creations.set(message.actor.actor, { resolve, reject });
          this.#handle({ type: "create", owner: driverNumber, spec: message.actor });
        });
      case "actor address":
        return new Promise((resolve) => {
          const waiters = this.#addressWaiters.get(message.actor) ?? [];
          this.#addressWaiters.set(message.actor, [...waiters, resolve]);
          this.#answerAddress(message.actor);
        });
      case "get actor": {
        const spec = this.#actors.named(message.namespace, message.name);
        if (spec !== undefined) {
          this.#handle({ type: "hold", actor: spec.actor, holder: driverNumber });
          return Promise.resolve({ ...spec, payload: null });
        }
        return Promise.reject(
          new IonoError(
            "NoSuchActor",
            `no actor is named "${message.name}" in namespace "${message.namespace}"`,
          ),
        );
      }
      case "list actors":
        return Promise.resolve(this.#actors.names(message.namespace));
      case "status": {
        const total = resourceAmounts(this.#options.resources);
        return Promise.resolve({
          pid: process.pid,
          nodes: [{ id: "local", name: "local", labels: {}, resources: { total, available: total } }],
        });
      }
      default:
        return Promise.resolve(null);
    }
  }

  /** A sender to the executor of an actor. */
  senderOf(processNumber: number, onLost: (sender: Sender) => void): Sender {
    const hosted = this.#hosted.get(processNumber);
    if (hosted === undefined) throw new IonoError("ActorDied", "the actor is gone");
    const sender = loopbackSender(this.member.owner, hosted.executor, driverNumber, {
      worker: processNumber,
    });
    hosted.senders.push({ sender, onLost });
    return sender;
  }

  #handle(event: ActorEvent): void {
    for (const instruction of this.#actors.handle(event)) this.#perform(instruction);
  }

  #perform(instruction: ActorInstruction): void {
    switch (instruction.type) {
      case "place":
        this.#handle({ type: "placed", actor: instruction.actor, process: this.#nextProcess++ });
        break;
      case "host":
        this.#host(instruction.process, instruction.spec);
        break;
      case "created": {
        const existing = instruction.existing === 0 ? undefined : this.#actors.spec(instruction.existing);
        this.#creations
          .get(instruction.actor)
          ?.resolve(existing === undefined ? null : { ...existing, payload: null });
        this.#creations.delete(instruction.actor);
        break;
      }
      case "name taken":
        this.#creations
          .get(instruction.actor)
          ?.reject(new IonoError("NameTaken", `an actor named "${instruction.name}" exists already`));
        this.#creations.delete(instruction.actor);
        break;
      case "alive":
      case "dead":
        this.#answerAddress(instruction.actor);
        break;
      case "end process":
        this.#end(instruction.process, instruction.reason);
        break;
      case "withdraw":
        break;
    }
  }

  #host(processNumber: number, spec: ActorSpec): void {
    const executor = newExecutor(this.member, (reason) => this.#end(processNumber, reason));
    this.#hosted.set(processNumber, { executor, senders: [] });
    hostActor(this.member, executor, spec, (error, message) =>
      this.#handle({ type: "constructed", process: processNumber, error, message }),
    );
  }

  #end(processNumber: number, reason: string): void {
    const hosted = this.#hosted.get(processNumber);
    if (hosted === undefined) return;
    this.#hosted.delete(processNumber);
    this.#handle({ type: "process ended", process: processNumber, reason });
    for (const { sender, onLost } of hosted.senders) queueMicrotask(() => onLost(sender));
  }

  #answerAddress(actor: number): void {
    const found = this.#actors.state(actor);
    if (found !== undefined && found.state !== "alive" && found.state !== "dead") return;
    const waiters = this.#addressWaiters.get(actor) ?? [];
    this.#addressWaiters.delete(actor);
    const reply =
      found?.state === "alive"
        ? { process: found.process, path: "", pid: process.pid }
        : { dead: found?.reason ?? "it is not known", error: found?.error ?? null };
    for (const resolve of waiters) resolve(reply);
  }
}
