import type { ObjectMessage, ObjectName } from "../protocol/objects.ts";
import type { BlockName, RefusalReason } from "./store-events.ts";

/** What the transfer machine is told and what it asks for. */
export interface TransferOptions {
  /** This node. */
  readonly node: number;
  /** Most bytes being received at once; one larger object is received alone. */
  readonly receivingBytes: number;
  /** Most objects being received at once. */
  readonly receivingCount: number;
  /** A node that was asked and sends nothing for so long is asked no more; longer for those further from the home. */
  readonly stallMs: number;
  /** How long a full store may make no progress before what waits for room is given up. */
  readonly fullMs: number;
}

/** Why a fetch fails. nodeLost: the home of the object is gone. */
export type FetchFailure = RefusalReason | "nodeLost";

export type TransferEvent =
  /** A process of this node wants a copy. Each request gets one answer, unless its process ends. */
  | {
      readonly kind: "fetch";
      readonly request: number;
      readonly process: number;
      readonly object: ObjectName;
      readonly sizeBytes: number;
      /** A running task waits for it: it comes before what tasks need that have not begun. */
      readonly isUrgent: boolean;
    }
  | ({ readonly kind: "allocated"; readonly copy: number } & BlockName)
  | { readonly kind: "allocateFailed"; readonly copy: number; readonly reason: RefusalReason }
  | { readonly kind: "message"; readonly node: number; readonly message: ObjectMessage }
  /** A piece is here, in the hands of whoever tells of it. */
  | {
      readonly kind: "arrived";
      readonly node: number;
      readonly pull: number;
      readonly offset: number;
      readonly bytes: number;
      readonly isIntact: boolean;
    }
  | { readonly kind: "opened"; readonly send: number; readonly sizeBytes: number }
  | { readonly kind: "openFailed"; readonly send: number; readonly reason: RefusalReason }
  /** So many bytes may be sent to a node now. */
  | { readonly kind: "room"; readonly node: number; readonly bytes: number }
  /** A watched block of this store is gone: an object that was sent, or a copy. */
  | ({ readonly kind: "gone" } & BlockName)
  | { readonly kind: "processEnded"; readonly process: number }
  /** `isOver`: nobody asks for its objects any more, so that copies of them are not worth keeping. */
  | { readonly kind: "nodeLost"; readonly node: number; readonly isOver?: boolean }
  /** The node is there, and has forgotten what was under way: it is asked anew. */
  | { readonly kind: "nodeForgot"; readonly node: number }
  /** About once a second while `isActive`. `progress` changes when the store gets somewhere. */
  | { readonly kind: "tick"; readonly nowMs: number; readonly progress: number };

export type TransferInstruction =
  | { readonly kind: "message"; readonly node: number; readonly message: ObjectMessage }
  /** Take a block for a copy, patiently; answer `allocated` or `allocateFailed`. */
  | { readonly kind: "allocate"; readonly copy: number; readonly sizeBytes: number }
  /** Give that up: the answer is due nevertheless. */
  | { readonly kind: "cancelAllocate"; readonly copy: number }
  /** Write the piece that arrived. */
  | { readonly kind: "write"; readonly copy: number; readonly offset: number }
  /** Hold the copy for the process, then answer the request. */
  | {
      readonly kind: "grant";
      readonly copy: number;
      readonly request: number;
      readonly process: number;
    }
  | {
      readonly kind: "fail";
      readonly request: number;
      readonly reason: FetchFailure;
      /** The node that said so. */
      readonly node: number;
    }
  | { readonly kind: "seal"; readonly copy: number }
  /** The block of a copy that is not whole is given back. */
  | { readonly kind: "abandon"; readonly copy: number }
  /** The whole copy goes with its last pin. */
  | { readonly kind: "disown"; readonly copy: number }
  /** The copy is no concern of this machine any more. */
  | { readonly kind: "forget"; readonly copy: number }
  /**
   * Bring a block into memory and keep it there until `close`; answer `opened` or `openFailed`. `copy`: the block of that
   * copy, which is being written and can be read at once.
   */
  | ({ readonly kind: "open"; readonly send: number; readonly copy: number | undefined } & BlockName)
  /** Give that up: the answer is due nevertheless. */
  | { readonly kind: "cancelOpen"; readonly send: number }
  | { readonly kind: "close"; readonly send: number }
  | ({ readonly kind: "watch" } & BlockName)
  /** There is something to send to the node: tell how much room its link has. */
  | { readonly kind: "ready"; readonly node: number }
  | {
      readonly kind: "piece";
      readonly node: number;
      readonly send: number;
      readonly pull: number;
      readonly offset: number;
      readonly bytes: number;
    };

export interface TransferStats {
  /** Whole copies of other nodes' objects here. */
  readonly copies: number;
  readonly receiving: number;
  readonly receivingBytes: number;
  /** Waiting to be received. */
  readonly queued: number;
  readonly sending: number;
  /** Since the start, headers apart. */
  readonly receivedBytes: number;
  readonly sentBytes: number;
}
