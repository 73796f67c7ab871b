export { errorTable, IonoError, CannotTravelError, isTaskError } from "./errors.ts";
export type { ErrorCode, RemoteOrigin } from "./errors.ts";
export { dataLaneBit, FrameError, frameHeaderBytes, frameKinds, FrameParser, maxFrameBytes, writeFrameHeader } from "./protocol/frame.ts";
export type { FrameKind, FrameSink } from "./protocol/frame.ts";
export { claim, linkPage, resultEntryHeaderBytes, resultStatus, taskEntryHeaderBytes, taskFlags } from "./protocol/owner-worker.ts";
export { payloadForms, referenceKinds, referenceStates } from "./protocol/payload.ts";
export type { StoreLocation } from "./protocol/payload.ts";
