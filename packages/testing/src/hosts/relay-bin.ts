/** A chaos proxy as a process, told by its parent what to do. See relay.ts. */
import { startProxy } from "../proxy.ts";
import type { RelayReply, RelayRequest, RelayStart } from "./relay.ts";

function reply(message: RelayReply): void {
  process.send?.(message);
}

const proxy = await startProxy(JSON.parse(process.argv[2]) as RelayStart);
// Without the parent nobody can want it.
process.once("disconnect", () => void proxy.close().then(() => process.exit()));
process.on("message", ({ id, method, args }: RelayRequest) => {
  const done = async (): Promise<void> => {
    // The request's type has tied the arguments to the method.
    await (proxy[method] as (...given: readonly unknown[]) => unknown)(...args);
  };
  done().then(
    () => reply({ id, counters: proxy.counters, error: undefined }),
    (error: Error) => reply({ id, counters: proxy.counters, error: error.message }),
  );
});
reply({ id: 0, port: proxy.port, counters: proxy.counters, error: undefined });
