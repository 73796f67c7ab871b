export { imageOf } from "./image.ts";
export type { CaptureContext } from "./image.ts";
export { instantiate, unitById } from "./instantiate.ts";
export { loadModules, moduleNamespace } from "./modules.ts";
