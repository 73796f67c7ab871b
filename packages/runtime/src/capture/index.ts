export { hasPrivateFields } from "./class-shape.ts";
export { programEntryUrl } from "./entry.ts";
export { imageOf } from "./image.ts";
export type { CaptureContext } from "./image.ts";
export { instantiate, knownFunction, originOf, rememberOrigin, unitById } from "./instantiate.ts";
export { importingModule, isImporting, loadModules, moduleNamespace } from "./modules.ts";
export { installEntryGuard, provideEntryExport } from "./resolve-hook.ts";
export type { EntryGuard } from "./resolve-hook.ts";
export { isVolatile } from "./volatile.ts";
