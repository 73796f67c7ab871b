import { cpus } from "node:os";

/** Clients in Ray's n:n rows. */
export const CLIENTS = 4;

/** Actors in Ray's 1:n and n:n rows: half of the CPUs (`multiprocessing.cpu_count() // 2`), at least one. */
export const ACTORS = Math.max(1, Math.floor(cpus().length / 2));

/** `make` called `count` times. */
export function times<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i));
}
