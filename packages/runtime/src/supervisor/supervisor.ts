/**
 * The supervisor of a machine of a cluster: starts gateway, head and agent as processes of their own, and starts anew
 * what ends. It runs no user code and speaks to nobody outside the machine.
 */
import { compileInitOptions, IonoError } from "@iono/core";
import { dialledAddress } from "./dialled-address.ts";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as fs from "node:fs";
import type { ClusterAgentOptions } from "../agent/options.ts";
import type { HeadProcessOptions } from "../head/options.ts";
import { StartedGateway } from "../mesh/gateway/client-started.ts";
import { workerLaunch } from "../driver/launch.ts";
import { machineTotals } from "../driver/machine.ts";
import { loadKeys, makeKeys, type CurveKeys } from "../mesh/keys.ts";
import { storeSpillDirs } from "../objects/index.ts";
import { SupervisedChild } from "./child.ts";
import { WorkerParent } from "./worker-parent.ts";
import type { FromChild } from "./messages.ts";
import type { NodeOptions, StartReport, StartRequest } from "./options.ts";

const stopMs = 8000;
const headStartMs = 15_000;
/** An agent that ended is started again, at first soon, then less and less often. */
const backoffMs = [100, 500, 2000, 10_000];
/** Refusals that another attempt does not change: the head is another one, or of another version. */
const finalCodes = new Set(["JoinRefused", "VersionMismatch", "BadOption"]);

export class Supervisor {
  readonly #options: StartRequest;
  readonly #node: NodeOptions;
  readonly #keys: CurveKeys;
  /** Of the agent beside a head, whose gateway has the keys above. */
  readonly #besideHead = makeKeys();
  /** With which the agent joins again; "" before it has joined. */
  #againToken = "";
  readonly #report: (report: StartReport) => void;
  readonly #ended: (isAsked: boolean) => void;
  readonly #workers = new WorkerParent((message) => this.#agent?.tell(message));
  /** Descriptor of the memory of the agent's store. */
  #segment: number | null = null;
  #gateway: StartedGateway | null = null;
  #head: SupervisedChild | null = null;
  #agent: SupervisedChild | null = null;
  #stopping = false;
  #reported = false;
  #token = "";
  #address = "";
  #failures = 0;
  #isJoined = false;
  /** Why the agent ended, or did not join, when it did last. */
  #trouble = "";
  /** Of a node that joined: for `iono status`. */
  node = 0;
  name = "";
  readonly startedAtMs = Date.now();

  /** @param ended is told whether it ends as it was asked to. */
  constructor(
    options: StartRequest,
    report: (report: StartReport) => void,
    ended: (isAsked: boolean) => void,
  ) {
    this.#options = options;
    this.#node = nodeOptions(options);
    this.#keys = keysOf(options);
    this.#report = report;
    this.#ended = ended;
  }

  async start(): Promise<void> {
    try {
      const { listen, head } = this.#options;
      if (listen !== null) {
        const { host, port } = listen;
        const keys = this.#keys;
        const joinPort = head === null ? null : head.joinPort;
        this.#gateway = await StartedGateway.start({
          host,
          port,
          joinPort,
          keys,
          clusterId: "",
          serves: [],
          guards: false,
        });
        this.#gateway.onTrouble = (message) => process.stderr.write(`iono: ${message}\n`);
        this.#gateway.onBound = ({ path }) => {
          this.#head?.tell({ t: "gateway", path });
          this.#agent?.tell({ t: "gateway", path });
        };
      }
      if (head !== null) await this.#startHead();
      this.#startAgent();
    } catch (error) {
      this.#fail(error instanceof IonoError ? error.code : "Internal", (error as Error).message);
    }
  }

  describe(): object {
    return {
      pid: process.pid,
      node: this.node,
      name: this.name,
      address: this.#options.join?.address ?? this.#address,
      isHead: this.#options.head !== null,
      isJoined: this.#isJoined,
      trouble: this.#trouble,
      processes: {
        gateway: this.#gateway?.pid ?? 0,
        head: this.#head?.pid ?? 0,
        agent: this.#agent?.pid ?? 0,
      },
      startedAtMs: this.startedAtMs,
    };
  }

  /** Ends agent, head and gateway, in this order. */
  async stop(reason: string, isAsked = false): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    await this.#agent?.stop(reason, stopMs);
    await this.#workers.killAll();
    await this.#head?.stop(reason, stopMs);
    await this.#gateway?.close();
    this.#ended(isAsked);
  }

  // gateway and head

  /** `host:port` where others dial. */
  #endpoint(): string {
    const { listen } = this.#options;
    const bound = this.#gateway?.bound;
    if (listen === null || bound === undefined) return "";
    const { advertise, host } = listen;
    if (/:\d+$/.test(advertise)) return advertise;
    const shown = advertise === "" ? dialledAddress(host) : advertise;
    return `${shown.includes(":") ? `[${shown}]` : shown}:${bound.port}`;
  }

  async #startHead(): Promise<void> {
    const { listen, head } = this.#options;
    const gateway = this.#gateway;
    if (listen === null || head === null || gateway?.bound === undefined)
      throw new IonoError("Internal", "a head without a gateway");
    const options: HeadProcessOptions = {
      supervisorPid: process.pid,
      keys: this.#keys,
      endpoint: this.#endpoint(),
      isAdvertised: listen.advertise !== "",
      joinPort: gateway.bound.joinPort,
      gateway: { path: gateway.bound.path, secret: gateway.secret },
      tokenMs: head.tokenMs,
    };
    const token = new Promise<string>((resolve, reject) => {
      const child = new SupervisedChild(processFile("head/bin"), options, (message) => {
        if (message.t === "head ready") resolve(message.token);
        else if (message.t === "failed") reject(new IonoError("BadOption", message.message));
      });
      this.#head = child;
      void child.ended.then((how) => {
        reject(new IonoError("ClusterLost", `the head ended at its start (${how})`));
        if (!this.#stopping) void this.#lost(`the head ended (${how})`);
      });
      setTimeout(
        () => reject(new IonoError("Unreachable", "the head did not start in time")),
        headStartMs,
      ).unref();
    });
    this.#token = await token;
    this.#address = `iono://${this.#endpoint()}`;
  }

  async #lost(reason: string): Promise<void> {
    process.stderr.write(`iono: ${reason}: the cluster is lost\n`);
    this.#agent?.tell({ t: "head lost", reason });
    await this.stop(reason);
  }

  // the agent

  #startAgent(): void {
    const { join: joining, directory } = this.#options;
    const gateway = this.#gateway;
    const bound = gateway?.bound;
    const options: ClusterAgentOptions = {
      supervisorPid: process.pid,
      node: this.#node,
      directory,
      worker: workerLaunch(),
      cluster: {
        address: joining?.address ?? this.#address,
        token: this.#againToken || (joining?.token ?? this.#token),
        // The same at each start: by them the head knows who comes again.
        keys: joining === null ? this.#besideHead : this.#keys,
        gateway:
          gateway === null || bound === undefined
            ? null
            : { path: bound.path, secret: gateway.secret, guards: joining !== null },
        endpoint: joining === null ? "" : this.#endpoint(),
      },
    };
    const child = new SupervisedChild(processFile("agent/cluster-bin"), options, (message) =>
      this.#fromAgent(message),
    );
    this.#agent = child;
    void child.ended.then((how) => this.#agentEnded(child, how));
  }

  /** Holds the memory of the agent's store, so that it outlives the agent; others open it here. */
  #holdSegment(path: string): void {
    if (this.#segment !== null) fs.closeSync(this.#segment);
    this.#segment = fs.openSync(path, "r+");
    this.#agent?.tell({ t: "segment at", path: `/proc/${process.pid}/fd/${this.#segment}` });
  }

  #fromAgent(message: FromChild): void {
    if (message.t === "segment") this.#holdSegment(message.path);
    else if (message.t === "start worker") this.#workers.start(message);
    else if (message.t === "kill worker") this.#workers.kill(message.number);
    else if (message.t === "joined") {
      this.#failures = 0;
      this.#isJoined = true;
      this.#trouble = "";
      this.node = message.node;
      this.#againToken = message.token;
      this.name = message.name;
      if (this.#reported) return;
      this.#reported = true;
      const { node, name } = message;
      this.#report({
        t: "started",
        node,
        name,
        address: this.#address,
        token: this.#token,
        pid: process.pid,
      });
    } else if (message.t === "over") void this.stop(message.reason);
    else if (message.t === "failed") this.#agentFailed(message.code, message.message);
  }

  #agentFailed(code: string, reason: string): void {
    if (!this.#reported) return this.#fail(code, reason);
    const isNews = this.#trouble !== reason;
    this.#trouble = reason;
    if (isNews) process.stderr.write(`iono: ${reason}\n`);
    if (!finalCodes.has(code)) return;
    process.stderr.write("iono: this node does not try again\n");
    void this.stop(reason);
  }

  #agentEnded(child: SupervisedChild, how: string): void {
    if (this.#stopping || this.#agent !== child) return;
    this.#isJoined = false;
    if (this.#trouble === "") this.#trouble = `the agent ended (${how})`;
    const delayMs = backoffMs[Math.min(this.#failures++, backoffMs.length - 1)];
    if (this.#failures <= backoffMs.length)
      process.stderr.write(`iono: the agent ended (${how}); it is started again in ${delayMs} ms\n`);
    // What its workers do is for an agent that knows of it.
    const ended = this.#workers.killAll();
    if (this.#segment !== null) fs.closeSync(this.#segment);
    this.#segment = null;
    setTimeout(() => {
      void ended.then(() => {
        if (!this.#stopping) this.#startAgent();
      });
    }, delayMs);
  }

  #fail(code: string, message: string): void {
    if (!this.#reported) {
      this.#reported = true;
      this.#report({ t: "failed", code, message });
    }
    void this.stop(message);
  }
}

/** @throws IonoError BadOption. */
function nodeOptions({ name, node }: StartRequest): NodeOptions {
  const compiled = compileInitOptions(node, machineTotals());
  const { resources, labels, objectStoreBytes, spillDir, maxWorkers } = compiled;
  // What is wrong with the directory is said here, not by an agent that ends.
  const directories = spillDir === "" ? "" : storeSpillDirs(spillDir).join(delimiter);
  return { name, resources, labels, objectStoreBytes, spillDir: directories, maxWorkers };
}

/** @throws IonoError BadOption. */
function keysOf({ listen }: StartRequest): CurveKeys {
  if (listen === null || (listen.keys === "" && isLoopback(listen.host))) return makeKeys();
  if (listen.keys !== "") return loadKeys(listen.keys);
  throw new IonoError(
    "BadOption",
    `listening at ${listen.host}, beyond this machine, needs keys: run \`iono keys\` once to make them`,
  );
}

function isLoopback(host: string): boolean {
  return host === "::1" || host.startsWith("127.");
}

function processFile(kind: "head/bin" | "agent/cluster-bin"): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const extension = fromSource ? "ts" : "js";
  const places = [join(here, `../${kind}.${extension}`), join(here, `${kind}.${extension}`)];
  return places.find((place) => fs.existsSync(place)) ?? places[0];
}

const fromSource = import.meta.url.endsWith(".ts");
