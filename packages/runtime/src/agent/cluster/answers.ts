/** What an agent answers to the questions of others. */
import { IonoError, type NodeMessage } from "@iono/core";
import type { ClusterPort } from "./cluster-port.ts";
import type { Jobs } from "./jobs.ts";

export type Question = Extract<
  NodeMessage,
  { t: "address" | "death reason" | "job" | "flush logs" | "code" | "status" }
>;

/** @throws IonoError OwnerDied when it is about a process, or a program, that has ended. */
export async function answerTo(question: Question, port: ClusterPort, jobs: Jobs): Promise<unknown> {
  switch (question.t) {
    case "address": {
      const { process } = question;
      if (port.pathOf(process) !== undefined) return null;
      throw new IonoError("OwnerDied", `process ${process} has ended: ${await port.deathReason(process)}`);
    }
    case "death reason":
      return port.deathReason(question.process);
    case "job": {
      const info = jobs.known(question.job);
      if (info !== undefined) return info;
      throw new IonoError("OwnerDied", `the program of job ${question.job} is not on this node`);
    }
    case "flush logs":
      await new Promise<void>((resolve) => port.flushLogs(question.job, resolve));
      return null;
    case "code":
      return port.answerCode(question.request);
    case "status":
      return port.status();
  }
}
