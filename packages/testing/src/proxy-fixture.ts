/** What the tests of the proxy share: a target, clients, and what each end heard. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { startProxy } from "./proxy.ts";
import type { Address, ProxyOptions, TcpProxy } from "./proxy.ts";

/** One end of a connection and what it heard. */
export class End {
  readonly socket: Socket;
  readonly chunks: Buffer[] = [];
  ended = false;
  closed = false;
  error: string | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.chunks.push(chunk));
    socket.on("end", () => (this.ended = true));
    socket.on("close", () => (this.closed = true));
    socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code));
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get length(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0);
  }

  get text(): string {
    return this.bytes.toString();
  }
}

/** Turns the event loop until it holds; the test's own time limit is the only one. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn();
}

/** Bytes in which a gap or a swap would show. */
export function patternOf(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 31 + (i >> 8);
  return bytes;
}

/** A target on a port of its own. */
export class Target {
  readonly arrived: End[] = [];
  readonly #server: Server;

  /** Each connection is greeted with `greeting`. */
  constructor(greeting = "") {
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      if (greeting !== "") socket.write(greeting);
      this.arrived.push(new End(socket));
    });
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get address(): Address {
    return { host: "127.0.0.1", port: (this.#server.address() as AddressInfo).port };
  }

  close(): void {
    for (const { socket } of this.arrived) socket.destroy();
    this.#server.close();
  }
}

/** Proxies before one target, and their clients; closed together. */
export class ProxyBench {
  readonly target = new Target();
  readonly #clients: End[] = [];
  readonly #proxies: TcpProxy[] = [];

  static async start(): Promise<ProxyBench> {
    const bench = new ProxyBench();
    await bench.target.listen();
    return bench;
  }

  async close(): Promise<void> {
    for (const { socket } of this.#clients) socket.destroy();
    for (const proxy of this.#proxies) await proxy.close();
    this.target.close();
  }

  async proxy(options: Partial<ProxyOptions> = {}): Promise<TcpProxy> {
    const proxy = await startProxy({ target: this.target.address, ...options });
    this.#proxies.push(proxy);
    return proxy;
  }

  /** A client on its way. */
  knock({ host, port }: TcpProxy): End {
    const end = new End(connect({ host, port, allowHalfOpen: true, noDelay: true }));
    this.#clients.push(end);
    return end;
  }

  /** A client that is connected, at least to the proxy. */
  async dial(proxy: TcpProxy): Promise<End> {
    const end = this.knock(proxy);
    await once(end.socket, "connect");
    return end;
  }

  /** Both ends of a new connection through the proxy. */
  async pair(proxy: TcpProxy): Promise<{ client: End; server: End }> {
    const { arrived } = this.target;
    const before = arrived.length;
    const client = await this.dial(proxy);
    await until(() => arrived.length > before);
    return { client, server: arrived[before] };
  }
}
