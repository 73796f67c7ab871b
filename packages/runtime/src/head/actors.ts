/** The actors of a cluster: the directory machine, who waits for an answer of it, and what it says as messages. */
import {
  ActorDirectory,
  IonoError,
  type ActorEvent,
  type ActorInstruction,
  type ActorSpec,
  type FromHead,
  type ToHead,
} from "@iono/core";

/** Who asked, and the id of the request. */
interface Asker {
  readonly process: number;
  readonly id: number;
}

export interface ActorsPort {
  /** Sends to the agent of the message's process. */
  send(message: Exclude<FromHead, { t: "place actor" | "withdraw actor" }>): void;
  /** Finds a node for an actor, now or when there is one. */
  place(spec: ActorSpec): void;
  withdraw(actor: number): void;
}

export class Actors {
  readonly directory = new ActorDirectory();
  readonly #port: ActorsPort;
  readonly #creators = new Map<number, Asker>();
  /** Who asked where an actor is, before it was alive. */
  readonly #askers = new Map<number, Asker[]>();

  constructor(port: ActorsPort) {
    this.#port = port;
  }

  message(message: ToHead): void {
    switch (message.t) {
      case "create actor":
        this.#creators.set(message.actor.actor, message);
        this.#handle({ type: "create", owner: message.process, spec: message.actor });
        break;
      case "supply actor":
        this.#handle({ type: "supply", actor: message.actor, payload: message.payload });
        break;
      case "abandon actor":
        this.#handle({ type: "abandon", actor: message.actor, reason: message.reason, error: message.error });
        break;
      case "actor address": {
        const askers = this.#askers.get(message.actor);
        if (askers === undefined) this.#askers.set(message.actor, [message]);
        else askers.push(message);
        this.#answer(message.actor);
        break;
      }
      case "get actor":
        this.#getNamed(message);
        break;
      case "list actors":
        this.#reply(message, this.directory.names(message.namespace));
        break;
      case "hold actor":
        this.#handle({ type: "hold", actor: message.actor, holder: message.process });
        this.#reply(message, null);
        break;
      case "drop actor":
        this.#handle({ type: "drop", actor: message.actor, holder: message.process });
        break;
      case "kill actor":
        this.#handle({ type: "kill", actor: message.actor, reason: message.reason });
        break;
      case "actor constructed": {
        const { process, error, message: text } = message;
        this.#handle({ type: "constructed", process, error, message: text });
        break;
      }
      case "actor placed":
        this.#handle({ type: "placed", actor: message.actor, process: message.process });
        break;
      case "process ended":
        this.#handle({ type: "process ended", process: message.process, reason: message.reason });
        break;
      case "cannot start":
        break;
    }
  }

  /** Every process of a node has ended with it. */
  nodeGone(node: number, reason: string): void {
    for (const process of this.directory.processesOf(node))
      this.#handle({ type: "process ended", process, reason });
  }

  kill(actor: number, reason: string): void {
    this.#handle({ type: "kill", actor, reason });
  }

  #getNamed(message: Extract<ToHead, { t: "get actor" }>): void {
    const { name, namespace, process } = message;
    const spec = this.directory.named(namespace, name);
    if (spec === undefined) {
      const text = `no actor is named "${name}" in namespace "${namespace}"`;
      this.#refuse(message, new IonoError("NoSuchActor", text));
      return;
    }
    this.#handle({ type: "hold", actor: spec.actor, holder: process });
    this.#reply(message, { ...spec, payload: null });
  }

  #handle(event: ActorEvent): void {
    for (const instruction of this.directory.handle(event)) this.#perform(instruction);
  }

  #perform(instruction: ActorInstruction): void {
    switch (instruction.type) {
      case "place":
        this.#port.place(instruction.spec);
        break;
      case "withdraw":
        this.#port.withdraw(instruction.actor);
        break;
      case "host":
        this.#port.send({ t: "host actor", process: instruction.process, actor: instruction.spec });
        break;
      case "created": {
        const creator = this.#takeCreator(instruction.actor);
        const existing = instruction.existing === 0 ? null : this.directory.spec(instruction.existing);
        if (creator !== undefined)
          this.#reply(creator, existing === null ? null : { ...existing, payload: null });
        break;
      }
      case "name taken": {
        const creator = this.#takeCreator(instruction.actor);
        const text = `an actor named "${instruction.name}" exists already`;
        if (creator !== undefined) this.#refuse(creator, new IonoError("NameTaken", text));
        break;
      }
      case "alive":
      case "dead":
        this.#answer(instruction.actor);
        break;
      case "end process": {
        const { process, force, reason } = instruction;
        this.#port.send({ t: "end process", process, force, reason });
        break;
      }
    }
  }

  /** Answers those who wait for an actor, if it is alive or dead. */
  #answer(actor: number): void {
    const askers = this.#askers.get(actor);
    if (askers === undefined) return;
    const found = this.directory.state(actor);
    if (found !== undefined && found.state !== "alive" && found.state !== "dead") return;
    this.#askers.delete(actor);
    for (const asker of askers) {
      const { process, id } = asker;
      if (found?.state === "alive") this.#port.send({ t: "actor at", process, id, host: found.process });
      else this.#reply(asker, { dead: found?.reason ?? "it is not known", error: found?.error ?? null });
    }
  }

  #takeCreator(actor: number): Asker | undefined {
    const creator = this.#creators.get(actor);
    this.#creators.delete(actor);
    return creator;
  }

  #reply({ process, id }: Asker, value: unknown): void {
    this.#port.send({ t: "reply", process, id, value });
  }

  #refuse({ process, id }: Asker, { code, message }: IonoError): void {
    this.#port.send({ t: "reply", process, id, value: null, error: { code, message } });
  }
}
