/** Ray's rows of actor calls: `ray_perf.py`, from "1:1 actor calls sync" to "n:n async-actor calls async". */
import { get, put, remote } from "iono";
import type { ActorHandle } from "iono";
import type { Row } from "../row.ts";
import { ACTORS, CLIENTS, times } from "./shape.ts";

const BATCH = 1_000;
const MANY = 5_000;

const Server = remote(
  class {
    smallValue(): string {
      return "ok";
    }
    smallValueArg(_x: number): string {
      return "ok";
    }
  },
  { numCpus: 0 },
);

const AsyncServer = remote(
  class {
    async smallValue(): Promise<string> {
      return "ok";
    }
    async smallValueArg(_x: number): Promise<string> {
      return "ok";
    }
  },
);

type ServerHandle = ActorHandle<typeof Server>;
type AsyncServerHandle = ActorHandle<typeof AsyncServer>;
type Servers = ServerHandle[] | AsyncServerHandle[];

/** An actor that calls other actors. */
const Client = remote(
  class {
    readonly servers: Servers;
    constructor(servers: Servers) {
      this.servers = servers;
    }
    async smallValueBatch(count: number): Promise<void> {
      await get(this.servers.flatMap((server) => times(count, () => server.smallValue.remote())));
    }
    async smallValueBatchArg(count: number): Promise<void> {
      const x = put(0);
      await get(this.servers.flatMap((server) => times(count, () => server.smallValueArg.remote(x))));
    }
  },
  { numCpus: 0 },
);

/** A task that spreads calls over actors. */
const work = remote(async (servers: Servers): Promise<void> => {
  await get(times(MANY, (i) => servers[i % servers.length].smallValue.remote()));
});

const callSync =
  (make: () => ServerHandle | AsyncServerHandle): Row["prepare"] =>
  () => {
    const server = make();
    return { once: () => get(server.smallValue.remote()) };
  };

const callAsync =
  (make: () => ServerHandle | AsyncServerHandle): Row["prepare"] =>
  () => {
    const server = make();
    return { once: () => get(times(BATCH, () => server.smallValue.remote())) };
  };

const oneToMany =
  (make: () => Servers): Row["prepare"] =>
  () => {
    const client = Client.remote(make());
    return { once: () => get(client.smallValueBatch.remote(MANY)) };
  };

const manyToMany =
  (make: () => Servers): Row["prepare"] =>
  () => {
    const servers = make();
    return { once: () => get(times(CLIENTS, () => work.remote(servers))) };
  };

function manyToManyWithArg(): ReturnType<Row["prepare"]> {
  const clients = times(ACTORS, () => Client.remote([Server.remote()]));
  return { once: () => get(clients.map((client) => client.smallValueBatchArg.remote(BATCH))) };
}

function asyncWithArgs(): ReturnType<Row["prepare"]> {
  const server = AsyncServer.remote();
  return { once: () => get(times(BATCH, (i) => server.smallValueArg.remote(i))) };
}

const servers = (): Servers => times(ACTORS, () => Server.remote());
const asyncServers = (): Servers => times(ACTORS, () => AsyncServer.remote());
const threaded = Server.options({ maxConcurrency: 16 });

const calls = (name: string, units: number, prepare: Row["prepare"]): Row => ({
  name,
  unit: "calls",
  units,
  prepare,
});

export const actorRows: Row[] = [
  calls(
    "1:1 actor calls sync",
    1,
    callSync(() => Server.remote()),
  ),
  calls(
    "1:1 actor calls async",
    BATCH,
    callAsync(() => Server.remote()),
  ),
  calls(
    "1:1 actor calls concurrent",
    BATCH,
    callAsync(() => threaded.remote()),
  ),
  calls("1:n actor calls async", MANY * ACTORS, oneToMany(servers)),
  calls("n:n actor calls async", MANY * CLIENTS, manyToMany(servers)),
  calls("n:n actor calls with arg async", BATCH * ACTORS, manyToManyWithArg),
  calls(
    "1:1 async-actor calls sync",
    1,
    callSync(() => AsyncServer.remote()),
  ),
  calls(
    "1:1 async-actor calls async",
    BATCH,
    callAsync(() => AsyncServer.remote()),
  ),
  calls("1:1 async-actor calls with args async", BATCH, asyncWithArgs),
  calls("1:n async-actor calls async", MANY * ACTORS, oneToMany(asyncServers)),
  calls("n:n async-actor calls async", MANY * CLIENTS, manyToMany(asyncServers)),
];
