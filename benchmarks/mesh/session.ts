/**
 * What sessions cost: bytes and small frames a second over CURVE on loopback, bare, in a session whose other end holds
 * the ROUTER, and in one whose other end is behind a gateway process. Run by hand:
 *
 *   node --conditions=iono-source benchmarks/mesh/session.ts [MiB] [small frames] [bare|session|gateway …]
 *
 * Not measured: real networks, several peers, other load on the machine. All processes share this machine's cores.
 */
/* oxlint-disable no-restricted-imports -- it measures what no package exports. */
import { frameKinds, headNode, type Channel } from "../../packages/core/src/index.ts";
import { fork, type ChildProcess } from "node:child_process";
import { createRequire } from "node:module";
import { setImmediate as turn } from "node:timers/promises";
import type * as Zmq from "../../packages/runtime/node_modules/zeromq/lib/index.js";
import type { Link } from "../../packages/runtime/src/links/link.ts";
import { StartedGateway } from "../../packages/runtime/src/mesh/gateway/client-started.ts";
import { makeHello } from "../../packages/runtime/src/mesh/hello.ts";
import { makeKeys, type CurveKeys } from "../../packages/runtime/src/mesh/keys.ts";
import { createMesh } from "../../packages/runtime/src/mesh/mesh.ts";
import type { Network } from "../../packages/runtime/src/mesh/network.ts";
import { RoutingNetwork } from "../../packages/runtime/src/mesh/routing-network.ts";

const zmq = createRequire(new URL("../../packages/runtime/package.json", import.meta.url))(
  "zeromq",
) as typeof Zmq;

type Mode = "bare" | "session" | "gateway";
const MiB = 1024 * 1024;
const clusterId = "benchmark";
const smallBytes = 64;

interface Start {
  readonly mode: Mode;
  readonly keys: CurveKeys;
  readonly clientKey: string;
  readonly bulkBytes: number;
  readonly smallFrames: number;
}

/** The other end as a ROUTER of its own: it takes whoever dials, and says welcome. */
class RouterNetwork implements Network {
  onDatagram: (datagram: Buffer) => void = () => {};
  readonly #router: Zmq.Router;
  readonly #identities: (Buffer | undefined)[] = [undefined, undefined];
  readonly #queue: Buffer[][] = [];
  #isSending = false;

  constructor(router: Zmq.Router) {
    this.#router = router;
    void this.#read();
  }

  send(datagram: Buffer): boolean {
    const identity = this.#identities[datagram[1]];
    if (identity === undefined) return false;
    this.#queue.push([identity, datagram]);
    if (!this.#isSending) void this.#write();
    return true;
  }

  async close(): Promise<void> {
    this.#router.close();
  }

  async #write(): Promise<void> {
    this.#isSending = true;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift())
      await this.#router.send(next);
    this.#isSending = false;
  }

  async #read(): Promise<void> {
    for (let count = 1; ; count++) {
      const [identity, frame] = await this.#router.receive();
      if (frame[0] === 0x48) {
        this.#identities[frame[2]] = identity;
        await this.#router.send([identity, Buffer.from([0x57])]);
      } else if (frame[0] === 1) this.onDatagram(frame);
      else if (frame[0] === 0x50) await this.#router.send([identity, Buffer.from([0x51])]);
      if (count % 64 === 0) await turn();
    }
  }
}

async function serve({ mode, keys, clientKey, bulkBytes, smallFrames }: Start): Promise<void> {
  const said = (message: object) => process.send?.(message);
  let close = async (): Promise<void> => {};
  process.on("disconnect", () => void close().then(() => process.exit()));
  if (mode === "bare") {
    const router = new zmq.Router({ curveServer: true, curveSecretKey: keys.secretKey, linger: 0 });
    await router.bind("tcp://127.0.0.1:*");
    said({ endpoint: router.lastEndpoint });
    for (let bytes = 0, count = 0; ;) {
      const [identity, frame] = await router.receive();
      bytes += frame.length;
      if (++count % 64 === 0) await turn();
      if (bytes < bulkBytes) continue;
      await router.send([identity, "done"]);
      return;
    }
  }
  let network: Network;
  if (mode === "session") {
    const router = new zmq.Router({ curveServer: true, curveSecretKey: keys.secretKey, linger: 0 });
    await router.bind("tcp://127.0.0.1:*");
    network = new RouterNetwork(router);
    said({ endpoint: router.lastEndpoint });
  } else {
    const gateway = await StartedGateway.start({
      host: "127.0.0.1",
      port: 0,
      joinPort: null,
      keys,
      clusterId,
      serves: [headNode],
      guards: true,
    });
    gateway.allow({ node: 1, publicKey: clientKey });
    network = gateway;
    said({ endpoint: `tcp://127.0.0.1:${gateway.bound?.port}` });
    close = () => gateway.close();
  }
  createMesh({
    node: headNode,
    network,
    events: {
      health: (_node, health) => console.error(health),
      linked: (_node, channel, link) => {
        let bytes = 0;
        let frames = 0;
        link.listen({
          frame: (_kind, _chunk, start, end) => {
            frames++;
            bytes += end - start;
            // Frames after the small ones are answered each.
            const isDone = channel === "bulk" ? bytes === bulkBytes : frames >= smallFrames;
            if (isDone) link.send("control", frameKinds.control, Buffer.from("done"));
          },
          closed: () => {},
        });
      },
    },
  });
}

async function measure(mode: Mode, bulkBytes: number, smallFrames: number): Promise<void> {
  const keys = makeKeys();
  const client = makeKeys();
  const child = fork(new URL(import.meta.url), ["serve"], { execArgv: process.execArgv });
  child.send({ mode, keys, clientKey: client.publicKey, bulkBytes, smallFrames } satisfies Start);
  const endpoint = await new Promise<string>((resolve) =>
    child.on("message", (message: { endpoint: string }) => resolve(message.endpoint)),
  );
  if (mode === "bare") await measureBare(endpoint, keys, client, bulkBytes);
  else await measureSession(mode, endpoint, keys, client, bulkBytes, smallFrames);
  await stop(child);
}

async function measureBare(endpoint: string, keys: CurveKeys, client: CurveKeys, bulkBytes: number) {
  const dealer = new zmq.Dealer({
    curveServerKey: keys.publicKey,
    curvePublicKey: client.publicKey,
    curveSecretKey: client.secretKey,
    sendHighWaterMark: 16,
    linger: 0,
  });
  dealer.connect(endpoint);
  const piece = Buffer.alloc(MiB, 7);
  const start = performance.now();
  for (let sent = 0; sent < bulkBytes; sent += MiB) await dealer.send(piece);
  await dealer.receive();
  report("bare", "bulk", bulkBytes, performance.now() - start);
  dealer.close();
}

async function measureSession(
  mode: Mode,
  endpoint: string,
  keys: CurveKeys,
  client: CurveKeys,
  bulkBytes: number,
  smallFrames: number,
): Promise<void> {
  const network = new RoutingNetwork({
    node: 1,
    keys: client,
    isDialable: false,
    head: { endpoint, publicKey: keys.publicKey },
    hello: (channel: Channel, serverKey) => makeHello({ clusterId, node: 1, channel }, client, serverKey),
    onTrouble: (_node, _channel, reason) => console.error(reason),
  });
  const mesh = createMesh({
    node: 1,
    network,
    events: { linked: () => {}, health: (_node, health) => console.error(health) },
  });
  const payload = Buffer.alloc(MiB, 7);
  const bulk = mesh.link(headNode, "bulk");
  let start = performance.now();
  const done = answer(bulk);
  for (let sent = 0; sent < bulkBytes; sent += payload.length) {
    if (!bulk.send("data", frameKinds.piece, payload)) await done.drained();
  }
  await done.heard;
  report(mode, "bulk", bulkBytes, performance.now() - start);

  const small = Buffer.alloc(smallBytes, 7);
  const control = mesh.link(headNode, "control");
  start = performance.now();
  const end = answer(control);
  for (let sent = 0; sent < smallFrames; sent++) {
    control.send("control", frameKinds.control, small);
    if (sent % 1000 === 999) await turn();
  }
  await end.heard;
  const ms = performance.now() - start;
  console.log(
    `${mode} control: ${Math.round(smallFrames / ms)} thousand frames/s (${smallBytes} bytes each)`,
  );
  const trips = 2000;
  const tripsStart = performance.now();
  for (let i = 0; i < trips; i++) {
    const echo = answer(control);
    control.send("control", frameKinds.control, small);
    await echo.heard;
  }
  const tripMs = (performance.now() - tripsStart) / trips;
  console.log(`${mode} round trip, one at a time: ${Math.round(tripMs * 1000)} µs`);
  await mesh.close();
}

function answer(link: Link): { heard: Promise<void>; drained(): Promise<void> } {
  let hear: () => void;
  let goOn: () => void = () => {};
  const heard = new Promise<void>((resolve) => (hear = resolve));
  link.listen({
    frame: () => hear(),
    closed: (error) => {
      if (error !== undefined) throw error;
    },
    drained: () => goOn(),
  });
  return { heard, drained: () => new Promise((resolve) => (goOn = resolve)) };
}

function report(mode: Mode, what: string, bytes: number, ms: number): void {
  console.log(`${mode} ${what}: ${Math.round(bytes / MiB / (ms / 1000))} MiB/s`);
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = new Promise((resolve) => child.once("exit", resolve));
  if (child.connected) child.disconnect();
  setTimeout(() => child.kill(), 1000).unref();
  await exited;
}

if (process.argv[2] === "serve") {
  process.once("message", (start: Start) => void serve(start));
} else {
  const [size = "1024", frames = "1000000", ...modes] = process.argv.slice(2);
  for (const mode of modes.length > 0 ? (modes as Mode[]) : (["bare", "session", "gateway"] as const))
    await measure(mode, Number(size) * MiB, Number(frames));
}
