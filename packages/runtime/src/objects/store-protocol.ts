import type { RefusalReason, StoreLocation } from "@iono/core";

/**
 * The blocking link between a process and the object store of its node: requests of 32 bytes, replies of 48, little endian.
 *
 *   request  u8 op, u8 flags, u16 zero, u32 block, u32 generation, u32 ticket, f64 size, f64 process
 *            (hello: `size` is the length of the secret, which follows)
 *   reply    u32 status, u32 block, u32 generation, u32 node, f64 offset, f64 size, f64 progress, u32 flags, u32 length
 *            of the JSON text that follows
 *
 * One request at a time is under way. Those of `oneWay` have no reply.
 */

/** The number of the process that hosts the store, for objects that it writes or reads itself. */
export const storeHostProcess = 0;

export const requestBytes = 32;
export const replyBytes = 48;
export const maxSecretBytes = 256;

/** A number is never reused. */
export const storeOps = {
  hello: 1,
  allocate: 2,
  seal: 3,
  abandon: 4,
  pin: 5,
  unpin: 6,
  free: 7,
  await: 8,
  cancel: 9,
  stats: 10,
  locate: 11,
} as const;

export type StoreOp = keyof typeof storeOps;

export const opNames: readonly (StoreOp | undefined)[] = [undefined, ...(Object.keys(storeOps) as StoreOp[])];

/** allocate: wait for room. */
export const patientFlag = 1;
/** allocate: only pages that were used before. */
export const warmFlag = 2;
/** pin, unpin: the bytes stay in place, not only the object. */
export const mappedFlag = 1;
/** reply: the pages were committed just now. */
export const freshFlag = 1;

const statuses = [
  "granted",
  "waiting",
  "full",
  "neverFits",
  "outOfDisk",
  "stale",
  "freed",
  "lost",
] as const satisfies readonly (RefusalReason | "granted" | "waiting")[];

export type StoreStatus = (typeof statuses)[number];

export interface StoreRequest {
  readonly op: StoreOp;
  readonly flags: number;
  readonly block: number;
  readonly generation: number;
  readonly ticket: number;
  /** allocate: bytes wanted. await: longest wait in ms. */
  readonly size: number;
  /** hello: who it is. allocate: who holds the block. */
  readonly process: number;
}

export interface StoreReply {
  readonly status: StoreStatus;
  readonly location: StoreLocation;
  /** Changes while the store gets somewhere; 0 when granted. */
  readonly progress: number;
  readonly fresh: boolean;
  /** Bytes of JSON that follow. */
  readonly textBytes: number;
}

const noRequest: StoreRequest = {
  op: "stats",
  flags: 0,
  block: 0,
  generation: 0,
  ticket: 0,
  size: 0,
  process: 0,
};
export const noLocation: StoreLocation = { node: 0, offset: 0, size: 0, block: 0, generation: 0 };

export function writeRequest(
  into: DataView,
  at: number,
  request: Partial<StoreRequest> & { readonly op: StoreOp },
): void {
  const { op, flags, block, generation, ticket, size, process } = { ...noRequest, ...request };
  into.setUint32(at, storeOps[op] | (flags << 8), true);
  into.setUint32(at + 4, block, true);
  into.setUint32(at + 8, generation, true);
  into.setUint32(at + 12, ticket, true);
  into.setFloat64(at + 16, size, true);
  into.setFloat64(at + 24, process, true);
}

/** Undefined when the bytes are no request: then the peer is not one of ours. */
export function readRequest(from: DataView, at: number): StoreRequest | undefined {
  const op = opNames[from.getUint8(at)];
  const size = from.getFloat64(at + 16, true);
  const process = from.getFloat64(at + 24, true);
  if (op === undefined || from.getUint16(at + 2, true) !== 0) return undefined;
  if (!Number.isSafeInteger(size) || size < 0 || !Number.isSafeInteger(process) || process < 0)
    return undefined;
  return {
    op,
    flags: from.getUint8(at + 1),
    block: from.getUint32(at + 4, true),
    generation: from.getUint32(at + 8, true),
    ticket: from.getUint32(at + 12, true),
    size,
    process,
  };
}

export function writeReply(into: DataView, reply: StoreReply): void {
  into.setUint32(0, statuses.indexOf(reply.status), true);
  into.setUint32(4, reply.location.block, true);
  into.setUint32(8, reply.location.generation, true);
  into.setUint32(12, reply.location.node, true);
  into.setFloat64(16, reply.location.offset, true);
  into.setFloat64(24, reply.location.size, true);
  into.setFloat64(32, reply.progress, true);
  into.setUint32(40, reply.fresh ? freshFlag : 0, true);
  into.setUint32(44, reply.textBytes, true);
}

export function readReply(from: DataView): StoreReply {
  return {
    status: statuses[from.getUint32(0, true)] ?? "lost",
    location: {
      block: from.getUint32(4, true),
      generation: from.getUint32(8, true),
      node: from.getUint32(12, true),
      offset: from.getFloat64(16, true),
      size: from.getFloat64(24, true),
    },
    progress: from.getFloat64(32, true),
    fresh: (from.getUint32(40, true) & freshFlag) !== 0,
    textBytes: from.getUint32(44, true),
  };
}

/** What the store tells a process that has said hello. */
export interface StoreWelcome {
  /** Under which the store's file is opened. */
  readonly path: string;
  /** Length of the file, and most bytes that may be in memory. */
  readonly segmentBytes: number;
  readonly capacityBytes: number;
}
