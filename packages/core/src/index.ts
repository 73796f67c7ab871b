export { badOption, CannotTravelError, describeValue, errorsMarkdown, errorTable, IonoError, isTaskError } from "./errors.ts";
export type { ErrorCode, RemoteOrigin } from "./errors.ts";
export { formatNumberedId, formatOwnedId, formatRefId, parseNumberedId, parseOwnedId, parseRefId } from "./ids.ts";
export type { NumberedKind, OwnedId, OwnedKind } from "./ids.ts";
export { formatLabelConditions, matchesLabels, parseLabels, parseLabelSelector } from "./labels.ts";
export type { LabelCondition, Labels, LabelSelector } from "./labels.ts";
export { limits } from "./limits.ts";
export type { LimitName, LimitRow, LimitUnit } from "./limits.ts";
export {
  addResources,
  fits,
  gpuUnits,
  makeVector,
  missingResource,
  noResources,
  parseResources,
  parseShapeKey,
  resourceAmount,
  resourceAmounts,
  resourceUnits,
  shapeKey,
  subtractResources,
  unitsPerResource,
} from "./resources.ts";
export type { ResourceOptions, ResourceVector } from "./resources.ts";
export { formatDuration, formatSize, parseDuration, parseSize } from "./units.ts";
export type { Duration, DurationUnit, Size, SizeUnit } from "./units.ts";
export { dataLaneBit, FrameError, frameHeaderBytes, frameKinds, FrameParser, maxFrameBytes, writeFrameHeader } from "./protocol/frame.ts";
export type { FrameKind, FrameSink } from "./protocol/frame.ts";
export { claim, linkPage, resultEntryHeaderBytes, resultStatus, taskEntryHeaderBytes, taskFlags, wholeResult } from "./protocol/owner-worker.ts";
export { payloadForms, referenceKinds, referenceStates } from "./protocol/payload.ts";
export type { StoreLocation } from "./protocol/payload.ts";
