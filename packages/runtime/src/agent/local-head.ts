/** The head of a local cluster: in its agent, which it speaks to by calls. */
import { creatorOf, sanitizeResources, shapeKey, type FromHead, type ToHead } from "@iono/core";
import { Actors } from "../head/actors.ts";
import type { LocalFit } from "./local-fit.ts";
import type { HeadConnection, LivingActor } from "./head-connection.ts";

export class LocalHead implements HeadConnection {
  readonly #actors: Actors;

  /**
   * @param hear takes what the head says to the agent.
   * @param infeasible says that an actor waits for a node that could hold it.
   */
  constructor(
    fit: LocalFit,
    hear: (message: FromHead) => void,
    infeasible: (shape: string, missing: string, actor: number) => void,
  ) {
    this.#actors = new Actors({
      send: hear,
      place: ({ actor, placement, running, detached, strategy }) => {
        const lacks = strategy === "" ? undefined : fit.lacks(strategy);
        if (lacks?.isFinal === true) this.#actors.kill(actor, lacks.missing);
        else if (lacks !== undefined)
          infeasible(shapeKey(sanitizeResources(placement)), lacks.missing, actor);
        else {
          const job = creatorOf(actor).process;
          hear({ t: "place actor", actor, job, placement, running, detached });
        }
      },
      withdraw: (actor) => hear({ t: "withdraw actor", actor }),
    });
  }

  sendHead(message: ToHead): void {
    if (message.t === "cannot start") this.#giveUp(message.reason);
    else this.#actors.message(message);
  }

  livingActors(): LivingActor[] {
    return this.#actors.directory.list().filter((actor) => actor.state !== "dead");
  }

  /** Nothing that waits for a worker is going to run (I7). */
  #giveUp(reason: string): void {
    for (const { actor, state } of this.#actors.directory.list())
      if (state === "pending") this.#actors.kill(actor, `workers cannot start: ${reason}`);
  }
}
