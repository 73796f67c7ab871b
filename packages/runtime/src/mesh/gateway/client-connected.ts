/** A gateway that another process of this machine has started: the agent's, where head and agent share one. */
import { UnixLink } from "../../links/unix.ts";
import { GatewayClient, type GatewayIdentity } from "./client.ts";

export interface GatewayPlace {
  /** `bound.path` of who started it. */
  readonly path: string;
  /** `secret` of who started it. */
  readonly secret: string;
}

const shortestBackoffMs = 50;
const longestBackoffMs = 1000;

export class ConnectedGateway extends GatewayClient {
  #path: string;
  #backoffMs = shortestBackoffMs;
  #timer: NodeJS.Timeout | null = null;

  constructor({ path, secret }: GatewayPlace, identity: GatewayIdentity) {
    super(secret, identity);
    this.#path = path;
    this.#connect();
  }

  /** The gateway was started anew, and is elsewhere. */
  moved(path: string): void {
    if (path === this.#path) return;
    this.#path = path;
    this.#backoffMs = shortestBackoffMs;
    this.detach("the gateway was started anew");
    this.#connect();
  }

  override close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    return super.close();
  }

  protected override listening(): void {
    this.#backoffMs = shortestBackoffMs;
  }

  #connect(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const path = this.#path;
    this.attach(UnixLink.connect(path, { frame: () => {}, closed: () => {} }), () => {
      if (this.isClosed || path !== this.#path) return;
      this.#timer = setTimeout(() => this.#connect(), this.#backoffMs);
      this.#timer.unref();
      this.#backoffMs = Math.min(longestBackoffMs, this.#backoffMs * 2);
    });
  }
}
