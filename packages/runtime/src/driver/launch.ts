/** Starts the one child of a local cluster: the agent (and head), which starts the workers. */
import { IonoError } from "@iono/core";
import { spawn, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { AgentOptions } from "../agent/options.ts";
import { programEntryUrl } from "../capture/index.ts";
import type { LinkEvents } from "../links/link.ts";
import { UnixLink } from "../links/unix.ts";

export interface LaunchedAgent {
  readonly child: ChildProcess;
  readonly link: UnixLink;
}

/** Running from source, Node strips the types of the files it runs; a build has one file a process. */
const fromSource = import.meta.url.endsWith(".ts");

function processFile(kind: "agent/bin" | "agent/cluster-bin" | "worker/bin"): string {
  if (fromSource) return fileURLToPath(new URL(`../${kind}.ts`, import.meta.url));
  // In a build this is part of the main file, and of the supervisor's, which lies a folder below.
  const places = [`./${kind}.js`, `../${kind}.js`].map((place) =>
    fileURLToPath(new URL(place, import.meta.url)),
  );
  return places.find((place) => existsSync(place)) ?? places[0];
}

/** Flags that concern only the process they were given to. */
const ownFlags =
  /^--?(inspect|eval$|e$|p$|print$|test|watch|input-type|check$|c$|interactive|i$|prof-process|experimental-test)/;
const flagsWithValue = new Set(["-e", "--eval", "-p", "--print", "--input-type"]);

/** Node's flags for workers: those of this process, so that loaders and conditions are the same. */
export function workerFlags(execArgv: readonly string[] = process.execArgv): string[] {
  const flags: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    const flag = execArgv[i];
    if (flagsWithValue.has(flag)) i++;
    else if (!ownFlags.test(flag)) flags.push(flag);
  }
  if (fromSource && !flags.some((flag) => flag.includes("iono-source")))
    flags.push("--conditions=iono-source");
  return flags;
}

export function entryUrl(): string {
  return programEntryUrl() ?? "";
}

export function workerLaunch(): AgentOptions["worker"] {
  return { execArgv: workerFlags(), file: processFile("worker/bin") };
}

export function launchAgent(options: AgentOptions, events: LinkEvents): LaunchedAgent {
  const flags = fromSource ? ["--conditions=iono-source", "--no-warnings"] : [];
  const child = spawn(
    process.execPath,
    [...flags, processFile(options.cluster === null ? "agent/bin" : "agent/cluster-bin")],
    {
      env: { ...process.env, IONO_BOOT: JSON.stringify(options) },
      stdio: ["ignore", "inherit", "inherit", "pipe"],
      // A process group of its own: Ctrl-C is for the driver, which then ends the cluster in order.
      detached: true,
    },
  );
  // Without a file descriptor to spare there are no pipes at all, whatever the types say; the error comes a tick later.
  const socket = (child as Partial<ChildProcess>).stdio?.[3] as Socket | undefined;
  if (socket === undefined) {
    child.on("error", () => {});
    throw new IonoError(
      "ClusterLost",
      "the local cluster could not start: no file descriptor is free; raise ulimit -n",
    );
  }
  child.unref();
  const link = new UnixLink(socket, events);
  link.unref();
  return { child, link };
}
