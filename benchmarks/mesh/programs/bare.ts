/**
 * What ZeroMQ with CURVE moves between two processes of this machine, with nothing of ours:
 * `node mesh/programs/bare.ts --out <file> --zeromq <folder> --bytes <n> --rounds <n>` writes seconds as a JSON array.
 * Messages of 1 MiB from a DEALER to a ROUTER that waits in another process, and an answer to the last.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { parseArgs } from "node:util";

const MESSAGE = 1024 * 1024;
/** Memory that was received is freed in later turns of the event loop only. */
const MESSAGES_A_TURN = 64;

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    zeromq: { type: "string" },
    bytes: { type: "string" },
    rounds: { type: "string" },
    serve: { type: "boolean", default: false },
  },
});
const { out, zeromq: folder } = values;
if (folder === undefined) throw new Error("--zeromq <folder> is missing");
const bytes = Number(values.bytes);
const rounds = Number(values.rounds);

interface Socket {
  bind(endpoint: string): Promise<void>;
  connect(endpoint: string): void;
  send(parts: unknown): Promise<void>;
  receive(): Promise<Buffer[]>;
  close(): void;
  lastEndpoint: string;
}
interface Zmq {
  Router: new (options: object) => Socket;
  Dealer: new (options: object) => Socket;
  curveKeyPair(): { publicKey: string; secretKey: string };
}
const zmq = createRequire(join(folder, "package.json"))("zeromq") as Zmq;

if (values.serve) await serve();
else await measure();

async function serve(): Promise<void> {
  const { publicKey, secretKey } = zmq.curveKeyPair();
  const router = new zmq.Router({ curveServer: true, curveSecretKey: secretKey, linger: 0 });
  await router.bind("tcp://127.0.0.1:*");
  process.send?.({ endpoint: router.lastEndpoint, publicKey });
  for (let round = 0; round < rounds; round++) {
    let received = 0;
    for (let count = 1; ; count++) {
      const [sender, message] = await router.receive();
      received += message.length;
      if (count % MESSAGES_A_TURN === 0) await turn();
      if (received < bytes) continue;
      await router.send([sender, "done"]);
      break;
    }
  }
  await once(process, "disconnect");
  router.close();
}

async function measure(): Promise<void> {
  if (out === undefined) throw new Error("--out <file> is missing");
  const server = fork(import.meta.filename, [...process.argv.slice(2), "--serve"]);
  const [{ endpoint, publicKey }] = (await once(server, "message")) as [
    { endpoint: string; publicKey: string },
  ];
  const own = zmq.curveKeyPair();
  const dealer = new zmq.Dealer({
    curveServerKey: publicKey,
    curvePublicKey: own.publicKey,
    curveSecretKey: own.secretKey,
    sendHighWaterMark: 16,
    linger: 0,
  });
  dealer.connect(endpoint);
  const message = Buffer.alloc(MESSAGE, 7);
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    for (let sent = 0; sent < bytes; sent += MESSAGE) await dealer.send(message);
    await dealer.receive();
    seconds.push((performance.now() - start) / 1000);
  }
  writeFileSync(out, JSON.stringify(seconds));
  server.disconnect();
  dealer.close();
}
