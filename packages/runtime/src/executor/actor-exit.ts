/** Thrown by `exitActor()` to leave the method: the call fails with ActorDied. */
import { IonoError } from "@iono/core";

export class ActorExit extends IonoError {
  constructor() {
    super("ActorDied", "the actor ended: exitActor() was called");
  }
}
