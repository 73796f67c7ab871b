/** A node as a gateway sees it, in the hands of a test: one connection, on which anything can be sent. */
import { channels, datagramHeaderBytes, hop, writeDatagramHeader, type Channel } from "@iono/core";
import { Dealer } from "zeromq";
import { makeHello } from "../hello.ts";
import { makeKeys, type CurveKeys } from "../keys.ts";
import { StartedGateway, type StartedGatewayOptions } from "./client-started.ts";

export const clusterId = "test-cluster";

export function datagram(
  from: number,
  to: number,
  body: string | Buffer,
  channel: Channel = channels.control,
): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(datagramHeaderBytes), Buffer.from(body)]);
  writeDatagramHeader(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), { channel, from, to });
  return bytes;
}

export function bodyOf(bytes: Buffer): string {
  return bytes.toString("utf8", datagramHeaderBytes);
}

export function startGateway(options: Partial<StartedGatewayOptions> = {}): Promise<StartedGateway> {
  return StartedGateway.start({
    host: "127.0.0.1",
    port: 0,
    joinPort: 0,
    keys: makeKeys(),
    clusterId,
    serves: [0],
    guards: true,
    ...options,
  });
}

/** Resolves when `check` gives something; it is asked again and again. */
export async function until<T>(
  check: () => T | Promise<T>,
  what: string,
  timeoutMs = 15_000,
): Promise<Exclude<T, undefined | false>> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>;
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export interface PeerOptions {
  readonly node: number;
  readonly channel?: Channel;
  readonly keys?: CurveKeys;
  readonly serverKey: string;
  readonly port: number;
  readonly clusterId?: string;
  readonly routingId?: string;
  /** It does not read what is sent to it. */
  readonly isDeaf?: boolean;
}

export class TestPeer {
  readonly node: number;
  readonly channel: Channel;
  readonly keys: CurveKeys;
  readonly socket: Dealer;
  /** Datagrams that arrived, and all other messages by their first letter. */
  readonly datagrams: Buffer[] = [];
  readonly others: Buffer[] = [];
  readonly #serverKey: string;
  readonly #clusterId: string;

  constructor(options: PeerOptions) {
    this.node = options.node;
    this.channel = options.channel ?? channels.control;
    this.keys = options.keys ?? makeKeys();
    this.#serverKey = options.serverKey;
    this.#clusterId = options.clusterId ?? clusterId;
    this.socket = new Dealer({
      curveServerKey: options.serverKey,
      curvePublicKey: this.keys.publicKey,
      curveSecretKey: this.keys.secretKey,
      immediate: true,
      linger: 0,
      reconnectInterval: 50,
      receiveHighWaterMark: options.isDeaf === true ? 1 : 1000,
      ...(options.routingId === undefined ? {} : { routingId: options.routingId }),
    });
    this.socket.connect(`tcp://127.0.0.1:${options.port}`);
    if (options.isDeaf !== true) void this.#read();
  }

  hello(node = this.node): Promise<void> {
    const identity = { clusterId: this.#clusterId, node, channel: this.channel };
    return this.socket.send(makeHello(identity, this.keys, this.#serverKey));
  }

  /** Says hello and waits for the welcome. */
  async greet(): Promise<this> {
    await this.hello();
    await this.other(hop.welcome);
    return this;
  }

  /** Says hello, again when it is told to do so later, until it is welcome. */
  async greetPatiently(): Promise<void> {
    let lateMs = 0;
    await until(async () => {
      if (performance.now() > lateMs) {
        lateMs = performance.now() + 300;
        await this.hello();
      }
      return this.others.some((each) => each[0] === hop.welcome);
    }, `a welcome for node ${this.node}`);
  }

  send(to: number, body: string | Buffer, from = this.node, channel = this.channel): Promise<void> {
    return this.socket.send(datagram(from, to, body, channel));
  }

  /** The next message of the kind, which it takes away. */
  other(kind: number): Promise<Buffer> {
    return until(
      () => {
        const at = this.others.findIndex((each) => each[0] === kind);
        return at < 0 ? undefined : this.others.splice(at, 1)[0];
      },
      `a message ${String.fromCodePoint(kind)} for node ${this.node}`,
    );
  }

  async next(): Promise<string> {
    return bodyOf(await until(() => this.datagrams.shift(), `a datagram for node ${this.node}`));
  }

  close(): void {
    this.socket.close();
  }

  async #read(): Promise<void> {
    while (!this.socket.closed) {
      try {
        const [frame] = await this.socket.receive();
        if (frame[0] === 1) this.datagrams.push(frame);
        else this.others.push(frame);
      } catch {
        return;
      }
    }
  }
}
