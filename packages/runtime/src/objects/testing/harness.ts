import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import os from "node:os";
import path from "node:path";
import { currentPlatform } from "../../platform/current.ts";
import type { Platform } from "../../platform/platform.ts";
import { StoreClient, type StoreClientOptions } from "../store-client.ts";
import type { HostCommand, HostOptions, HostReport } from "./host.ts";

type Stats = (HostReport & { kind: "stats" })["stats"];

/** Runs a TypeScript file in a process of its own, with IPC. */
export function startScript(file: URL, argument: object, extra: readonly string[] = []): ChildProcess {
  return fork(file, [JSON.stringify(argument)], {
    execArgv: ["--conditions=iono-source", "--expose-gc", "--disable-warning=ExperimentalWarning", ...extra],
  });
}

/** A store in a process of its own. */
export class TestHost implements AsyncDisposable {
  readonly directory: string;
  readonly socketPath: string;
  readonly child: ChildProcess;
  readonly warnings: string[] = [];
  /** How often the store has asked for collections. */
  pressures = 0;
  readonly #ready: Promise<void>;
  readonly #clients: StoreClient[] = [];

  private constructor(directory: string, child: ChildProcess) {
    this.directory = directory;
    this.socketPath = path.join(directory, "store.sock");
    this.child = child;
    const ready = Promise.withResolvers<void>();
    this.#ready = ready.promise;
    child.on("message", (report: HostReport) => {
      if (report.kind === "ready") ready.resolve();
      if (report.kind === "warning") this.warnings.push(report.message);
      if (report.kind === "pressure") this.pressures++;
    });
  }

  static async start(options: Partial<HostOptions> & { readonly capacityBytes: number }): Promise<TestHost> {
    const directory = mkdtempSync(path.join(os.tmpdir(), "iono-store-test-"));
    const processes = Object.fromEntries([1, 2, 3, 4].map((process) => [process, secretOf(process)]));
    const complete: HostOptions = {
      socketPath: path.join(directory, "store.sock"),
      spillDirs: [path.join(directory, "spill")],
      processes,
      ...options,
    };
    const child = startScript(new URL("./host.ts", import.meta.url), complete);
    const host = new TestHost(directory, child);
    await Promise.race([host.#ready, once(child, "exit")]);
    if (child.exitCode !== null) throw new Error(`the store's host ended: ${child.exitCode}`);
    return host;
  }

  clientOptions(process: number, platform: Platform = currentPlatform()): StoreClientOptions {
    return {
      platform,
      socketPath: this.socketPath,
      process,
      secret: secretOf(process),
      fullTimeoutMs: 1_000,
    };
  }

  client(process: number, platform?: Platform): StoreClient {
    const client = StoreClient.connect(this.clientOptions(process, platform));
    this.#clients.push(client);
    return client;
  }

  died(process: number): void {
    this.child.send({ kind: "died", process } satisfies HostCommand);
  }

  async stats(): Promise<Stats> {
    const answer = new Promise<Stats>((resolve) => {
      const listen = (report: HostReport): void => {
        if (report.kind !== "stats") return;
        this.child.off("message", listen);
        resolve(report.stats);
      };
      this.child.on("message", listen);
    });
    this.child.send({ kind: "stats" } satisfies HostCommand);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exited = once(this.child, "exit");
      this.child.disconnect();
      await exited;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export function secretOf(process: number): string {
  return `secret of process ${process}`;
}
