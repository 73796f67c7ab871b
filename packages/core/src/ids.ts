/**
 * Textual ids. Processes of a cluster are numbered, and each numbers what it creates, so an id needs no randomness
 * and says who owns the thing: `3f-1k9` is object number 1k9 (base 36) of process 3f.
 */
import { IonoError } from "./errors.ts";

/** A process number and a number that process gave. */
export interface OwnedId {
  readonly owner: number;
  readonly sequence: number;
}

const refId = /^([0-9a-z]{1,7})-([0-9a-z]{1,11})$/;
const ownedKinds = { task: "task", actor: "actor" } as const;
const numberedKinds = { node: "node", job: "job", worker: "worker" } as const;

export type OwnedKind = keyof typeof ownedKinds;
export type NumberedKind = keyof typeof numberedKinds;

/** The id of a ref. `owner` is a u32, `sequence` a whole number up to 2^53 - 1. */
export function formatRefId(owner: number, sequence: number): string {
  return `${owner.toString(36)}-${sequence.toString(36)}`;
}

/** Undefined when the text is not the id of a ref. */
export function parseRefId(text: string): OwnedId | undefined {
  const match = refId.exec(text);
  if (match === null) return undefined;
  const owner = Number.parseInt(match[1], 36);
  const sequence = Number.parseInt(match[2], 36);
  // One spelling for each id: no leading zeros, nothing that rounds.
  if (owner > 0xffff_ffff || !Number.isSafeInteger(sequence) || formatRefId(owner, sequence) !== text)
    return undefined;
  return { owner, sequence };
}

/** `task-3f-1k9`: the task whose first result is the ref `3f-1k9`. `actor-3f-2`: an actor created by process 3f. */
export function formatOwnedId(kind: OwnedKind, owner: number, sequence: number): string {
  return `${ownedKinds[kind]}-${formatRefId(owner, sequence)}`;
}

export function parseOwnedId(kind: OwnedKind, text: string): OwnedId | undefined {
  const prefix = `${ownedKinds[kind]}-`;
  return text.startsWith(prefix) ? parseRefId(text.slice(prefix.length)) : undefined;
}

/** `node-1`, `job-2`, `worker-3f`. */
export function formatNumberedId(kind: NumberedKind, number: number): string {
  if (!Number.isSafeInteger(number) || number < 0)
    throw new IonoError("Internal", `${kind} number ${number}`);
  return `${numberedKinds[kind]}-${number.toString(36)}`;
}

export function parseNumberedId(kind: NumberedKind, text: string): number | undefined {
  const prefix = `${numberedKinds[kind]}-`;
  if (!text.startsWith(prefix)) return undefined;
  const digits = text.slice(prefix.length);
  if (!/^[0-9a-z]{1,11}$/.test(digits)) return undefined;
  const number = Number.parseInt(digits, 36);
  return Number.isSafeInteger(number) && number.toString(36) === digits ? number : undefined;
}

/**
 * Process numbers (u32): node number × 2^17 + the node's own count, so that whoever has the number of a process knows
 * where it runs. A node that joins anew gets a new number; no number is used twice.
 */
export const processesPerNode = 2 ** 17;
export const mostNodes = 2 ** 15;

export function processNumber(node: number, local: number): number {
  return node * processesPerNode + local;
}

/** Numbers below 0 are places of a program that runs everything in its own process: they are on no other node. */
export function nodeOf(process: number): number {
  return process < 0 ? 0 : Math.floor(process / processesPerNode);
}

/** Actor numbers: the process that created it × 2^20 + its count. */
export const actorsPerProcess = 2 ** 20;

export function actorNumber(creator: number, count: number): number {
  return creator * actorsPerProcess + count;
}

export function creatorOf(actor: number): { readonly process: number; readonly count: number } {
  return { process: Math.floor(actor / actorsPerProcess), count: actor % actorsPerProcess };
}

/** Id of a node, for people: `local` in a local cluster, else `node-3`. */
export function nodeId(node: number): string {
  return node === 0 ? "local" : formatNumberedId("node", node);
}
