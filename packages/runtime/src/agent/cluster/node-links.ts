/** The links of an agent to the head and to other agents: made at the first word, and again when they have ended. */
import { frameKinds, type NodeMessage } from "@iono/core";
import type { Link } from "../../links/link.ts";
import type { Mesh, MeshChannel } from "../../mesh/network.ts";
import { packMessage, unpackMessage } from "../../owner/payload.ts";

export interface NodeLinksPort {
  message(node: number, message: NodeMessage): void;
  circuitFrame(node: number, chunk: Buffer, start: number, end: number): void;
  pieces(node: number, payload: Buffer): void;
  ended(node: number, channel: MeshChannel): void;
  drained(node: number, channel: MeshChannel): void;
}

export class NodeLinks {
  readonly #mesh: Mesh;
  readonly #port: NodeLinksPort;
  readonly #links = { control: new Map<number, Link>(), bulk: new Map<number, Link>() };
  readonly #lost = new Set<number>();

  constructor(mesh: Mesh, port: NodeLinksPort) {
    this.#mesh = mesh;
    this.#port = port;
  }

  /** Nodes to which there is a control link. */
  nodes(): number[] {
    return [...this.#links.control.keys()];
  }

  roundTripMs(node: number): number | undefined {
    return this.#mesh.roundTripMs(node);
  }

  send(node: number, message: NodeMessage): void {
    if (this.#lost.has(node)) return;
    const link = this.get(node, "control");
    if (!link.closed) link.send("control", frameKinds.mesh, packMessage(message));
  }

  get(node: number, channel: MeshChannel): Link {
    const known = this.#links[channel].get(node);
    if (known !== undefined && !known.closed) return known;
    return this.listen(node, channel, this.#mesh.link(node, channel));
  }

  listen(node: number, channel: MeshChannel, link: Link): Link {
    const links = this.#links[channel];
    links.set(node, link);
    link.listen({
      frame: (kind, chunk, start, end) => {
        if (kind === frameKinds.circuit) this.#port.circuitFrame(node, chunk, start, end);
        else if (kind === frameKinds.piece) this.#port.pieces(node, chunk.subarray(start, end));
        else if (kind === frameKinds.mesh)
          this.#port.message(node, unpackMessage(chunk, start, end) as NodeMessage);
      },
      closed: () => {
        if (links.get(node) === link) links.delete(node);
        this.#port.ended(node, channel);
      },
      drained: () => this.#port.drained(node, channel),
    });
    return link;
  }

  /** The node is gone, and its number will not come back. */
  forget(node: number): void {
    this.#lost.add(node);
    this.#mesh.forget(node);
  }

  close(): Promise<void> {
    return this.#mesh.close();
  }
}
