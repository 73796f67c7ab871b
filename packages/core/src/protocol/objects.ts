/**
 * Objects between nodes. Messages go over the control link of two agents, many in one list; pieces over the bulk link.
 *
 * A location names its home, where the object was written. A process elsewhere holds it there (`hold`, `release`), and
 * reads a copy that its own agent pulls (`want`, `pull`). The home of a large object says who sends it to whom
 * (machines/transfer.ts).
 *
 * A piece, little endian; several follow one another in a payload:
 *
 *   u32 pull, u32 length, f64 offset, u32 crc32 of the bytes, u32 zero, bytes
 */
import { limits } from "../limits.ts";
import type { RefusalReason } from "../machines/store-events.ts";

/** One object of the cluster: a block of the store of its home. */
export interface ObjectName {
  readonly home: number;
  readonly block: number;
  readonly generation: number;
}

export type ObjectMessage =
  // pins, to and from the home
  /** The process may hold objects of the receiver's node from now on. */
  | { readonly t: "meet"; readonly process: number }
  /** The process has ended: everything it holds is let go. */
  | { readonly t: "ended"; readonly process: number }
  | {
      readonly t: "hold";
      readonly id: number;
      readonly process: number;
      readonly block: number;
      readonly generation: number;
    }
  /** Answer to `hold`. Without a reason it is held. */
  | { readonly t: "held"; readonly id: number; readonly reason?: RefusalReason }
  | {
      readonly t: "release";
      readonly process: number;
      readonly block: number;
      readonly generation: number;
    }
  /** Takes the object from everyone. */
  | { readonly t: "free"; readonly block: number; readonly generation: number }
  // copies
  /**
   * To the home: send it from byte `from` on, or say who does. `pull` is a number of the asker's. `failed`: nodes that
   * did not deliver, the last one last.
   */
  | {
      readonly t: "want";
      readonly pull: number;
      readonly block: number;
      readonly generation: number;
      readonly size: number;
      readonly from: number;
      readonly failed: readonly number[];
    }
  /** Answer to `want`: ask that node, which is so many steps away from the home. */
  | { readonly t: "take"; readonly pull: number; readonly node: number; readonly depth: number }
  /** To a node that has a copy or receives one. */
  | ({ readonly t: "pull"; readonly pull: number; readonly size: number; readonly from: number } & ObjectName)
  /** Answer to `want` or `pull`: it is not sent, or not further. */
  | { readonly t: "refuse"; readonly pull: number; readonly reason: RefusalReason }
  /** The asker wants no more of it. */
  | { readonly t: "stop"; readonly pull: number }
  /** To the home: there is a whole copy here; or none any more. */
  | { readonly t: "have"; readonly block: number; readonly generation: number }
  | { readonly t: "dropped"; readonly block: number; readonly generation: number }
  /** From the home: the object is no more; copies go with their last pin. */
  | { readonly t: "gone"; readonly block: number; readonly generation: number };

/** At most so many messages go in one list. */
export const objectMessagesPerList = 512;
/** Longest list of nodes that did not deliver. */
export const mostFailedSources = 64;

export const pieceHeaderBytes = 24;
/** Most bytes of an object in one piece, and of pieces in one payload, headers apart. */
export const pieceBytes = limits.objectPiece.value;

export interface PieceHeader {
  readonly pull: number;
  readonly length: number;
  readonly offset: number;
  readonly checksum: number;
}

export function writePieceHeader(view: DataView, at: number, piece: PieceHeader): void {
  view.setUint32(at, piece.pull, true);
  view.setUint32(at + 4, piece.length, true);
  view.setFloat64(at + 8, piece.offset, true);
  view.setUint32(at + 16, piece.checksum, true);
  view.setUint32(at + 20, 0, true);
}

/** Undefined when there is no whole piece at `at`: then the sender is not one of ours. */
export function readPieceHeader(view: DataView, at: number): PieceHeader | undefined {
  if (at + pieceHeaderBytes > view.byteLength || view.getUint32(at + 20, true) !== 0) return undefined;
  const length = view.getUint32(at + 4, true);
  const offset = view.getFloat64(at + 8, true);
  if (length === 0 || length > pieceBytes || at + pieceHeaderBytes + length > view.byteLength)
    return undefined;
  if (!Number.isSafeInteger(offset) || offset < 0) return undefined;
  return { pull: view.getUint32(at, true), length, offset, checksum: view.getUint32(at + 16, true) };
}

type Shape = Readonly<Record<string, "u32" | "size" | "reason" | "nodes">>;

const shapes: Readonly<Record<ObjectMessage["t"], Shape>> = {
  meet: { process: "u32" },
  ended: { process: "u32" },
  hold: { id: "size", process: "u32", block: "u32", generation: "u32" },
  held: { id: "size", reason: "reason" },
  release: { process: "u32", block: "u32", generation: "u32" },
  free: { block: "u32", generation: "u32" },
  want: { pull: "u32", block: "u32", generation: "u32", size: "size", from: "size", failed: "nodes" },
  take: { pull: "u32", node: "u32", depth: "u32" },
  pull: { pull: "u32", home: "u32", block: "u32", generation: "u32", size: "size", from: "size" },
  refuse: { pull: "u32", reason: "reason" },
  stop: { pull: "u32" },
  have: { block: "u32", generation: "u32" },
  dropped: { block: "u32", generation: "u32" },
  gone: { block: "u32", generation: "u32" },
};

const reasons: Readonly<Record<RefusalReason, true>> = {
  full: true,
  neverFits: true,
  outOfDisk: true,
  stale: true,
  freed: true,
  lost: true,
};

/** Undefined when the value is no message. Fields that a message does not have are dropped. */
export function readObjectMessage(value: unknown): ObjectMessage | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const given = value as Record<string, unknown>;
  const { t } = given;
  if (typeof t !== "string" || !Object.hasOwn(shapes, t)) return undefined;
  const shape = shapes[t as ObjectMessage["t"]];
  const message: Record<string, unknown> = { t };
  for (const [field, kind] of Object.entries(shape)) {
    const each = given[field];
    if (t === "held" && field === "reason" && each === undefined) continue;
    if (!isOf(kind, each)) return undefined;
    message[field] = each;
  }
  return message as ObjectMessage;
}

function isOf(kind: Shape[string], value: unknown): boolean {
  switch (kind) {
    case "u32":
      return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff;
    case "size":
      return Number.isSafeInteger(value) && (value as number) >= 0;
    case "reason":
      return typeof value === "string" && Object.hasOwn(reasons, value);
    case "nodes":
      return (
        Array.isArray(value) && value.length <= mostFailedSources && value.every((each) => isOf("u32", each))
      );
  }
}
