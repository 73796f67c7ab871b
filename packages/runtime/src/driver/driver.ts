/** The driver: the user's program as a member of its cluster, and the lifetime of both. */
import { IonoError, type CompiledInitOptions } from "@iono/core";
import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import { delimiter } from "node:path";
import { driverNumber } from "../agent/options.ts";
import { introduce, setMember } from "../api/runtime.ts";
import { newJobSeed } from "../member/job-id.ts";
import { Member } from "../member/member.ts";
import { storeSpillDirs } from "../objects/spill-directories.ts";
import { platform, type SharedPage } from "../platform/index.ts";
import { version } from "../version.ts";
import { Interrupt } from "./interrupt.ts";
import { Terminal } from "./terminal.ts";
import { OverdueGets } from "./overdue-gets.ts";
import { bootPageBytes, readBootPage } from "./boot-page.ts";
import { entryUrl, launchAgent, workerLaunch, type LaunchedAgent } from "./launch.ts";

export const defaultNamespace = "default";

export class Driver {
  readonly member: Member;
  readonly #agent: LaunchedAgent;
  #ended = false;
  /** What the terminal had printed when it was last known to be complete. */
  #flushedAt = -1;
  readonly #terminal = new Terminal();
  readonly #exited: Promise<void>;
  readonly #listeners: Array<[event: string, listener: () => void]> = [];
  readonly #bootPage: SharedPage | undefined;
  /** Why the agent ends, as it said; "" when it did not. */
  #whyLost = "";

  constructor(options: CompiledInitOptions) {
    // What is wrong with them is said here, not by an agent that ends.
    const spillDir = options.spillDir === "" ? "" : storeSpillDirs(options.spillDir).join(delimiter);
    const entry = entryUrl();
    const secret = randomBytes(24).toString("base64url");
    const cluster =
      options.address === ""
        ? null
        : { address: options.address, token: options.token, keys: null, gateway: null, endpoint: "" };
    const isMember = cluster !== null;
    const job = newJobSeed();
    // In a cluster of several programs one without a namespace has its own.
    const ownNamespace = isMember ? `job-${job.random}` : defaultNamespace;
    const namespace = options.namespace === "" ? ownNamespace : options.namespace;
    const bootPage = platform().sharedPages?.create(bootPageBytes);
    this.#bootPage = bootPage;
    this.#agent = launchAgent(
      {
        version,
        parentPid: process.pid,
        driver: {
          pid: process.pid,
          program: process.argv[1] ?? "node",
          job,
          entry,
          namespace,
          bootPage: bootPage === undefined ? "" : `/proc/${process.pid}/fd/${bootPage.fd}`,
        },
        cluster,
        name: "",
        secret,
        resources: isMember ? {} : options.resources,
        labels: options.labels,
        objectStoreBytes: options.objectStoreBytes,
        spillDir,
        maxWorkers: options.maxWorkers,
        logLevel: options.logLevel,
        worker: workerLaunch(),
        directory: workingDirectory(),
        startWorkers: isMember
          ? 0
          : Math.max(0, Math.min(options.maxWorkers, Math.floor(options.cpuUnits / 10_000))),
      },
      {
        frame: (_kind, chunk, start, end) => this.member.agent.receive(chunk, start, end),
        closed: (error) => this.#agentLost(error),
      },
    );
    const { child } = this.#agent;
    this.#exited = new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", (error) => {
        this.#agentLost(error);
        resolve();
      });
    });
    const node = isMember ? this.#join(bootPage) : 0;
    this.member = new Member({
      processNumber: driverNumber(node),
      entryUrl: entry === "" ? undefined : entry,
      namespace,
      job,
      resources: options.resources,
      owed: (isOwed) => (isOwed ? this.#agent.link.ref() : this.#agent.link.unref()),
      warn: (message) => process.emitWarning(message, "IonoWarning"),
      stop: (reason) => (this.#whyLost = reason),
      onLog: (message) => this.#terminal.print(message),
    });
    this.member.peers.secret = secret;
    this.member.findStore = () =>
      bootPage === undefined ? null : readBootPage(bootPage.memory, platform(), startMs);
    this.member.agent.attach(this.#agent.link);
    this.member.agent.onOwed = (isOwed) => this.member.owed(isOwed);
    this.member.owner.overdue = new OverdueGets();
    introduce(this.member);
    void this.member.peers
      .listen()
      .then((path) => this.member.agent.notify({ t: "listening", path, pid: process.pid }));
    if (!isMember) this.#pregrant(options.maxWorkers);
    this.#watchProcess();
  }

  /**
   * Waits, blocking, until the agent has joined the cluster: refs and actors carry the node's number from their first.
   * @throws IonoError when it cannot join.
   */
  #join(bootPage: SharedPage | undefined): number {
    if (bootPage === undefined)
      throw new IonoError("BadOption", "joining a cluster needs Linux, which has shared memory");
    const { child } = this.#agent;
    const isGone = (): boolean => child.pid === undefined || !fs.existsSync(`/proc/${child.pid}`);
    try {
      const booted = readBootPage(bootPage.memory, platform(), joinMs, isGone);
      if (booted !== null) return booted.node;
      throw new IonoError(
        "Unreachable",
        "this program's agent did not join the cluster; see what it printed",
      );
    } catch (error) {
      this.#ended = true;
      bootPage.close();
      this.#agent.link.destroy();
      child.kill("SIGKILL");
      throw error;
    }
  }

  /** Ends the cluster: what is pending fails. Resolves when its processes are gone. */
  async shutdown(): Promise<void> {
    if (!this.#ended) await this.flushLogs();
    this.#end(new IonoError("ShutDown", "the runtime was shut down"));
    this.#agent.link.destroy();
    this.#agent.child.ref();
    const timer = setTimeout(() => this.#agent.child.kill("SIGKILL"), shutdownMs);
    await this.#exited;
    clearTimeout(timer);
  }

  /** Waits until what tasks have printed so far is on the terminal; not for long, should the agent not answer. */
  async flushLogs(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, lastLogsMs);
    });
    const flushed = this.member.agent.request<null>({ t: "flush logs" }).then(ignore, ignore);
    await Promise.race([flushed, late]);
    clearTimeout(timer);
  }

  /** Workers of the ordinary shape are granted as soon as they are up. */
  #pregrant(maxWorkers: number): void {
    const cpus = Math.floor((this.member.options.resources["CPU"] ?? 0) / 10_000);
    const workers = Math.min(cpus, maxWorkers);
    if (workers === 0) return;
    const pool = this.member.pool("CPU=1", { CPU: 10_000 });
    pool.prepare(workers);
    this.#ready = pool.prepared;
  }

  #ready: Promise<void> = Promise.resolve();

  /** Resolves when the workers that every cluster begins with are up, or when the time is over. */
  async whenReady(): Promise<void> {
    await this.member.agent.request({ t: "status" });
    this.member.owed(true);
    await Promise.race([this.#ready, new Promise((resolve) => setTimeout(resolve, readyMs).unref())]);
    this.member.owed(false);
  }

  #end(reason: IonoError): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const [event, listener] of this.#listeners) process.removeListener(event, listener);
    this.member.close(reason);
    this.#bootPage?.close();
    setMember(null, reason);
  }

  #agentLost(error: Error | undefined): void {
    if (this.#ended) return;
    // The link and the child end in either order: how the child ended is worth a moment.
    const end = (): void => {
      const { exitCode, signalCode } = this.#agent.child;
      const ended =
        signalCode !== null ? `signal ${signalCode}` : exitCode !== null ? `exit code ${exitCode}` : "";
      const how = ended || (error?.message ?? "its link ended");
      clearTimeout(timer);
      const text = `the agent of this program, process ${this.#agent.child.pid ?? 0}, ended (${how})`;
      this.#end(new IonoError("ClusterLost", this.#whyLost || text));
    };
    const timer = setTimeout(end, lossMs);
    void this.#exited.then(end);
  }

  // the program's life

  #watchProcess(): void {
    const on = (event: string, listener: () => void): void => {
      this.#listeners.push([event, listener]);
      process.on(event, listener);
    };
    on("beforeExit", () => {
      // What tasks printed is shown before the program ends; then nothing of ours keeps it.
      if (this.#flushedAt === this.#terminal.printed || this.#ended) return;
      void this.flushLogs().then(() => {
        this.#flushedAt = this.#terminal.printed;
      });
    });
    if (process.listenerCount("SIGINT") > 0) return;
    const interrupt = new Interrupt(this.member, () => this.flushLogs());
    on("SIGINT", () => interrupt.heard());
  }
}

const startMs = 15_000;
/** The agent gives up before. */
const joinMs = 30_000;
/** A cluster whose workers take longer is used without waiting for them. */
const readyMs = 5000;
const shutdownMs = 5000;
/** How long the end of the agent may take to be understood before what is pending is told. */
const lossMs = 1000;
const lastLogsMs = 1000;

/** "" when it has been removed. */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch {
    return "";
  }
}

function ignore(): void {}
