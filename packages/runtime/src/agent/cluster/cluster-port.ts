/** What an agent gives to its part that speaks with other nodes. */
import type { FromAgent, FromHead, LeaseEvent, ResourceVector } from "@iono/core";

export interface ClusterPort {
  readonly secret: string;
  lease(event: LeaseEvent): void;
  /** To a process of this node. */
  deliver(process: number, message: FromAgent): void;
  deliverAll(message: FromAgent): void;
  fromHead(message: FromHead): void;
  pathOf(process: number): string | undefined;
  /** How a process of this node ended, once it has. */
  deathReason(process: number): Promise<string>;
  kill(worker: number, reason: string): void;
  /** A program is over: its workers end, but for those that host an actor that outlives it. */
  jobEnded(job: number): void;
  flushLogs(job: number, done: () => void): void;
  use(): { readonly available: ResourceVector; readonly queued: number };
  status(): object;
  answerCode(request: unknown): Promise<unknown>;
  /** The cluster does without this node. `isOver`: nobody can join it any more. */
  end(reason: string, isOver: boolean): void;
}
