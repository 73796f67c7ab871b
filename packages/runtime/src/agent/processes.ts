/** The processes of this node as the agent knows them: how to reach them, where they listen, how those ended that have. */
import { frameKinds, IonoError, type FromAgent } from "@iono/core";
import type { Link } from "../links/link.ts";
import { packMessage } from "../owner/payload.ts";

export interface Peer {
  readonly number: number;
  readonly link: Link;
  readonly pid: number;
  /** Where it listens; "" until it has said so. */
  path: string;
}

/** Who asked, and the id of the request. */
export interface Asker {
  readonly peer: Peer;
  readonly id: number;
}

/** How many ended processes are remembered with the reason; older ones are "unknown". */
const rememberedEnds = 10_000;

export class Processes {
  readonly #peers = new Map<number, Peer>();
  readonly #ended = new Map<number, string>();
  readonly #endWaiters = new Map<number, ((reason: string) => void)[]>();
  readonly #deathAskers = new Map<number, Asker[]>();
  readonly #addressAskers = new Map<number, Asker[]>();

  add(peer: Peer): void {
    this.#peers.set(peer.number, peer);
  }

  get(number: number): Peer | undefined {
    return this.#peers.get(number);
  }

  // messages

  send(to: number, message: FromAgent): void {
    const peer = this.#peers.get(to);
    if (peer !== undefined && !peer.link.closed)
      peer.link.send("control", frameKinds.control, packMessage(message));
  }

  sendAll(message: FromAgent): void {
    for (const number of this.#peers.keys()) this.send(number, message);
  }

  reply({ peer, id }: Asker, value: unknown): void {
    this.send(peer.number, { t: "reply", id, value });
  }

  refuse({ peer, id }: Asker, error: IonoError): void {
    this.send(peer.number, {
      t: "reply",
      id,
      value: null,
      error: { code: error.code, message: error.message },
    });
  }

  // what becomes of them

  listens(peer: Peer, path: string): void {
    peer.path = path;
    for (const asker of take(this.#addressAskers, peer.number)) this.reply(asker, { path, pid: peer.pid });
  }

  /** A process is gone: those who asked for it are told. */
  ended(number: number, reason: string): void {
    this.#peers.delete(number);
    this.#ended.set(number, reason);
    if (this.#ended.size > rememberedEnds) {
      const oldest = this.#ended.keys().next().value;
      if (oldest !== undefined) this.#ended.delete(oldest);
    }
    for (const resolve of take(this.#endWaiters, number)) resolve(reason);
    for (const asker of take(this.#deathAskers, number)) this.reply(asker, reason);
    for (const asker of take(this.#addressAskers, number)) this.#refuseGone(asker, number);
  }

  // questions

  /** Where a process listens: answered once it does. */
  address(asker: Asker, process: number): void {
    const target = this.#peers.get(process);
    if (target === undefined) this.#refuseGone(asker, process);
    else if (target.path !== "") this.reply(asker, { path: target.path, pid: target.pid });
    else push(this.#addressAskers, process, asker);
  }

  /** How a process ended: answered once it has. */
  deathReason(asker: Asker, process: number): void {
    const reason = this.#ended.get(process);
    if (reason !== undefined) this.reply(asker, reason);
    else push(this.#deathAskers, process, asker);
  }

  /** Resolves with how a process ended, once it has. */
  whenEnded(process: number): Promise<string> {
    const reason = this.#ended.get(process);
    if (reason !== undefined) return Promise.resolve(reason);
    if (!this.#peers.has(process)) return Promise.resolve("it is not known");
    return new Promise((resolve) => push(this.#endWaiters, process, resolve));
  }

  #refuseGone(asker: Asker, process: number): void {
    this.refuse(
      asker,
      new IonoError("OwnerDied", `process ${process} has ended: ${this.#ended.get(process) ?? "unknown"}`),
    );
  }
}

function take<K, V>(map: Map<K, V[]>, key: K): readonly V[] {
  const list = map.get(key) ?? [];
  map.delete(key);
  return list;
}

export function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
