import { IonoError, type ObjectMessage, type StoreLocation } from "@iono/core";
import type { FetchPurpose } from "./remote-objects.ts";
import type { StoreServer } from "./store-server.ts";

export interface TransfersOptions {
  /** The number of this node. */
  readonly node: number;
  /** Its `onGone` is set here. */
  readonly store: StoreServer;
  /** Sends messages over the control link to a node, in order. A node that is gone: does nothing. */
  send(node: number, messages: readonly ObjectMessage[]): void;
  /** Sends a payload over the bulk link to a node. False: pause until `drained(node)`. The buffer is not used again here. */
  sendPieces(node: number, payload: Buffer): boolean;
  readonly onWarning?: (message: string) => void;
}

/** Objects that come from other nodes and go there, in the agent: the I/O around `TransferMachine`. */
export class Transfers {
  readonly options: TransfersOptions;

  constructor(options: TransfersOptions) {
    this.options = options;
  }

  // for the processes of this node

  /** A process of this node gets to know another node: call it before its first circuit there opens, so that results can be held for it. */
  meet(_process: number, _node: number): void {}

  /** Holds an object of another node for a process of this one. */
  async hold(_location: StoreLocation, _process: number): Promise<void> {
    throw new IonoError("Internal", "not yet");
  }

  release(_location: StoreLocation, _process: number): void {}

  free(_location: StoreLocation): void {}

  /** Brings a copy into this store; resolves to its location here, held for the process. */
  async fetch(_location: StoreLocation, _process: number, _purpose: FetchPurpose): Promise<StoreLocation> {
    throw new IonoError("Internal", "not yet");
  }

  /** A process of this node has ended. Call it after `StoreServer.processDied`. */
  processEnded(_process: number): void {}

  // from other nodes

  /** A list of messages that another node sent. Throws when it is none. */
  onMessages(_node: number, _messages: unknown): void {}

  /** A payload of the bulk link. Throws when it is none. */
  onPieces(_node: number, _payload: Uint8Array): void {}

  /** The bulk link to a node takes payloads again. */
  drained(_node: number): void {}

  /** A node is dead or has left. Its number does not come back. */
  nodeLost(_node: number, _reason: string): void {}

  close(): void {}
}
