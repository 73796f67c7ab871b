import { currentPlatform } from "../../platform/current.ts";
import { StoreLink } from "../store-link.ts";
import { StoreClient, type StoreClientOptions } from "../store-client.ts";
import type { StoreLocation } from "@iono/core";

/** A process that uses a store and then waits to be killed, for tests. */

export interface ScriptOptions {
  readonly client: Omit<StoreClientOptions, "platform">;
  /** hold and map: this location. write: bytes to write and hold. stall: take a block and never write it. */
  readonly action: "hold" | "map" | "write" | "stall";
  readonly location?: StoreLocation;
  readonly bytes?: number;
}

const options = JSON.parse(process.argv[2]) as ScriptOptions;
const client = StoreClient.connect({ ...options.client, platform: currentPlatform() });
const kept: unknown[] = [];

function act(): StoreLocation | undefined {
  const { action, location, bytes = 0 } = options;
  if (action === "hold" && location !== undefined) kept.push(client.hold(location));
  if (action === "map" && location !== undefined) kept.push(client.read(location));
  if (action === "stall") {
    const link = new StoreLink({ ...options.client, platform: currentPlatform() });
    const { process: pinnedFor } = options.client;
    kept.push(link);
    return link.ask({ op: "allocate", ticket: link.newTicket(), size: bytes, process: pinnedFor }).location;
  }
  if (action !== "write") return location;
  const value = { bytes: new Uint8Array(1), parts: [new Uint8Array(bytes).fill(5)] };
  const written = client.write(value, options.client.process);
  kept.push(client.adopt(written));
  return written;
}

process.send?.({ location: act() });
process.on("message", () => kept.length);
