/** The processes of this node that a gateway serves: its parent, and those that connect to its own socket. */
import { FrameError, frameKinds, type FromGateway, type ToGateway } from "@iono/core";
import { createHash, timingSafeEqual } from "node:crypto";
import * as net from "node:net";
import type { LinkEvents } from "../../links/link.ts";
import { publish } from "../../links/publish.ts";
import { UnixLink } from "../../links/unix.ts";
import { packGatewayMessage, readForGateway } from "./messages.ts";

export interface LocalEvents {
  hello(local: number, message: Extract<ToGateway, { t: "hello" }>): void;
  /** From a process that has said hello. `guards`: it may say who is allowed. */
  message(local: number, guards: boolean, message: ToGateway): void;
  datagram(local: number, datagram: Buffer): void;
  closed(local: number): void;
}

interface Local {
  readonly number: number;
  readonly link: UnixLink;
  guards: boolean;
  isKnown: boolean;
}

const mostLocals = 16;
const helloMs = 5000;
/** Until it has said hello, and for the whole list of allowed nodes afterwards. */
const maxHelloBytes = 4096;
const maxMessageBytes = 8 * 1024 * 1024;
/** What may wait for a local process: control datagrams go on when those with pieces of objects do not. */
const queuedLimit = { control: 64 * 1024 * 1024, data: 32 * 1024 * 1024 } as const;

export class LocalLinks {
  readonly #secret: Buffer;
  readonly #events: LocalEvents;
  readonly #locals = new Map<number, Local>();
  #next = 1;
  #server: { close(): void } | null = null;

  constructor(secret: string, events: LocalEvents) {
    this.#secret = digest(secret);
    this.#events = events;
  }

  /** Listens for further processes of this node; resolves with where. */
  async open(): Promise<string> {
    const published = await publish(net.createServer((socket) => this.#accept(socket)));
    this.#server = published;
    return published.path;
  }

  close(): void {
    this.#server?.close();
    for (const { link } of this.#locals.values()) link.destroy();
  }

  /** `closed` is called when the link ends, besides what the events tell. */
  add(socket: net.Socket, closed?: () => void): void {
    const number = this.#next++;
    const timer = setTimeout(() => {
      if (!local.isKnown) link.destroy();
    }, helloMs);
    const events: LinkEvents = {
      frame: (kind, chunk, start, end) => {
        if (kind === frameKinds.datagram && local.isKnown)
          this.#events.datagram(number, chunk.subarray(start, end));
        else if (kind === frameKinds.gateway) this.#message(local, readForGateway(chunk, start, end));
        else throw new FrameError(`a frame of kind ${kind} at a gateway`);
      },
      closed: () => {
        clearTimeout(timer);
        this.#locals.delete(number);
        if (local.isKnown) this.#events.closed(number);
        closed?.();
      },
    };
    const link = new UnixLink(socket, events);
    link.maxFrameBytes = maxHelloBytes;
    const local: Local = { number, link, guards: false, isKnown: false };
    this.#locals.set(number, local);
  }

  send(local: number, message: FromGateway): void {
    this.#locals.get(local)?.link.send("control", frameKinds.gateway, packGatewayMessage(message));
  }

  sendAll(message: FromGateway, except = 0): void {
    for (const { number, isKnown } of this.#locals.values())
      if (isKnown && number !== except) this.send(number, message);
  }

  /** The process that answers joins; undefined while there is none. */
  guard(): number | undefined {
    let guard: number | undefined;
    // The newest: one that ended may not have been noticed yet.
    for (const { number, guards, isKnown } of this.#locals.values()) if (guards && isKnown) guard = number;
    return guard;
  }

  /** False: the process takes nothing now, and the datagram is dropped. */
  deliver(local: number, isControl: boolean, datagram: Buffer): boolean {
    const link = this.#locals.get(local)?.link;
    const lane = isControl ? "control" : "data";
    if (link === undefined || link.queuedBytes > queuedLimit[lane]) return false;
    link.send(lane, frameKinds.datagram, datagram);
    return true;
  }

  #accept(socket: net.Socket): void {
    if (this.#locals.size < mostLocals) this.add(socket);
    else socket.destroy();
  }

  #message(local: Local, message: ToGateway): void {
    if (message.t === "hello") {
      if (!timingSafeEqual(digest(message.secret), this.#secret))
        throw new FrameError("a hello with a wrong secret");
      local.isKnown = true;
      local.guards = message.guards;
      local.link.maxFrameBytes = maxMessageBytes;
      this.#events.hello(local.number, message);
    } else if (local.isKnown) this.#events.message(local.number, local.guards, message);
    else throw new FrameError("a process must say hello first");
  }
}

function digest(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
