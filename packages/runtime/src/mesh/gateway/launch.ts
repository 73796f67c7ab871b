/** Starts a gateway process, connected by descriptor 3. */
import { IonoError } from "@iono/core";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import type { GatewayOptions } from "./options.ts";

export interface LaunchedGateway {
  readonly child: ChildProcess;
  readonly socket: Socket;
}

/** Running from source, Node strips the types of the files it runs; a build has one file a process. */
const fromSource = import.meta.url.endsWith(".ts");

function gatewayFile(): string {
  if (fromSource) return fileURLToPath(new URL("./bin.ts", import.meta.url));
  // Beside the library, or beside the file of another process.
  const places = ["./gateway/bin.js", "../gateway/bin.js"].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  return places.find((place) => existsSync(place)) ?? places[0];
}

/** @throws IonoError Unreachable when the process cannot be started. */
export function launchGateway(options: GatewayOptions): LaunchedGateway {
  const flags = fromSource ? ["--conditions=iono-source", "--no-warnings"] : [];
  const child = spawn(process.execPath, [...flags, gatewayFile()], {
    env: { ...process.env, IONO_BOOT: JSON.stringify(options) },
    stdio: ["ignore", "inherit", "inherit", "pipe"],
    detached: true,
  });
  child.on("error", () => {});
  // Without a file descriptor to spare there are no pipes at all, whatever the types say.
  const socket = (child as Partial<ChildProcess>).stdio?.[3] as Socket | undefined;
  if (socket === undefined)
    throw new IonoError(
      "Unreachable",
      "the gateway could not start: no file descriptor is free; raise ulimit -n",
    );
  child.unref();
  socket.unref();
  return { child, socket };
}
