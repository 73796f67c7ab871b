import fs from "node:fs";
import net from "node:net";
import { currentPlatform } from "../../platform/current.ts";
import { linuxPlatform } from "../../platform/linux.ts";
import { plainPlatform } from "../../platform/plain.ts";
import { StoreServer } from "../store-server.ts";

/** A process that hosts a store, for tests: `node host.ts <options as JSON>`, commands over IPC. */

export interface HostOptions {
  readonly socketPath: string;
  readonly capacityBytes: number;
  readonly spillDirs: readonly string[];
  readonly diskLimitBytes?: number;
  readonly prefaultBytes?: number;
  /** Default: what this machine has. file: Linux with a file instead of memory. */
  readonly platform?: "plain" | "file";
  /** Number and secret of the processes that may connect. */
  readonly processes: Readonly<Record<number, string>>;
}

export type HostCommand = { readonly kind: "died"; readonly process: number } | { readonly kind: "stats" };

export type HostReport =
  | { readonly kind: "ready" }
  | { readonly kind: "stats"; readonly stats: ReturnType<StoreServer["stats"]> & { readonly fds: number } }
  | { readonly kind: "warning" | "pressure"; readonly message: string };

const options = JSON.parse(process.argv[2]) as HostOptions;
const report = (message: HostReport): void => void process.send?.(message);

const platforms = { plain: () => plainPlatform("a test"), file: () => linuxPlatform(["file"]) };
const server = new StoreServer({
  ...options,
  platform: options.platform === undefined ? currentPlatform() : platforms[options.platform](),
  onWarning: (message) => report({ kind: "warning", message }),
  onPressure: () => report({ kind: "pressure", message: "" }),
});
for (const [number, secret] of Object.entries(options.processes)) server.admit(Number(number), secret);

const listener = net
  .createServer((socket) => server.accept(socket))
  .listen(options.socketPath, () => report({ kind: "ready" }));

process.on("message", (command: HostCommand) => {
  if (command.kind === "died") server.processDied(command.process);
  else report({ kind: "stats", stats: { ...server.stats(), fds: fs.readdirSync("/proc/self/fd").length } });
});
process.on("disconnect", () => {
  listener.close();
  void server.close().then(() => process.exit(0));
});
