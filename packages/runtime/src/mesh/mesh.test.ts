import { channels, frameKinds, FrameError, IonoError } from "@iono/core";
import { afterEach, describe, expect, it } from "vitest";
import { isConnectionLoss, type Link } from "../links/link.ts";
import { until } from "./cluster.test-driver.ts";
import { fairWeather, MemoryWorld, seededRandom } from "./memory-network.test-driver.ts";
import { createMesh } from "./mesh.ts";
import type { Mesh, MeshChannel } from "./network.ts";
import { SessionLostError } from "./session-link.ts";

const meshes: Mesh[] = [];
afterEach(async () => {
  await Promise.all(meshes.splice(0).map((mesh) => mesh.close()));
});

/** A process that is a node of a memory world, and keeps all that it hears. */
class Member {
  readonly mesh: Mesh;
  readonly world: MemoryWorld;
  readonly linked: [number, MeshChannel, Link][] = [];
  readonly health: [number, string][] = [];
  readonly heard: string[] = [];
  readonly ends: (Error | undefined)[] = [];

  constructor(world: MemoryWorld, node: number) {
    this.world = world;
    this.mesh = createMesh({
      node,
      network: world.join(node),
      events: {
        linked: (from, channel, link) => {
          this.linked.push([from, channel, this.#listen(link)]);
        },
        health: (from, health) => this.health.push([from, health]),
      },
    });
    meshes.push(this.mesh);
  }

  link(node: number, channel: MeshChannel = "control"): Link {
    return this.#listen(this.mesh.link(node, channel));
  }

  #listen(link: Link): Link {
    link.listen({
      frame: (_kind, chunk, start, end) => this.heard.push(chunk.toString("latin1", start, end)),
      closed: (error) => this.ends.push(error),
    });
    return link;
  }
}

function say(link: Link, text: string): void {
  link.send("control", frameKinds.control, Buffer.from(text));
}

describe("a mesh", () => {
  it("opens one link a channel, the same for both sides, also when both want it at once", async () => {
    const world = new MemoryWorld();
    const [a, b] = [new Member(world, 1), new Member(world, 2)];
    say(a.link(2), "from a");
    say(b.link(1), "from b");
    await until(() => a.heard.length > 0 && b.heard.length > 0);
    expect([a.heard, b.heard, a.linked, b.linked]).toEqual([["from b"], ["from a"], [], []]);
    say(a.link(2, "bulk"), "bulk");
    await until(() => b.heard.length > 1);
    expect(b.linked.map(([node, channel]) => [node, channel])).toEqual([[1, "bulk"]]);
    expect(b.mesh.link(1, "bulk")).toBe(b.linked[0][2]);
    await until(() => a.mesh.roundTripMs(2) !== undefined);
    expect(a.mesh.roundTripMs(3)).toBeUndefined();
  });

  it("ends a link when the peer has lost its state, and a new one can be had at once", async () => {
    const world = new MemoryWorld();
    const a = new Member(world, 1);
    const b = new Member(world, 2);
    const link = a.link(2);
    say(link, "one");
    await until(() => b.heard.length === 1);
    const later = new Member(world, 2);
    // The new process speaks first, and then (below) does not.
    say(later.link(1), "anew");
    await until(() => a.heard.length === 1);
    expect(a.ends).toHaveLength(1);
    expect(a.ends[0]).toBeInstanceOf(SessionLostError);
    expect(isConnectionLoss(a.ends[0] as Error)).toBe(true);
    expect(a.linked).toHaveLength(1);
    const again = a.link(2);
    expect(again).toBe(a.linked[0][2]);
    const last = new Member(world, 2);
    say(again, "lost");
    await until(() => a.ends.length === 2);
    say(a.link(2), "two");
    await until(() => last.heard.length === 1);
    expect([later.heard, last.heard]).toEqual([[], ["two"]]);
  });

  it("ends the links of a node that is gone, and hears nothing of it any more", async () => {
    const world = new MemoryWorld();
    const [a, b] = [new Member(world, 1), new Member(world, 2)];
    say(a.link(2), "one");
    await until(() => b.heard.length === 1);
    a.mesh.forget(2);
    await until(() => b.ends.length === 1);
    expect(a.ends).toEqual([expect.objectContaining({ code: "NodeDied" })]);
    expect(a.ends[0]).toBeInstanceOf(IonoError);
    const datagrams = world.datagrams;
    say(b.link(1), "?");
    await until(() => world.datagrams > datagrams + 1);
    expect([a.linked, a.heard]).toEqual([[], []]);
    const dead = a.link(2);
    expect(dead.closed).toBe(true);
    await until(() => a.ends.length === 2);
  });

  it("says who is silent, asks for a new way, and goes on where it was", { timeout: 20_000 }, async () => {
    const world = new MemoryWorld();
    const [a, b] = [new Member(world, 1), new Member(world, 2)];
    const link = a.link(2);
    say(link, "one");
    await until(() => b.heard.length === 1);
    world.isCut = () => true;
    say(link, "two");
    await until(() => world.renewed.some(([node, channel]) => node === 2 && channel === channels.control));
    expect(a.health).toEqual([[2, "suspect"]]);
    world.isCut = () => false;
    world.nodes.get(1)?.onWay?.(2, channels.control);
    await until(() => a.health.length > 1 && b.heard.length === 2);
    expect(a.health).toEqual([
      [2, "suspect"],
      [2, "up"],
    ]);
    expect([b.heard, a.ends, b.ends]).toEqual([["one", "two"], [], []]);
  });

  it("drops what is not for it, or no datagram", async () => {
    const world = new MemoryWorld();
    const a = new Member(world, 1);
    const network = world.nodes.get(1);
    const random = seededRandom(5);
    for (let i = 0; i < 2000; i++) {
      const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 80) }, () => random() * 256));
      if (i % 2 === 0 && bytes.length > 12) {
        // A proper route, then rubbish.
        Buffer.from([1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0]).copy(bytes);
        if (bytes.length > 16) bytes.set([i % 9, 0, 0, 0], 12);
      }
      network?.onDatagram(bytes);
    }
    expect([a.linked, a.heard, a.ends]).toEqual([[], [], []]);
  });

  it("ends a link whose frames cannot be understood", async () => {
    const world = new MemoryWorld();
    const [a, b] = [new Member(world, 1), new Member(world, 2)];
    const link = a.link(2);
    link.sendFrame(Buffer.from([1, 0, 0, 0, 99, 0, 0, 0, 0]));
    await until(() => a.ends.length > 0 && b.ends.length > 0);
    expect(b.ends[0]).toBeInstanceOf(FrameError);
    expect(a.ends[0]).toBeInstanceOf(SessionLostError);
  });

  it("closes with what was said before, and gives up on those who do not answer", async () => {
    const world = new MemoryWorld({ ...fairWeather, lose: 0.2, random: seededRandom(3) });
    const [a, b] = [new Member(world, 1), new Member(world, 2)];
    const link = a.link(2);
    a.link(3).send("control", frameKinds.control, Buffer.from("nobody is there"));
    for (let i = 0; i < 100; i++) say(link, String(i));
    await a.mesh.close();
    expect(b.heard).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
    await until(() => b.ends.length > 0);
    expect(a.mesh.link(2, "control").closed).toBe(true);
  });
});
