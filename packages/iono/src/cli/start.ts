/** `iono start`: makes this machine the head of a cluster, or a node of one. */
import { badOption, IonoError, parseDuration, type Size } from "@iono/core";
import { hasKeys, startSupervisor, type StartReport, type StartRequest } from "@iono/runtime/tools";
import type { ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { isIP } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import type { CommandModule } from "yargs";
import { parseEntries } from "./entries.ts";
import { printFailure } from "./failure.ts";

export interface StartOptions {
  readonly head: boolean;
  readonly address?: string;
  readonly token?: string;
  readonly host?: string;
  readonly port?: number;
  readonly joinPort?: number;
  readonly advertise?: string;
  readonly keys?: string;
  readonly tokenLife: string;
  readonly name: string;
  readonly cpus?: number;
  readonly gpus?: number;
  readonly resource?: readonly string[];
  readonly label?: readonly string[];
  readonly objectStore?: string;
  readonly spillDir?: string;
  readonly maxWorkers?: number;
  readonly foreground: boolean;
  readonly json: boolean;
}

export const defaultPort = 7600;

/** Where `iono keys` keeps the keys of this machine. */
export function keysDirectory(): string {
  return join(homedir(), ".iono", "keys");
}

/** @throws IonoError BadOption that names the flag. */
function checkFlags(options: StartOptions): void {
  const { name, host, port, joinPort, advertise, cpus, gpus, maxWorkers } = options;
  if (!/^[\w.-]{0,63}$/.test(name))
    throw badOption("--name", name, "letters, digits, dots, hyphens and underscores, at most 63");
  const ports = Object.entries({ "--port": port, "--join-port": joinPort });
  for (const [flag, value] of ports) {
    if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= 65_535))
      throw badOption(flag, value, "a port from 1 to 65535, or 0 for any free one");
  }
  if (port !== undefined && port !== 0 && port === joinPort)
    throw badOption("--join-port", joinPort, "another port than --port");
  if (host !== undefined && isIP(host) === 0)
    throw badOption("--host", host, "an IP address of this machine, or 0.0.0.0 for all of them");
  if (advertise !== undefined && !/^([^\s:/]+|\[[^\s/]+\])(:\d{1,5})?$/.test(advertise))
    throw badOption("--advertise", advertise, "host or host:port where others find this machine");
  for (const [flag, value] of Object.entries({
    "--cpus": cpus,
    "--gpus": gpus,
    "--max-workers": maxWorkers,
  })) {
    if (value !== undefined && !(value >= 0)) throw badOption(flag, value, "a number from 0");
  }
}

/** A flag that says nothing in this place is a mistake. @throws IonoError BadOption. */
function refuseIdle({ head, host, port, joinPort, advertise }: StartOptions): void {
  if (head) return;
  if (joinPort !== undefined)
    throw new IonoError("BadOption", "--join-port is for a head: others join there");
  if (host !== undefined) return;
  for (const [flag, value] of Object.entries({ "--port": port, "--advertise": advertise }))
    if (value !== undefined)
      throw new IonoError(
        "BadOption",
        `${flag} is for a node that listens: give --host as well, or leave both`,
      );
}

function isLoopback(host: string): boolean {
  return host === "::1" || host.startsWith("127.");
}

/** @throws IonoError BadOption that names the flag. */
export function startRequest(options: StartOptions): StartRequest {
  const { head, address, token } = options;
  if (head && (address !== undefined || token !== undefined))
    throw new IonoError(
      "BadOption",
      "--head starts a cluster, --address and --token join one: give one of both",
    );
  if (!head && (address === undefined || token === undefined))
    throw new IonoError(
      "BadOption",
      "start with --head to begin a cluster, or with the --address and --token that the head printed to join it",
    );
  checkFlags(options);
  refuseIdle(options);
  const listens = head || options.host !== undefined;
  return {
    head: head
      ? {
          joinPort: options.joinPort ?? nextPort(options.port ?? defaultPort),
          tokenMs: parseDuration(options.tokenLife, "--token-life"),
        }
      : null,
    join: address !== undefined && token !== undefined ? { address, token } : null,
    listen: listens
      ? {
          host: options.host ?? "127.0.0.1",
          port: options.port ?? (head ? defaultPort : 0),
          advertise: options.advertise ?? "",
          keys: keysFor(options),
        }
      : null,
    name: options.name,
    node: {
      ...given("numCpus", options.cpus),
      ...given("numGpus", options.gpus),
      ...given(
        "resources",
        options.resource && parseEntries(options.resource, "--resource", "number", Number),
      ),
      ...given("labels", options.label && parseEntries(options.label, "--label", "value", String)),
      ...given("objectStore", options.objectStore as Size | undefined),
      ...given("spillDir", options.spillDir),
      ...given("maxWorkers", options.maxWorkers),
    },
    directory: process.cwd(),
  };
}

function nextPort(port: number): number {
  return port === 0 ? 0 : port + 1;
}

function keysFor({ host = "127.0.0.1", keys }: StartOptions): string {
  if (keys !== undefined) {
    if (existsSync(keys) && hasKeys(keys)) return keys;
    throw badOption("--keys", keys, `a directory with keys; make them with \`iono keys --dir ${keys}\``);
  }
  const usual = keysDirectory();
  if (hasKeys(usual)) return usual;
  if (isLoopback(host)) return "";
  throw new IonoError(
    "BadOption",
    `--host ${host} is beyond this machine and needs keys, so that nobody else can join: run \`iono keys\` once`,
  );
}

function given<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

/** Resolves with its exit code when it has ended, by itself or by a signal to this process. */
function ended(child: ChildProcess): Promise<number> {
  // Ctrl-C reaches it by itself, a signal to this process alone does not.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => child.kill("SIGTERM"));
  if (child.exitCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
}

/** What a head tells people. */
export function formatStarted(report: Extract<StartReport, { t: "started" }>, tokenLife: string): string {
  const lines = [`This machine is node ${report.name} (node-${report.node.toString(36)}).`];
  if (report.token === "") return `${lines[0]} Stop it with: iono stop`;
  lines.push(
    "",
    `Join another machine (within ${tokenLife}):`,
    `  npx iono start --address ${report.address} --token ${report.token}`,
    "",
    "Run a program on the cluster:",
    `  IONO_ADDRESS=${report.address} IONO_TOKEN=${report.token} node program.ts`,
    "",
    "More: iono status, iono token create, iono stop",
  );
  return lines.join("\n");
}

export const startCommand: CommandModule<object, StartOptions> = {
  command: "start",
  describe: "Make this machine the head of a cluster, or a node of one",
  builder: (yargs) =>
    yargs
      .options({
        head: { type: "boolean", default: false, describe: "Begin a cluster" },
        address: { type: "string", describe: "Join: of the head, iono://host:port" },
        token: { type: "string", describe: "Join: as the head printed it" },
        host: {
          type: "string",
          describe: "IP address to listen at [head: 127.0.0.1]; a node without it only dials",
        },
        port: {
          type: "number",
          describe: `Port to listen at [head: ${defaultPort}; else any]; 0: any free one`,
        },
        joinPort: {
          alias: "join-port",
          type: "number",
          describe: "Head: port for joining [port + 1]",
        },
        advertise: { type: "string", describe: "host or host:port where others dial [where it listens]" },
        keys: { type: "string", describe: "Directory of this machine's keys [~/.iono/keys]" },
        tokenLife: {
          alias: "token-life",
          type: "string",
          default: "15m",
          describe: "Head: how long the printed token is good",
        },
        name: { type: "string", default: "", describe: "Of the node [its host name]" },
        cpus: { type: "number", describe: "CPUs for tasks [all that may be used]" },
        gpus: { type: "number", describe: "GPUs for tasks [those found]" },
        resource: { type: "string", array: true, describe: "name=amount, as often as needed" },
        label: { type: "string", array: true, describe: "name=value, as often as needed" },
        objectStore: {
          alias: "object-store",
          type: "string",
          describe: "Size, like 4GiB [30% of memory]",
        },
        spillDir: {
          alias: "spill-dir",
          type: "string",
          describe: "Where objects go that do not fit",
        },
        maxWorkers: {
          alias: "max-workers",
          type: "number",
          describe: "Most worker processes at a time [256]",
        },
        foreground: { type: "boolean", default: false, describe: "Stay, and print what happens" },
        json: { type: "boolean", default: false, describe: "Print JSON for programs" },
      })
      .example("$0 start --head", "a cluster on this machine; prints the line that joins another")
      .example("$0 start --head --host 0.0.0.0 --advertise gpu1.example.org", "one that others can reach")
      .example("$0 start --address iono://gpu1.example.org:7600 --token …", "join it"),
  handler: async (options) => {
    try {
      const request = startRequest(options);
      const { foreground, json, tokenLife } = options;
      const logFile = join(homedir(), ".iono", "logs", `node-${process.pid}.log`);
      const { report, child } = await startSupervisor(request, {
        detached: !foreground,
        ...(foreground ? {} : { logFile }),
      });
      const end = foreground ? ended(child) : 0;
      console.log(json ? JSON.stringify(report) : formatStarted(report, tokenLife));
      process.exitCode = await end;
    } catch (error) {
      printFailure(error, options.json);
    }
  },
};
