import { IonoError, type RefusalReason, type StoreLocation } from "@iono/core";

/** The error a user sees when the store refuses. */
export function refusalError(
  reason: RefusalReason,
  details: {
    readonly sizeBytes?: number;
    readonly capacityBytes?: number;
    readonly location?: StoreLocation;
  } = {},
): IonoError {
  const size = details.sizeBytes === undefined ? "the object" : `an object of ${details.sizeBytes} bytes`;
  const name =
    details.location === undefined
      ? "the object"
      : `object ${details.location.block}.${details.location.generation} (${details.location.size} bytes)`;
  switch (reason) {
    case "full":
      return new IonoError(
        "ObjectStoreFull",
        `no room for ${size}: everything in the object store is in use`,
      );
    case "neverFits":
      return new IonoError(
        "ObjectStoreFull",
        `${size} is larger than the object store${details.capacityBytes === undefined ? "" : ` (${details.capacityBytes} bytes)`}`,
      );
    case "outOfDisk":
      return new IonoError(
        "OutOfDisk",
        `no room for ${size}: the object store is full and the spill directory too`,
      );
    case "stale":
      return new IonoError("ObjectLost", `${name} is not in the store any more: nothing held it`);
    case "lost":
      return new IonoError(
        "ObjectLost",
        `the bytes of ${name} are gone: its writer died, or its copy on disk is damaged`,
      );
    case "freed":
      return new IonoError("ObjectFreed", `${name} was freed`);
  }
}
