/**
 * The head of a cluster of several machines: which nodes there are, the view they share, actors and names. It is on the
 * path of no task. Messages of agents become events of machines in core; what those say goes back to the agents.
 */
import {
  ClusterView,
  creatorOf,
  frameKinds,
  IonoError,
  nodeOf,
  NodeTable,
  readNodeChange,
  type FromHead,
  type NodeEvent,
  type NodeInfo,
  type NodeInstruction,
  type NodeMessage,
  type NodeReport,
  type ToHead,
} from "@iono/core";
import type { LivingActor } from "../agent/head-connection.ts";
import type { Link } from "../links/link.ts";
import type { Mesh } from "../mesh/network.ts";
import { packMessage, unpackMessage } from "../owner/payload.ts";
import { Actors } from "./actors.ts";
import { Placements, shapeOf } from "./placements.ts";
import { ViewFeed } from "./view-feed.ts";

export interface HeadOptions {
  readonly clusterId: string;
  /** Where nodes dial, as they see it. */
  readonly endpoint: string;
  /** Lets a node's key through the gateway, or no longer. */
  allow(node: number, publicKey: string): void;
  revoke(node: number): void;
}

/** Told to all: its workers, actors and objects are gone with it. */
const inviteMs = 60_000;
/** After the 3 s that make a node suspect: 10.5 s in all. */
const lostMs = 7_500;
const tickMs = 500;

export class Head {
  readonly #options: HeadOptions;
  readonly #mesh: Mesh;
  readonly #table = new NodeTable({ inviteMs, lostMs });
  readonly #view = new ClusterView();
  readonly #feed: ViewFeed;
  readonly #actors: Actors;
  readonly #placements: Placements;
  #ticking: NodeJS.Timeout | undefined;
  readonly startedAtMs = Date.now();
  /** For `iono status`: questions put to agents. */
  readonly #asked = new Map<number, (value: unknown) => void>();
  #nextAsk = 1;

  constructor(options: HeadOptions, mesh: Mesh) {
    this.#options = options;
    this.#mesh = mesh;
    this.#feed = new ViewFeed(Date.now(), (delta) => {
      this.#view.apply(delta);
      this.#tellAll({ t: "view", delta });
      this.#placements.changed();
    });
    this.#placements = new Placements({
      view: this.#view,
      ask: (node, { actor, placement, running, detached }) => {
        const job = creatorOf(actor).process;
        this.#fromHead(node, { t: "place actor", actor, job, placement, running, detached });
      },
      withdraw: (node, actor) => this.#fromHead(node, { t: "withdraw actor", actor }),
      infeasible: (spec, missing) => {
        const driver = creatorOf(spec.actor).process;
        const shape = shapeOf(spec);
        this.tell(nodeOf(driver), { t: "infeasible", driver, shape, missing, actor: spec.actor });
      },
      hopeless: (actor, reason) => this.#actors.kill(actor, reason),
    });
    this.#actors = new Actors({
      send: (message) => this.#fromHead(nodeOf(message.process), message),
      place: (spec) => this.#placements.place(spec),
      withdraw: (actor) => this.#placements.withdraw(actor),
    });
  }

  // joining

  /** A token was redeemed. @throws IonoError when the node cannot be admitted. */
  join(report: NodeReport, publicKey: string): { node: number; name: string } {
    for (const said of this.#handle({ type: "join", report, publicKey, now: performance.now() })) {
      if (said.type === "admit") return { node: said.node, name: said.name };
      if (said.type === "refuse") throw new IonoError("JoinRefused", said.message);
    }
    throw new IonoError("Internal", "the node was neither admitted nor refused");
  }

  // links

  /** An agent has opened its link. */
  linked(node: number, link: Link): void {
    link.listen({
      frame: (kind, chunk, start, end) => {
        if (kind === frameKinds.mesh) this.#message(node, unpackMessage(chunk, start, end) as NodeMessage);
      },
      closed: () => {
        // It lost its state: whoever is there now has to join anew.
        if (this.#table.get(node)?.info !== undefined)
          this.#handle({ type: "leave", node, reason: "it ended" });
      },
    });
  }

  health(node: number, health: "up" | "suspect"): void {
    this.#handle({ type: health === "up" ? "heard" : "silent", node, now: performance.now() });
    this.#feed.change({ node, isAlive: health === "up" });
  }

  tell(node: number, message: NodeMessage): void {
    if (this.#table.get(node) === undefined) return;
    const link = this.#mesh.link(node, "control");
    if (!link.closed) link.send("control", frameKinds.mesh, packMessage(message));
  }

  #fromHead(node: number, message: FromHead): void {
    this.tell(node, { t: "from head", message });
  }

  #tellAll(message: NodeMessage, but = 0): void {
    for (const { node } of this.#table.living()) if (node !== but) this.tell(node, message);
  }

  #message(node: number, message: NodeMessage): void {
    switch (message.t) {
      case "register":
        this.#handle({ type: "register", node, report: message.info, now: performance.now() });
        break;
      case "leave":
        this.#handle({ type: "leave", node, reason: message.reason });
        break;
      case "usage": {
        const change = readNodeChange(message.change);
        // A node speaks for itself only.
        if (change !== undefined && change.node === node && this.#table.get(node) !== undefined)
          this.#feed.change(change);
        break;
      }
      case "view wanted":
        this.tell(node, { t: "view", delta: this.#feed.whole() });
        break;
      case "to head":
        if (this.#table.get(node) !== undefined) this.#toHead(node, message.message);
        break;
      case "answer":
        this.#asked.get(message.id)?.(message.value);
        break;
      case "status":
        this.tell(node, { t: "answer", id: message.id, value: { actors: this.#livingActors() } });
        break;
      default:
        break;
    }
  }

  #toHead(node: number, message: ToHead): void {
    if ("process" in message && nodeOf(message.process) !== node) return;
    if (message.t === "actor placed") this.#placements.placed(message.actor);
    if (message.t === "cannot start")
      for (const actor of this.#placements.pendingOn(node))
        this.#actors.kill(actor, `workers cannot start: ${message.reason}`);
    this.#actors.message(message);
  }

  // nodes

  #handle(event: NodeEvent): NodeInstruction[] {
    const instructions = this.#table.handle(event);
    for (const instruction of instructions) this.#perform(instruction);
    if (this.#table.wantsTicks && this.#ticking === undefined) {
      this.#ticking = setInterval(() => {
        this.#handle({ type: "tick", now: performance.now() });
        if (this.#table.wantsTicks) return;
        clearInterval(this.#ticking);
        this.#ticking = undefined;
      }, tickMs);
    }
    return instructions;
  }

  #perform(instruction: NodeInstruction): void {
    switch (instruction.type) {
      case "admit":
        this.#options.allow(instruction.node, instruction.publicKey);
        break;
      case "joined": {
        const { info } = instruction;
        this.#tellAll({ t: "nodes", joined: [info], left: [] }, info.node);
        this.tell(info.node, { t: "nodes", joined: this.#table.living(), left: [] });
        const { node, name, resources, labels } = info;
        this.#feed.change({ node, name, total: resources, available: resources, labels, isAlive: true });
        this.tell(node, { t: "view", delta: this.#feed.whole() });
        break;
      }
      case "gone":
        this.#gone(instruction.node, instruction.name, instruction.reason);
        break;
      case "fence": {
        const link = this.#mesh.link(instruction.node, "control");
        link.send("control", frameKinds.mesh, packMessage({ t: "fenced", reason: instruction.reason }));
        break;
      }
      case "refuse":
        break;
    }
  }

  #gone(node: number, name: string, reason: string): void {
    const link = this.#mesh.link(node, "control");
    const fenced: NodeMessage = { t: "fenced", reason };
    if (!link.closed) link.send("control", frameKinds.mesh, packMessage(fenced));
    this.#tellAll({ t: "nodes", joined: [], left: [{ node, name, reason }] });
    this.#feed.change({ node, isGone: true });
    this.#actors.nodeGone(node, `node ${name} is gone: ${reason}`);
    this.#placements.nodeGone(node);
    this.#options.revoke(node);
    this.#mesh.forget(node);
  }

  // what people ask

  nodes(): NodeInfo[] {
    return this.#table.living();
  }

  /** Everything, for `iono status`; nodes that do not answer in time are named without details. */
  async status(timeoutMs: number): Promise<object> {
    const nodes = await Promise.all(
      this.#table.living().map(async (info) => {
        const status = await this.#ask(info.node, timeoutMs);
        const roundTripMs = this.#mesh.roundTripMs(info.node) ?? null;
        return { ...info, state: this.#table.get(info.node)?.state ?? "gone", roundTripMs, status };
      }),
    );
    const actors = this.#livingActors();
    const { clusterId, endpoint } = this.#options;
    return { clusterId, endpoint, startedAtMs: this.startedAtMs, nodes, actors };
  }

  #livingActors(): LivingActor[] {
    return this.#actors.directory.list().filter(({ state }) => state !== "dead");
  }

  #ask(node: number, timeoutMs: number): Promise<unknown> {
    const id = this.#nextAsk++;
    return new Promise((resolve) => {
      const end = (value: unknown): void => {
        clearTimeout(timer);
        this.#asked.delete(id);
        resolve(value);
      };
      const timer = setTimeout(() => end(null), timeoutMs);
      this.#asked.set(id, end);
      this.tell(node, { t: "status", id });
    });
  }

  /** Every node is to stop. */
  stop(reason: string): void {
    this.#tellAll({ t: "stop", reason });
    clearInterval(this.#ticking);
    this.#feed.close();
    this.#placements.close();
  }
}
