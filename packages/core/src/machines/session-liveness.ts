/** Whether the peer of a session is heard: when to ping it, when to worry, when to make the way to it anew. */
import type { SessionSettings } from "./session-events.ts";

/** A tick that comes so late tells that this process stood still. */
const stallMs = 1000;

export class SessionLiveness {
  readonly #settings: SessionSettings;
  heardAt: number;
  #pingedAt: number;
  #renewAt: number;
  #isSuspect = false;

  constructor(now: number, settings: SessionSettings) {
    this.#settings = settings;
    this.heardAt = this.#pingedAt = now;
    this.#renewAt = now + settings.renewMs;
  }

  get nextAt(): number {
    const { pingMs, suspectMs } = this.#settings;
    const at = Math.min(this.#renewAt, Math.max(this.heardAt, this.#pingedAt) + pingMs);
    return this.#isSuspect ? at : Math.min(at, this.heardAt + suspectMs);
  }

  /** True when it had been silent. */
  heard(now: number): boolean {
    this.heardAt = now;
    this.#renewAt = now + this.#settings.renewMs;
    const wasSuspect = this.#isSuspect;
    this.#isSuspect = false;
    return wasSuspect;
  }

  pinged(now: number): void {
    this.#pingedAt = now;
  }

  /** Time has come to say something. */
  isPingDue(now: number): boolean {
    return Math.max(this.heardAt, this.#pingedAt) + this.#settings.pingMs <= now;
  }

  /** Once for each silence. */
  becomesSuspect(now: number): boolean {
    if (this.#isSuspect || this.heardAt + this.#settings.suspectMs > now) return false;
    this.#isSuspect = true;
    return true;
  }

  isRenewalDue(now: number): boolean {
    if (this.#renewAt > now) return false;
    this.#renewAt = now + this.#settings.renewMs;
    return true;
  }

  /** When this process stood still, the silence was its own: what the peer has sent meanwhile is not read yet. */
  forgiveStall(wantedAt: number, now: number): void {
    const lateMs = now - wantedAt;
    if (!(lateMs > stallMs)) return;
    this.heardAt = Math.min(now, this.heardAt + lateMs);
    this.#renewAt += lateMs;
  }
}
