/**
 * The nodes of a cluster, as its head knows them.
 *
 *   invited → alive ⇄ suspect → gone
 *
 * A node is invited when its token is redeemed, alive once it registers on its own link, suspect while nothing is heard
 * of it, and gone when it leaves, is silent for too long, or never registers. What is gone never comes back under its
 * number: who returns joins anew, and a node that joins with the keys of another takes its place.
 *
 * Rules kept by `check()`: (N1) no number is given twice; (N2) living nodes have different names; (N3) every node that
 * was announced is announced as gone once.
 */
import { mostNodes } from "../ids.ts";
import type { NodeInfo, NodeReport } from "../protocol/agent-agent.ts";

export type NodeState = "invited" | "alive" | "suspect";

export type NodeEvent =
  /** A token was redeemed. `report.name` may be "": the head finds one. */
  | { readonly type: "join"; readonly report: NodeReport; readonly publicKey: string; readonly now: number }
  | { readonly type: "register"; readonly node: number; readonly report: NodeReport; readonly now: number }
  | { readonly type: "silent"; readonly node: number; readonly now: number }
  | { readonly type: "heard"; readonly node: number; readonly now: number }
  | { readonly type: "leave"; readonly node: number; readonly reason: string }
  | { readonly type: "tick"; readonly now: number };

export type NodeInstruction =
  | { readonly type: "admit"; readonly node: number; readonly name: string; readonly publicKey: string }
  | { readonly type: "refuse"; readonly code: "NameTaken" | "TooManyNodes"; readonly message: string }
  /** Those alive are told, and the new one of those alive. */
  | { readonly type: "joined"; readonly info: NodeInfo }
  | { readonly type: "gone"; readonly node: number; readonly name: string; readonly reason: string }
  /** Somebody under a number that is not, or no longer, a node's. */
  | { readonly type: "fence"; readonly node: number; readonly reason: string };

export interface NodeTableSettings {
  /** A node that was invited registers within this time. */
  readonly inviteMs: number;
  /** A suspect node is gone after this long; counted from when it fell silent. */
  readonly lostMs: number;
}

interface Node {
  info: NodeInfo;
  state: NodeState;
  /** When it was invited, or fell silent. */
  since: number;
  announced: boolean;
}

export class NodeTable {
  readonly #settings: NodeTableSettings;
  readonly #nodes = new Map<number, Node>();
  readonly #names = new Map<string, number>();
  #next = 1;
  #out: NodeInstruction[] = [];

  constructor(settings: NodeTableSettings) {
    this.#settings = settings;
  }

  handle(event: NodeEvent): NodeInstruction[] {
    this.#out = [];
    switch (event.type) {
      case "join":
        this.#join(event.report, event.publicKey, event.now);
        break;
      case "register":
        this.#register(event.node, event.report);
        break;
      case "silent": {
        const node = this.#nodes.get(event.node);
        if (node?.state !== "alive") break;
        node.state = "suspect";
        node.since = event.now;
        break;
      }
      case "heard": {
        const node = this.#nodes.get(event.node);
        if (node?.state === "suspect") node.state = "alive";
        break;
      }
      case "leave":
        this.#gone(event.node, event.reason);
        break;
      case "tick":
        this.#tick(event.now);
        break;
    }
    return this.#out;
  }

  /** Those that are told of others: alive, or suspect. */
  living(): NodeInfo[] {
    return [...this.#nodes.values()].filter(({ announced }) => announced).map(({ info }) => info);
  }

  get(node: number): { readonly info: NodeInfo; readonly state: NodeState } | undefined {
    return this.#nodes.get(node);
  }

  /** Somebody is waited for: ticks are wanted. */
  get wantsTicks(): boolean {
    for (const { state } of this.#nodes.values()) if (state !== "alive") return true;
    return false;
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    const names = new Set<string>();
    for (const [number, { info }] of this.#nodes) {
      if (number !== info.node || number >= this.#next) throw new Error(`(N1) node ${number}`);
      if (names.has(info.name)) throw new Error(`(N2) two nodes named ${info.name}`);
      if (this.#names.get(info.name) !== number)
        throw new Error(`(N2) ${info.name} is not known by its name`);
      names.add(info.name);
    }
    if (this.#names.size !== this.#nodes.size) throw new Error("(N2) a name without its node");
  }

  #join(report: NodeReport, publicKey: string, now: number): void {
    if (this.#next >= mostNodes) {
      const message = `this cluster has numbered ${mostNodes - 1} nodes, the most there may be; start a new one`;
      this.#out.push({ type: "refuse", code: "TooManyNodes", message });
      return;
    }
    // Keys are one node's: who had them before is not there any more.
    for (const [number, { info }] of this.#nodes)
      if (info.publicKey === publicKey) this.#gone(number, "it was started anew");
    const taken = this.#names.get(report.name);
    if (report.name !== "" && taken !== undefined) {
      const { info } = this.#nodes.get(taken) as Node;
      const message =
        `a node named "${report.name}" is in the cluster already (on ${info.hostname}, pid ${info.pid}); ` +
        `give this one another name, or stop that one first`;
      this.#out.push({ type: "refuse", code: "NameTaken", message });
      return;
    }
    const node = this.#next++;
    const name = report.name === "" ? this.#freeName(report) : report.name;
    const info: NodeInfo = { ...report, name, node, publicKey };
    this.#nodes.set(node, { info, state: "invited", since: now, announced: false });
    this.#names.set(name, node);
    this.#out.push({ type: "admit", node, name, publicKey });
  }

  #freeName({ hostname, kind }: NodeReport): string {
    const base = kind === "driver" ? `${hostname}-driver` : hostname;
    let name = base;
    for (let count = 2; this.#names.has(name); count++) name = `${base}-${count}`;
    return name;
  }

  #register(number: number, report: NodeReport): void {
    const node = this.#nodes.get(number);
    if (node === undefined) {
      const reason = "it is not a node of this cluster any more; start it again to join anew";
      this.#out.push({ type: "fence", node: number, reason });
      return;
    }
    // Its name and key are what they were when it was admitted.
    const { name, publicKey } = node.info;
    node.info = { ...report, node: number, name, publicKey };
    node.state = "alive";
    if (node.announced) return;
    node.announced = true;
    this.#out.push({ type: "joined", info: node.info });
  }

  #tick(now: number): void {
    const { inviteMs, lostMs } = this.#settings;
    for (const [number, { state, since }] of this.#nodes) {
      if (state === "invited" && now - since >= inviteMs) this.#gone(number, "it never registered");
      if (state === "suspect" && now - since >= lostMs)
        this.#gone(number, `nothing was heard of it for ${Math.round((now - since) / 100) / 10} s more`);
    }
  }

  #gone(number: number, reason: string): void {
    const node = this.#nodes.get(number);
    if (node === undefined) return;
    this.#nodes.delete(number);
    this.#names.delete(node.info.name);
    const { name } = node.info;
    this.#out.push({ type: "gone", node: number, name, reason });
  }
}
