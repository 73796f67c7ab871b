/** The head of a local cluster: in its agent, which it speaks to by calls. */
import { creatorOf, type FromHead, type ToHead } from "@iono/core";
import { Actors } from "../head/actors.ts";
import type { LocalFit } from "./local-fit.ts";
import type { HeadConnection, LivingActor } from "./head-connection.ts";

export class LocalHead implements HeadConnection {
  readonly #actors: Actors;

  /** @param hear takes what the head says to the agent. */
  constructor(fit: LocalFit, hear: (message: FromHead) => void) {
    this.#actors = new Actors({
      send: hear,
      place: (spec) => {
        const { actor, placement, running, detached } = spec;
        const may = fit.mayPlace(spec);
        if (may === "yes") {
          const job = creatorOf(actor).process;
          hear({ t: "place actor", actor, job, placement, running, detached });
        } else if (may !== "not now") this.#actors.kill(actor, may.never);
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
