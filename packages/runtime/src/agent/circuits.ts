/**
 * Links between members of this node and of others. A member that wants to reach a process elsewhere connects here; the
 * agent there connects to that process in its name, and the agents carry the frames between them.
 */
import {
  circuitEnd,
  circuitHeaderBytes,
  frameKinds,
  linkPage,
  maxFrameBytes,
  nodeOf,
  writeCircuitFrame,
  type CircuitHello,
  type FrameKind,
} from "@iono/core";
import * as net from "node:net";
import type { Link } from "../links/link.ts";
import { publish } from "../links/publish.ts";
import { UnixLink } from "../links/unix.ts";
import { readHello, type Hello } from "../member/hello.ts";
import { packMessage, unpackMessage } from "../owner/payload.ts";
import { platform } from "../platform/index.ts";
import { FarClaims } from "./far-claims.ts";

export interface CircuitsPort {
  readonly node: number;
  readonly secret: string;
  /** Where a process of this node listens; undefined when it has ended. */
  pathOf(process: number): string | undefined;
  /** The control link to another node. */
  link(node: number): Link;
  /** A process of this node is about to reach a node. */
  opening(process: number, node: number): void;
}

interface Circuit {
  readonly node: number;
  /** As this side sends it. */
  readonly id: number;
  readonly member: UnixLink;
  /** Of a link to a worker of this node that is sent work. */
  readonly claims: FarClaims | null;
}

const helloBytes = 4096;
/** A member that connects says at once to whom. */
const mostSilent = 128;
const nothing = new Uint8Array(0);

export class Circuits {
  readonly #port: CircuitsPort;
  /** By node and id, as the other side sends it. */
  readonly #circuits = new Map<string, Circuit>();
  readonly #silent = new Set<UnixLink>();
  #count = 0;
  #close: (() => void) | null = null;

  constructor(port: CircuitsPort) {
    this.#port = port;
  }

  /** Resolves with the path where members connect. */
  async listen(): Promise<string> {
    const { path, close } = await publish(net.createServer((socket) => this.#accept(socket)));
    this.#close = close;
    return path;
  }

  get size(): number {
    return this.#circuits.size;
  }

  /** A frame of another node's agent. */
  frame(node: number, chunk: Buffer, start: number, end: number): void {
    if (end - start < circuitHeaderBytes) return;
    const id = chunk.readUInt32LE(start);
    const kind = chunk[start + 4];
    const from = start + circuitHeaderBytes;
    if (kind === frameKinds.hello) {
      this.#open(node, id, unpackMessage(chunk, from, end) as CircuitHello);
      return;
    }
    const circuit = this.#circuits.get(keyOf(node, id));
    if (circuit === undefined) return;
    if (kind === circuitEnd) {
      this.#circuits.delete(keyOf(node, id));
      circuit.member.close();
      circuit.claims?.close();
      return;
    }
    const payload = chunk.subarray(from, end);
    if (circuit.claims?.fromOwner(kind, payload) === true) return;
    circuit.member.send(chunk[start + 5] === 1 ? "data" : "control", kind as FrameKind, payload);
  }

  /** Another node is gone: so are its ends of circuits. */
  nodeLost(node: number): void {
    for (const [key, circuit] of this.#circuits) {
      if (circuit.node !== node) continue;
      this.#circuits.delete(key);
      circuit.member.destroy();
      circuit.claims?.close();
    }
  }

  /** The link to a node is full, or takes frames again. */
  setPaused(node: number, isPaused: boolean): void {
    for (const circuit of this.#circuits.values())
      if (circuit.node === node) circuit.member.setPaused(isPaused);
  }

  close(): void {
    this.#close?.();
    for (const { member, claims } of this.#circuits.values()) {
      member.destroy();
      claims?.close();
    }
    for (const link of this.#silent) link.destroy();
    this.#circuits.clear();
  }

  // a member of this node connects

  #accept(socket: net.Socket): void {
    let circuit: Circuit | null = null;
    const link: UnixLink = new UnixLink(socket, {
      frame: (kind, chunk, start, end, isData) => {
        if (circuit !== null) {
          this.#send(circuit, kind, chunk.subarray(start, end), isData === true);
          return;
        }
        this.#silent.delete(link);
        const hello = readHello(kind, chunk, start, end, this.#port.secret);
        if (hello === null || hello.to === undefined || nodeOf(hello.to) === this.#port.node) link.destroy();
        else {
          link.maxFrameBytes = maxFrameBytes;
          circuit = this.#begin(hello, hello.to, link);
        }
      },
      closed: () => {
        this.#silent.delete(link);
        if (circuit !== null) this.#memberClosed(circuit);
      },
    });
    link.maxFrameBytes = helloBytes;
    this.#silent.add(link);
    if (this.#silent.size <= mostSilent) return;
    const [oldest] = this.#silent;
    oldest.destroy();
  }

  #begin(hello: Hello, to: number, member: UnixLink): Circuit {
    const count = (this.#count = (this.#count + 1) % 2 ** 31);
    const circuit: Circuit = { node: nodeOf(to), id: count * 2 + 1, member, claims: null };
    this.#circuits.set(keyOf(circuit.node, count * 2), circuit);
    this.#port.opening(hello.process, circuit.node);
    const opening: CircuitHello = { from: hello.process, to, work: hello.work === true };
    this.#send(circuit, frameKinds.hello, packMessage(opening), false);
    return circuit;
  }

  // a process of another node is connected

  #open(node: number, id: number, { from, to, work }: CircuitHello): void {
    const path = this.#port.pathOf(to);
    if (path === undefined || path === "" || nodeOf(from) !== node || this.#circuits.has(keyOf(node, id))) {
      this.#port
        .link(node)
        .send("control", frameKinds.circuit, writeCircuitFrame(id - 1, circuitEnd, false, nothing));
      return;
    }
    const page = work ? platform().sharedPages?.create(linkPage.totalBytes) : undefined;
    const member = UnixLink.connect(path, { frame() {}, closed() {} });
    const circuit: Circuit = {
      node,
      id: id - 1,
      member,
      claims:
        page === undefined
          ? null
          : new FarClaims(page, (kind, payload) => this.#send(circuit, kind, payload, false)),
    };
    member.listen({
      frame: (kind, chunk, start, end, isData) => {
        this.#send(circuit, kind, chunk.subarray(start, end), isData === true);
        circuit.claims?.progressed();
      },
      closed: () => {
        circuit.claims?.ended();
        this.#memberClosed(circuit);
      },
    });
    this.#circuits.set(keyOf(node, id), circuit);
    const hello: Hello = {
      secret: this.#port.secret,
      process: from,
      page: page === undefined ? null : `/proc/${process.pid}/fd/${page.fd}`,
    };
    member.send("control", frameKinds.hello, packMessage(hello));
  }

  #memberClosed(circuit: Circuit): void {
    const key = keyOf(circuit.node, circuit.id ^ 1);
    if (this.#circuits.get(key) !== circuit) return;
    this.#circuits.delete(key);
    this.#send(circuit, circuitEnd, nothing, false);
    circuit.claims?.close();
  }

  #send({ node, id }: Circuit, kind: number, payload: Uint8Array, isData: boolean): void {
    const link = this.#port.link(node);
    if (link.closed) return;
    const frame = writeCircuitFrame(id, kind, isData, payload);
    if (!link.send(isData ? "data" : "control", frameKinds.circuit, frame)) this.setPaused(node, true);
  }
}

/** `id` as the other side sends it: the opener's is odd. */
function keyOf(node: number, id: number): string {
  return `${node}:${id}`;
}
