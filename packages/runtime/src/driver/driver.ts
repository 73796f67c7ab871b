/** The driver: the user's program as a member of its cluster, and the lifetime of both. */
import { IonoError, limits, type CompiledInitOptions, type FromAgent } from "@iono/core";
import { randomBytes } from "node:crypto";
import { driverNumber } from "../agent/options.ts";
import { introduce, setMember } from "../api/runtime.ts";
import { Member } from "../member/member.ts";
import { platform } from "../platform/index.ts";
import { version } from "../version.ts";
import { OverdueGets } from "./overdue-gets.ts";
import { bootPageBytes, readBootPage } from "./boot-page.ts";
import { entryUrl, launchAgent, workerLaunch, type LaunchedAgent } from "./launch.ts";

export class Driver {
  readonly member: Member;
  readonly #agent: LaunchedAgent;
  #ended = false;
  #flushed = false;
  readonly #exited: Promise<void>;
  readonly #listeners: Array<[event: string, listener: () => void]> = [];
  #interrupts = 0;

  constructor(options: CompiledInitOptions) {
    const entry = entryUrl();
    const secret = randomBytes(24).toString("base64url");
    const bootPage = platform().sharedPages?.create(bootPageBytes);
    this.#agent = launchAgent(
      {
        version,
        driverPid: process.pid,
        program: process.argv[1] ?? "node",
        secret,
        bootPage: bootPage === undefined ? "" : `/proc/${process.pid}/fd/${bootPage.fd}`,
        resources: options.resources,
        labels: options.labels as Record<string, string>,
        objectStoreBytes: options.objectStoreBytes,
        spillDir: options.spillDir,
        maxWorkers: options.maxWorkers,
        logLevel: options.logLevel,
        worker: workerLaunch(),
        entry,
        startWorkers: Math.max(0, Math.min(options.maxWorkers, Math.floor(options.cpuUnits / 10_000))),
      },
      {
        frame: (_kind, chunk, start, end) => this.member.agent.receive(chunk, start, end),
        closed: () => this.#agentLost(),
      },
    );
    this.#exited = new Promise((resolve) => this.#agent.child.once("exit", () => resolve()));
    this.member = new Member({
      processNumber: driverNumber,
      entryUrl: entry === "" ? undefined : entry,
      namespace: options.namespace === "" ? "default" : options.namespace,
      resources: options.resources,
      owed: (isOwed) => (isOwed ? this.#agent.link.ref() : this.#agent.link.unref()),
      warn: (message) => process.emitWarning(message, "IonoWarning"),
      stop: () => {},
      onLog: (message) => this.#print(message),
    });
    this.member.peers.secret = secret;
    this.member.findStore = () => (bootPage === undefined ? null : readBootPage(bootPage.memory, platform()));
    this.member.agent.attach(this.#agent.link);
    this.member.agent.onOwed = (isOwed) => this.member.owed(isOwed);
    this.member.owner.overdue = new OverdueGets();
    introduce(this.member);
    void this.member.peers.listen().then((path) => this.member.agent.notify({ t: "listening", path, pid: process.pid }));
    this.#pregrant();
    this.#watchProcess();
  }

  /** Ends the cluster: what is pending fails. Resolves when its processes are gone. */
  async shutdown(): Promise<void> {
    this.#end(new IonoError("ShutDown", "the runtime was shut down"));
    this.#agent.link.destroy();
    this.#agent.child.ref();
    const timer = setTimeout(() => this.#agent.child.kill("SIGKILL"), shutdownMs);
    await this.#exited;
    clearTimeout(timer);
  }

  /** Waits until what tasks have printed so far is on the terminal. */
  async flushLogs(): Promise<void> {
    await this.member.agent.request({ t: "flush logs" }).catch(() => {});
  }

  /** Workers of the ordinary shape are granted as soon as they are up. */
  #pregrant(): void {
    const cpus = Math.floor((this.member.options.resources["CPU"] ?? 0) / 10_000);
    if (cpus > 0) this.member.pool("CPU=1", { CPU: 10_000 }).prepare(cpus);
  }

  #end(reason: IonoError): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const [event, listener] of this.#listeners) process.removeListener(event, listener);
    this.member.close(reason);
    setMember(null, reason);
  }

  #agentLost(): void {
    if (this.#ended) return;
    this.#end(new IonoError("ClusterLost", "the agent process of the local cluster ended"));
  }

  #print({ stream, label, pid, text }: Extract<FromAgent, { t: "log" }>): void {
    const lines = text.endsWith("\n") ? text.slice(0, -1) : text;
    const prefix = `(${label} pid=${pid}) `;
    process[stream].write(`${prefix}${lines.replaceAll("\n", `\n${prefix}`)}\n`);
  }

  // the program's life

  #watchProcess(): void {
    const on = (event: string, listener: () => void): void => {
      this.#listeners.push([event, listener]);
      process.on(event, listener);
    };
    on("beforeExit", () => {
      // What tasks printed is shown before the program ends; then nothing of ours keeps it.
      if (this.#flushed || this.#ended) return;
      this.#flushed = true;
      void this.flushLogs();
    });
    if (process.listenerCount("SIGINT") === 0) on("SIGINT", () => this.#interrupted());
  }

  /** Ctrl-C once: nothing new, what runs may finish its grace. Twice: now. */
  #interrupted(): void {
    if (++this.#interrupts > 1) process.exit(130);
    process.stderr.write("iono: interrupted; letting running tasks end (Ctrl-C again stops at once)\n");
    process.exitCode = 130;
    const { owner } = this.member;
    for (const task of [...owner.table]) owner.cancelTask(task);
    const started = performance.now();
    const timer = setInterval(() => {
      if (owner.table.size > 0 && performance.now() - started < drainMs) return;
      clearInterval(timer);
      void this.flushLogs().then(() => process.exit(130));
    }, 20);
  }
}

const shutdownMs = 5000;
const drainMs = limits.cancelGrace.value;
