import { setTimeout as sleep } from "node:timers/promises";

/**
 * Bytes this process uses of V8's heap and of memory tied to it, after full collections with turns of the
 * event loop between them, so that finalizers have run. Needs `node --expose-gc`.
 */
export async function collected(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error("run this with node --expose-gc");
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await sleep(10);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
