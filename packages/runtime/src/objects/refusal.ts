import {
  formatNumberedId,
  IonoError,
  type ErrorCode,
  type RefusalReason,
  type StoreLocation,
} from "@iono/core";
import type { StoreReply } from "./store-protocol.ts";

interface Details {
  readonly sizeBytes?: number;
  readonly capacityBytes?: number;
  readonly location?: StoreLocation;
  /** The other node that refused. */
  readonly node?: number;
}

const codes: Readonly<Record<RefusalReason, ErrorCode>> = {
  full: "ObjectStoreFull",
  neverFits: "ObjectStoreFull",
  outOfDisk: "OutOfDisk",
  stale: "ObjectLost",
  lost: "ObjectLost",
  freed: "ObjectFreed",
};

/** The error a user sees when the store refuses. */
export function refusalError(reason: RefusalReason, details: Details = {}): IonoError {
  const { node } = details;
  const where = node === undefined ? "" : `${formatNumberedId("node", node)}: `;
  return new IonoError(codes[reason], where + describe(details)[reason]);
}

/** The error for a reply that is not the grant which was asked for. */
export function refused({ status }: StoreReply, details: Details): IonoError {
  return refusalError(status === "granted" || status === "waiting" ? "lost" : status, details);
}

function describe({ sizeBytes, capacityBytes, location }: Details): Readonly<Record<RefusalReason, string>> {
  const size = sizeBytes === undefined ? "the object" : `an object of ${sizeBytes} bytes`;
  const store =
    capacityBytes === undefined ? "the object store" : `the object store (${capacityBytes} bytes)`;
  const name = location === undefined ? "the object" : describeObject(location);
  return {
    full: `no room for ${size}: everything in ${store} is in use`,
    neverFits: `${size} is larger than ${store}`,
    outOfDisk: `no room for ${size}: ${store} is full, and nothing more can be written to the spill directory`,
    stale: `${name} is not in the object store any more: nothing held it`,
    lost: `the bytes of ${name} are gone: its writer died, or its copy on disk is damaged`,
    freed: `${name} was freed`,
  };
}

/** An object, as messages name it: `object 12.3 of node-2 (4096 bytes)`. */
export function describeObject({ node, block, generation, size }: StoreLocation): string {
  const where = node === 0 ? "" : ` of ${formatNumberedId("node", node)}`;
  return `object ${block}.${generation}${where} (${size} bytes)`;
}
