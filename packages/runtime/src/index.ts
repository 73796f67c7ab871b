/** What users import. */
export { CannotTravelError, errorTable, IonoError, isTaskError } from "@iono/core";
export type {
  ActorOptions,
  Duration,
  ErrorCode,
  GetOptions,
  InitOptions,
  MethodOptions,
  RemoteOrigin,
  Size,
  TaskOptions,
  WaitOptions,
} from "@iono/core";
export { exitActor, getActor, kill, listNamedActors } from "./api/actors.ts";
export { availableResources, clusterResources, nodes, runtimeContext } from "./api/context.ts";
export type { NodeStatus } from "./api/context.ts";
export { init, shutdown } from "./api/init.ts";
export type { Cluster } from "./api/init.ts";
export { cancel, free, get, objectLocations, put, putAsync, wait } from "./api/objects.ts";
export type { ObjectLocation } from "./api/objects.ts";
export { ActorPool, map, Queue } from "./api/library.ts";
export { remote } from "./api/remote.ts";
export type {
  ActorHandle,
  ObjectRef,
  ObjectRefStream,
  RemoteClass,
  RemoteFunction,
  RemoteMethod,
  Resolved,
  RuntimeContext,
} from "./api/types.ts";
export { registerType } from "./values/index.ts";
export type { TypeCodec } from "./values/index.ts";
