export { errorTable, IonoError, CannotTravelError, isTaskError } from "./errors.ts";
export type { ErrorCode, RemoteOrigin } from "./errors.ts";
