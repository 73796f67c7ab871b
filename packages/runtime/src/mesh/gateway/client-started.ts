/** The gateway that this process starts, and starts anew whenever it ends. */
import { IonoError } from "@iono/core";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { UnixLink } from "../../links/unix.ts";
import { version } from "../../version.ts";
import type { CurveKeys } from "../keys.ts";
import { GatewayClient, type BoundGateway, type GatewayIdentity } from "./client.ts";
import { launchGateway } from "./launch.ts";

export interface StartedGatewayOptions extends GatewayIdentity {
  /** IP address to listen at; `0.0.0.0` or `::` for all of this machine. */
  readonly host: string;
  /** 0: any free one, the same after a restart. */
  readonly port: number;
  /** 0: any free one, the same after a restart; null: nobody joins here. */
  readonly joinPort: number | null;
  readonly keys: CurveKeys;
  /** Default 1 GiB. */
  readonly maxMemoryBytes?: number;
  /** How long the first start may take; default 10 s. */
  readonly startMs?: number;
}

const defaultMaxMemoryBytes = 1024 * 1024 * 1024;
const defaultStartMs = 10_000;
const stopMs = 2000;
const shortestBackoffMs = 50;
const longestBackoffMs = 5000;
/** A gateway that lived this long is started anew at once. */
const healthyMs = 10_000;

export class StartedGateway extends GatewayClient {
  readonly #options: StartedGatewayOptions;
  /** With it other processes of this machine connect to the gateway: see `ConnectedGateway`. */
  readonly secret: string;
  #child: ChildProcess | null = null;
  #ports: Pick<BoundGateway, "port" | "joinPort"> | null = null;
  #backoffMs = shortestBackoffMs;
  #timer: NodeJS.Timeout | null = null;
  #failure: string | null = null;
  #settleStart: ((error?: IonoError) => void) | null = null;
  /** Times that the gateway was started again. */
  restarts = 0;

  private constructor(options: StartedGatewayOptions, secret: string) {
    super(secret, options);
    this.#options = options;
    this.secret = secret;
  }

  /**
   * Starts a gateway and resolves once it listens.
   * @throws IonoError BadOption when the address or a port cannot be had, Unreachable when the process does not start.
   */
  static async start(options: StartedGatewayOptions): Promise<StartedGateway> {
    if (isIP(options.host) === 0) {
      throw new IonoError(
        "BadOption",
        `the address to listen at must be an IP address of this machine, or 0.0.0.0 for all; got "${options.host}"`,
      );
    }
    const gateway = new StartedGateway(options, randomBytes(32).toString("hex"));
    try {
      await gateway.#first();
    } catch (error) {
      await gateway.close();
      throw error;
    }
    return gateway;
  }

  /** Process id of the gateway; undefined while there is none. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  override async close(): Promise<void> {
    const child = this.#child;
    await super.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => child.kill("SIGKILL"), stopMs);
      child.once("exit", () => {
        clearTimeout(timer);
        resolve();
      });
      child.ref();
      child.kill("SIGTERM");
    });
  }

  protected override failed(message: string): void {
    this.#failure = message;
    if (this.#settleStart === null) this.onTrouble(message);
    // It waits for its link to end.
    this.detach(message);
  }

  async #first(): Promise<void> {
    const startMs = this.#options.startMs ?? defaultStartMs;
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () =>
          this.#settleStart?.(
            new IonoError("Unreachable", `the gateway did not start within ${startMs / 1000} s`),
          ),
        startMs,
      );
      this.#settleStart = (error) => {
        clearTimeout(timer);
        this.#settleStart = null;
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#launch();
    });
  }

  #launch(): void {
    const { host, keys, joinPort } = this.#options;
    const { child, socket } = launchGateway({
      version,
      parentPid: process.pid,
      host,
      port: this.#ports?.port ?? this.#options.port,
      joinPort: joinPort === null ? null : (this.#ports?.joinPort ?? joinPort),
      keys,
      secret: this.secret,
      maxMemoryBytes: this.#options.maxMemoryBytes ?? defaultMaxMemoryBytes,
    });
    this.#child = child;
    this.#failure = null;
    const startedMs = performance.now();
    let hasEnded = false;
    const ended = (): void => {
      if (hasEnded) return;
      hasEnded = true;
      if (this.#child === child) this.#child = null;
      this.detach("the gateway has ended");
      this.#ended(child, performance.now() - startedMs);
    };
    child.on("exit", ended);
    child.on("error", ended);
    this.attach(new UnixLink(socket, { frame: () => {}, closed: () => {} }), () => {
      // A process that lives on without its link is of no use.
      if (!hasEnded && !this.isClosed && this.#failure === null) child.kill("SIGKILL");
    });
  }

  protected override listening({ port, joinPort }: BoundGateway): void {
    this.#ports = { port, joinPort };
    this.#settleStart?.();
  }

  #ended({ exitCode, signalCode }: ChildProcess, livedMs: number): void {
    if (this.isClosed) return;
    const how = signalCode ?? (exitCode === null ? "it could not be started" : `exit code ${exitCode}`);
    if (this.#settleStart !== null) {
      const code = this.#failure === null ? "Unreachable" : "BadOption";
      this.#settleStart(new IonoError(code, this.#failure ?? `the gateway ended at its start (${how})`));
      return;
    }
    if (this.#failure === null) this.onTrouble(`the gateway ended (${how}) and is started anew`);
    this.#backoffMs =
      livedMs > healthyMs ? shortestBackoffMs : Math.min(longestBackoffMs, this.#backoffMs * 2);
    this.#timer = setTimeout(() => this.#again(), this.#backoffMs);
    this.#timer.unref();
  }

  #again(): void {
    if (this.isClosed) return;
    this.restarts++;
    try {
      this.#launch();
    } catch (error) {
      this.onTrouble((error as Error).message);
      this.#backoffMs = Math.min(longestBackoffMs, this.#backoffMs * 2);
      this.#timer = setTimeout(() => this.#again(), this.#backoffMs);
      this.#timer.unref();
    }
  }
}
