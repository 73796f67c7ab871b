import { IonoError, nodeOf, type BlockName, type ObjectMessage, type StoreLocation } from "@iono/core";
import type { LocalStore } from "./local-store.ts";
import { refusalError } from "./refusal.ts";

interface Hold {
  readonly process: number;
  readonly location: StoreLocation;
  /** It was let go before it was confirmed. */
  isReleased: boolean;
  resolve(): void;
  reject(error: IonoError): void;
}

interface RemotePinsHost {
  readonly local: LocalStore;
  tell(node: number, message: ObjectMessage): void;
  /** Lets a process of another node hold objects here. */
  admit(process: number): void;
  died(process: number): void;
}

/** Who holds objects of another node: processes of this one elsewhere, and those of others here. Sets, not counts (I4). */
export class RemotePins {
  readonly #host: RemotePinsHost;
  readonly #holds = new Map<number, Hold>();
  /** Nodes that know a process of this one. */
  readonly #met = new Map<number, Set<number>>();
  /** Processes of other nodes that may hold objects here. */
  readonly #guests = new Set<number>();
  #nextId = 1;

  constructor(host: RemotePinsHost) {
    this.#host = host;
  }

  /** Processes of other nodes that hold objects here, or may. */
  get guests(): number {
    return this.#guests.size;
  }

  get unanswered(): number {
    return this.#holds.size;
  }

  // processes of this node

  meet(process: number, node: number): void {
    let nodes = this.#met.get(process);
    if (nodes === undefined) this.#met.set(process, (nodes = new Set()));
    if (nodes.has(node)) return;
    nodes.add(node);
    this.#host.tell(node, { t: "meet", process });
  }

  hold(location: StoreLocation, process: number): Promise<void> {
    const { node, block, generation } = location;
    const id = this.#nextId++;
    this.meet(process, node);
    return new Promise((resolve, reject) => {
      this.#holds.set(id, { process, location, isReleased: false, resolve, reject });
      this.#host.tell(node, { t: "hold", id, process, block, generation });
    });
  }

  release({ node, block, generation }: StoreLocation, process: number): void {
    for (const hold of this.#holds.values()) {
      const { location } = hold;
      const isOfBlock = location.block === block && location.generation === generation;
      if (hold.process === process && location.node === node && isOfBlock) hold.isReleased = true;
    }
    this.#host.tell(node, { t: "release", process, block, generation });
  }

  processEnded(process: number): void {
    for (const node of this.#met.get(process) ?? []) this.#host.tell(node, { t: "ended", process });
    this.#met.delete(process);
    for (const [id, hold] of this.#holds) {
      if (hold.process !== process) continue;
      this.#holds.delete(id);
      hold.reject(new IonoError("ShutDown", "the process that asked has ended"));
    }
  }

  // other nodes

  /** Throws when a node speaks for a process of another. */
  message(
    node: number,
    message: Extract<ObjectMessage, { t: "meet" | "ended" | "hold" | "held" | "release" }>,
  ): void {
    if (message.t === "held") return this.#held(node, message.id, message.reason);
    const { process } = message;
    if (nodeOf(process) !== node)
      throw new IonoError("Internal", `node ${node} speaks for process ${process}, which is not its own`);
    switch (message.t) {
      case "meet":
        return this.#admit(process);
      case "ended":
        if (this.#guests.delete(process)) this.#host.died(process);
        return;
      case "hold":
        this.#admit(process);
        void this.#holdHere(node, message);
        return;
      case "release":
        return this.#host.local.letGo(message, process);
    }
  }

  nodeLost(node: number, reasonOf: (location: StoreLocation) => IonoError): void {
    for (const nodes of this.#met.values()) nodes.delete(node);
    for (const [id, hold] of this.#holds) {
      if (hold.location.node !== node) continue;
      this.#holds.delete(id);
      hold.reject(reasonOf(hold.location));
    }
    for (const process of this.#guests) {
      if (nodeOf(process) !== node) continue;
      this.#guests.delete(process);
      this.#host.died(process);
    }
  }

  /** The node has forgotten what was said to it last: it is said again. */
  nodeForgot(node: number): void {
    for (const [process, nodes] of this.#met)
      if (nodes.has(node)) this.#host.tell(node, { t: "meet", process });
    for (const [id, { location, process, isReleased }] of this.#holds) {
      const { block, generation } = location;
      if (location.node !== node) continue;
      if (isReleased) this.#held(node, id, undefined);
      else this.#host.tell(node, { t: "hold", id, process, block, generation });
    }
  }

  #admit(process: number): void {
    if (this.#guests.has(process)) return;
    this.#guests.add(process);
    this.#host.admit(process);
  }

  async #holdHere(
    node: number,
    { id, process, block, generation }: { id: number; process: number } & BlockName,
  ): Promise<void> {
    const answer = await this.#host.local.holdFor({ block, generation }, process);
    if (answer.kind === "granted") this.#host.tell(node, { t: "held", id });
    else this.#host.tell(node, { t: "held", id, reason: answer.reason });
  }

  #held(node: number, id: number, reason: Parameters<typeof refusalError>[0] | undefined): void {
    const hold = this.#holds.get(id);
    if (hold === undefined || hold.location.node !== node) return;
    this.#holds.delete(id);
    if (reason === undefined) hold.resolve();
    else hold.reject(refusalError(reason, { location: hold.location }));
  }
}
