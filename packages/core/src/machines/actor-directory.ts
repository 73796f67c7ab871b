/**
 * The actors of a cluster: states, names, and who holds a handle. An actor ends when the last process that holds a
 * handle of it has dropped it or ended, unless it is detached.
 *
 *   declared → pending → placed → alive → dead        (any → dead)
 *
 * An actor is declared at once, so that handles may go anywhere, and pending when its constructor's arguments are there.
 * A handle that an actor holds of itself counts like any other: such an actor ends by `kill`, `exitActor`, or with the
 * program. Every event may come twice, and may come after the actor's death.
 *
 * Rules kept by `check()`: (A1) a name belongs to one living actor, and each living actor has its name; (A2) a living
 * actor that is not detached has a holder, a dead one has none; (A3) an actor that is placed or alive has a process, and
 * no process hosts two.
 */
import { creatorOf, nodeOf } from "../ids.ts";
import type { ActorSpec } from "../protocol/owner-agent.ts";

export type ActorState = "declared" | "pending" | "placed" | "alive" | "dead";

export type ActorEvent =
  /** `spec.payload` is null when the constructor's arguments are still to come. */
  | { readonly type: "create"; readonly owner: number; readonly spec: ActorSpec }
  /** The constructor's arguments are there. */
  | { readonly type: "supply"; readonly actor: number; readonly payload: unknown }
  /** An argument of the constructor failed. */
  | {
      readonly type: "abandon";
      readonly actor: number;
      readonly reason: string;
      readonly error: Uint8Array | null;
    }
  | { readonly type: "placed"; readonly actor: number; readonly process: number }
  | {
      readonly type: "constructed";
      readonly process: number;
      readonly error: Uint8Array | null;
      readonly message: string;
    }
  | { readonly type: "hold"; readonly actor: number; readonly holder: number }
  | { readonly type: "drop"; readonly actor: number; readonly holder: number }
  | { readonly type: "kill"; readonly actor: number; readonly reason: string }
  | { readonly type: "process ended"; readonly process: number; readonly reason: string };

export type ActorInstruction =
  /** Ask the leases for a process. */
  | { readonly type: "place"; readonly actor: number; readonly spec: ActorSpec }
  | { readonly type: "withdraw"; readonly actor: number }
  | { readonly type: "host"; readonly actor: number; readonly process: number; readonly spec: ActorSpec }
  /** Tell `create`'s caller; `existing` when `getIfExists` found one. */
  | { readonly type: "created"; readonly actor: number; readonly existing: number }
  | { readonly type: "name taken"; readonly actor: number; readonly name: string }
  /** Those who wait for the actor's address may have it. */
  | { readonly type: "alive"; readonly actor: number; readonly process: number }
  | {
      readonly type: "dead";
      readonly actor: number;
      readonly reason: string;
      readonly error: Uint8Array | null;
    }
  | {
      readonly type: "end process";
      readonly process: number;
      readonly force: boolean;
      readonly reason: string;
    };

interface Actor {
  spec: ActorSpec;
  state: ActorState;
  process: number;
  readonly holders: Set<number>;
  reason: string;
  error: Uint8Array | null;
}

/** How many dead actors are remembered for the reason of their end; the oldest are forgotten. */
const rememberedDead = 10_000;

export class ActorDirectory {
  readonly #actors = new Map<number, Actor>();
  readonly #names = new Map<string, number>();
  readonly #byProcess = new Map<number, number>();
  readonly #dead: number[] = [];
  #out: ActorInstruction[] = [];

  handle(event: ActorEvent): ActorInstruction[] {
    this.#out = [];
    switch (event.type) {
      case "create":
        this.#create(event.owner, event.spec);
        break;
      case "supply":
        this.#supply(event.actor, event.payload);
        break;
      case "abandon": {
        const actor = this.#actors.get(event.actor);
        if (actor?.state === "declared") this.#die(event.actor, actor, event.reason, event.error);
        break;
      }
      case "placed":
        this.#placed(event.actor, event.process);
        break;
      case "constructed":
        this.#constructed(event.process, event.error, event.message);
        break;
      case "hold":
        this.#hold(event.actor, event.holder);
        break;
      case "drop":
        this.#drop(event.actor, event.holder);
        break;
      case "kill":
        this.#kill(event.actor, event.reason);
        break;
      case "process ended":
        this.#processEnded(event.process, event.reason);
        break;
    }
    return this.#out;
  }

  state(
    actor: number,
  ): { state: ActorState; process: number; reason: string; error: Uint8Array | null } | undefined {
    return this.#actors.get(actor);
  }

  spec(actor: number): ActorSpec | undefined {
    return this.#actors.get(actor)?.spec;
  }

  named(namespace: string, name: string): ActorSpec | undefined {
    const actor = this.#names.get(nameKey(namespace, name));
    return actor === undefined ? undefined : this.#actors.get(actor)?.spec;
  }

  /** Living named actors, of one namespace or of all. */
  names(namespace: string | null): { name: string; namespace: string }[] {
    const found: { name: string; namespace: string }[] = [];
    for (const actor of this.#names.values()) {
      const spec = this.#actors.get(actor)?.spec;
      if (spec !== undefined && (namespace === null || spec.namespace === namespace)) {
        found.push({ name: spec.name, namespace: spec.namespace });
      }
    }
    return found;
  }

  /** Processes of a node that host an actor, hold a handle, or have declared an actor. */
  processesOf(node: number): number[] {
    const found = new Set<number>();
    for (const [id, { state, process, holders }] of this.#actors) {
      if (state === "dead") continue;
      for (const each of [process, creatorOf(id).process, ...holders])
        if (each !== 0 && nodeOf(each) === node) found.add(each);
    }
    return [...found];
  }

  /** Actors by state, for people. */
  list(): { actor: number; className: string; name: string; state: ActorState; process: number }[] {
    return [...this.#actors].map(([actor, { spec, state, process }]) => ({
      actor,
      className: spec.className,
      name: spec.name,
      state,
      process,
    }));
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    for (const [key, id] of this.#names) {
      const actor = this.#actors.get(id);
      if (actor === undefined || actor.state === "dead")
        throw new Error(`A1: name ${key} belongs to a dead actor`);
      if (nameKey(actor.spec.namespace, actor.spec.name) !== key)
        throw new Error(`A1: name ${key} belongs to another`);
    }
    for (const [id, actor] of this.#actors) {
      const { spec, state, holders, process } = actor;
      const living = state !== "dead";
      if (living && spec.name !== "" && this.#names.get(nameKey(spec.namespace, spec.name)) !== id) {
        throw new Error(`A1: ${id} lives without its name`);
      }
      if (living && !spec.detached && holders.size === 0) throw new Error(`A2: nobody holds ${id}`);
      if (!living && holders.size > 0) throw new Error(`A2: ${id} is dead and held`);
      const hosted = state === "placed" || state === "alive";
      if (hosted && this.#byProcess.get(process) !== id)
        throw new Error(`A3: ${id} has no process of its own`);
    }
  }

  #create(owner: number, spec: ActorSpec): void {
    if (this.#actors.has(spec.actor)) {
      this.#out.push({ type: "created", actor: spec.actor, existing: 0 });
      return;
    }
    if (spec.name !== "") {
      const key = nameKey(spec.namespace, spec.name);
      const present = this.#names.get(key);
      if (present !== undefined) {
        if (spec.getIfExists) {
          this.#hold(present, owner);
          this.#out.push({ type: "created", actor: spec.actor, existing: present });
        } else this.#out.push({ type: "name taken", actor: spec.actor, name: spec.name });
        return;
      }
      this.#names.set(key, spec.actor);
    }
    const actor: Actor = {
      spec,
      state: "declared",
      process: 0,
      holders: new Set([owner]),
      reason: "",
      error: null,
    };
    this.#actors.set(spec.actor, actor);
    this.#out.push({ type: "created", actor: spec.actor, existing: 0 });
    if (spec.payload !== null) this.#supply(spec.actor, spec.payload);
  }

  #supply(id: number, payload: unknown): void {
    const actor = this.#actors.get(id);
    if (actor?.state !== "declared") return;
    actor.state = "pending";
    actor.spec = { ...actor.spec, payload };
    this.#out.push({ type: "place", actor: id, spec: actor.spec });
  }

  #hold(id: number, holder: number): void {
    const actor = this.#actors.get(id);
    if (actor !== undefined && actor.state !== "dead") actor.holders.add(holder);
  }

  #placed(id: number, process: number): void {
    const actor = this.#actors.get(id);
    // Told twice.
    if (actor !== undefined && actor.process === process) return;
    if (actor === undefined || actor.state !== "pending") {
      this.#out.push({ type: "end process", process, force: true, reason: "its actor is gone" });
      return;
    }
    actor.state = "placed";
    actor.process = process;
    this.#byProcess.set(process, id);
    this.#out.push({ type: "host", actor: id, process, spec: actor.spec });
  }

  #constructed(process: number, error: Uint8Array | null, message: string): void {
    const id = this.#byProcess.get(process);
    const actor = id === undefined ? undefined : this.#actors.get(id);
    if (id === undefined || actor === undefined || actor.state !== "placed") return;
    if (error !== null) {
      this.#die(id, actor, message, error);
      this.#out.push({ type: "end process", process, force: false, reason: message });
      return;
    }
    actor.state = "alive";
    this.#out.push({ type: "alive", actor: id, process });
  }

  #drop(id: number, holder: number): void {
    const actor = this.#actors.get(id);
    if (actor === undefined || !actor.holders.delete(holder)) return;
    if (actor.holders.size === 0 && !actor.spec.detached)
      this.#end(id, actor, "its last handle went out of scope", false);
  }

  #kill(id: number, reason: string): void {
    const actor = this.#actors.get(id);
    if (actor !== undefined) this.#end(id, actor, reason, true);
  }

  #end(id: number, actor: Actor, reason: string, force: boolean): void {
    const { state, process } = actor;
    if (state === "dead") return;
    this.#die(id, actor, reason, null);
    if (state === "pending") this.#out.push({ type: "withdraw", actor: id });
    else if (state !== "declared") this.#out.push({ type: "end process", process, force, reason });
  }

  #processEnded(process: number, reason: string): void {
    const hosted = this.#byProcess.get(process);
    const actor = hosted === undefined ? undefined : this.#actors.get(hosted);
    if (hosted !== undefined && actor !== undefined && actor.state !== "dead")
      this.#die(hosted, actor, reason, null);
    this.#byProcess.delete(process);
    for (const [id, each] of this.#actors) {
      if (each.state === "declared" && creatorOf(id).process === process) {
        this.#die(id, each, "its creator ended before the arguments of its constructor were there", null);
      } else if (
        each.state !== "dead" &&
        each.holders.delete(process) &&
        each.holders.size === 0 &&
        !each.spec.detached
      ) {
        this.#end(id, each, "the last process that held a handle ended", false);
      }
    }
  }

  #die(id: number, actor: Actor, reason: string, error: Uint8Array | null): void {
    actor.state = "dead";
    actor.reason = reason;
    actor.error = error;
    actor.holders.clear();
    actor.spec = { ...actor.spec, payload: null };
    if (actor.spec.name !== "") this.#names.delete(nameKey(actor.spec.namespace, actor.spec.name));
    this.#out.push({ type: "dead", actor: id, reason, error });
    this.#dead.push(id);
    if (this.#dead.length > rememberedDead) {
      const oldest = this.#dead.shift();
      if (oldest !== undefined) this.#actors.delete(oldest);
    }
  }
}

function nameKey(namespace: string, name: string): string {
  return JSON.stringify([namespace, name]);
}
