/** What is built on tasks and actors alone, joined to the runtime of this process. */
import { limits, unitsPerResource } from "@iono/core";
import { ActorPoolBase, type PoolRuntime } from "./actor-pool.ts";
import { kill } from "./actors.ts";
import { runtimeContext } from "./context.ts";
import { createMap, type MapFunction } from "./map.ts";
import { cancel, get } from "./objects.ts";
import { QueueActor } from "./queue-actor.ts";
import { QueueClient, type QueueHandle, type QueueRuntime } from "./queue.ts";
import { remote } from "./remote.ts";
import { currentMember } from "./runtime.ts";
import type { AnyClass } from "./types.ts";

/** A function, or a method of actors, over everything an iterable yields. */
export const map: MapFunction = createMap({
  // Functions and classes go the same way; `remote` tells them apart itself.
  remote: (target) => remote(target as AnyClass),
  get,
  cancel: (ref) => cancel(ref),
  kill,
  cpus: () => (currentMember().options.resources["CPU"] ?? 0) / unitsPerResource,
  get progressOutput() {
    return process.stderr;
  },
  now: () => performance.now(),
});

/** The actor of a Queue: its waits end when the call that waits is cancelled. */
export class SharedQueueActor extends QueueActor {
  protected override callSignal(): AbortSignal {
    return runtimeContext().signal;
  }
}

const queueRuntime: QueueRuntime = {
  create: (maxSize, options): QueueHandle =>
    // Whoever waits, waits inside a call: the number of calls must not be what limits them.
    remote(SharedQueueActor, { ...options, maxConcurrency: limits.queueItems.value }).remote(maxSize),
  get,
  kill,
};

/**
 * A first-in-first-out queue that tasks and actors share: `const q = new Queue<number>({ maxSize: 100 })`. It may be
 * passed to them; its actor ends with the last handle, or by `shutdown()`.
 */
export class Queue<T> extends QueueClient<T> {
  protected override runtime(): QueueRuntime {
    return queueRuntime;
  }
}

const poolRuntime: PoolRuntime = { get, cancel: (ref) => cancel(ref) };

/** A pool of actors that share out calls: `new ActorPool([Counter.remote(), Counter.remote()])`. */
export class ActorPool<A extends object, R = unknown> extends ActorPoolBase<A, R> {
  protected override runtime(): PoolRuntime {
    return poolRuntime;
  }
}
