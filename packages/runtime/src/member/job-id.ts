/**
 * The id of a program's job, a UUID of version 7: ids sort by when their programs began. Every process of the program has
 * the seed from its start and makes the same id of it, when somebody asks: most programs never do, and loading uuid
 * would cost each of their processes some of its start.
 */
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";

export interface JobSeed {
  readonly startedAtMs: number;
  /** 16 random bytes, hexadecimal. */
  readonly random: string;
}

export function newJobSeed(): JobSeed {
  return { startedAtMs: Date.now(), random: randomBytes(16).toString("hex") };
}

/** `job-019ab3e4-…` */
export function jobIdOf({ startedAtMs, random }: JobSeed): string {
  const { v7 } = createRequire(import.meta.url)("uuid") as typeof import("uuid");
  return `job-${v7({ msecs: startedAtMs, random: Buffer.from(random, "hex") })}`;
}
