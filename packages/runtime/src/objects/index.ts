export { memoryLimitBytes, storeCapacityBytes } from "./capacity.ts";
export { StoreHandle } from "./handles.ts";
export type { LocalStore } from "./local-store.ts";
export { copyLimitBytes, StoreClient } from "./store-client.ts";
export type { StoreClientOptions } from "./store-client.ts";
export { storeSpillDirs } from "./spill-directories.ts";
export { StoreServer, storeHostProcess } from "./store-server.ts";
export type { StoreServerOptions } from "./store-server.ts";
export { isMapped } from "./transfer-guard.ts";
