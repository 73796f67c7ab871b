import { describeLink } from "@iono/testing";
import { afterEach } from "vitest";
import type { Link, LinkEvents } from "../links/link.ts";
import { createMesh } from "./mesh.ts";
import { fairWeather, MemoryWorld, seededRandom, type Weather } from "./memory-network.test-driver.ts";
import type { Mesh, MeshChannel, MeshEvents } from "./network.ts";

const meshes: Mesh[] = [];
afterEach(async () => {
  await Promise.all(meshes.splice(0).map((mesh) => mesh.close()));
});

const quiet: MeshEvents = { linked: () => {}, health: () => {} };

function join(world: MemoryWorld, node: number, events: Partial<MeshEvents> = {}): Mesh {
  const mesh = createMesh({ node, network: world.join(node), events: { ...quiet, ...events } });
  meshes.push(mesh);
  return mesh;
}

async function pair(
  weather: Weather,
  near: LinkEvents,
  far: LinkEvents,
  channel: MeshChannel = "control",
): Promise<[Link, Link]> {
  const world = new MemoryWorld(weather);
  return new Promise((resolve) => {
    join(world, 2, {
      linked(_node, _channel, link) {
        link.listen(far);
        resolve([here, link]);
      },
    });
    const here = join(world, 1).link(2, channel);
    here.listen(near);
  });
}

const storm = (seed: number): Weather => ({
  lose: 0.05,
  repeat: 0.05,
  delayMs: 3,
  refuse: 0.02,
  random: seededRandom(seed),
});

describeLink("SessionLink, control", (near, far) => pair(fairWeather, near, far));
describeLink("SessionLink, bulk", (near, far) => pair(fairWeather, near, far, "bulk"));
describeLink("SessionLink in a storm", (near, far) => pair(storm(1), near, far));
