/** How an agent speaks to its head: in the same process, or on another machine. */
import type { ActorState, ToHead } from "@iono/core";

export interface LivingActor {
  readonly actor: number;
  readonly className: string;
  readonly name: string;
  readonly state: ActorState;
  readonly process: number;
}

export interface HeadConnection {
  sendHead(message: ToHead): void;
  /** For people; the actors that are known here. */
  livingActors(): LivingActor[];
}
