/**
 * A session: a reliable exchange between two nodes over datagrams that may be lost, repeated and reordered.
 *
 * - (S1) what one side sends, the other hands on once and in order, as long as both live;
 * - (S2) nothing of an older session, of either side, is ever handed on: each side has an epoch (a random number), and a
 *   datagram counts only when it names both;
 * - (S3) bytes under way never exceed the window (session-rate.ts), but for one segment, and one more after a timeout;
 * - (S4) a session ends only by close or abort, or because its peer is no more: silence ends it only while it closes.
 *
 * Both sides may open at once. A side that is asked answers, and hands nothing on before the asker has named its epoch:
 * so an old datagram opens nothing. When another epoch asks, the older peer must be gone; as an old datagram could say
 * so too, the new one is challenged first.
 */
import {
  resetFor,
  sessionSettings,
  type SessionEnd,
  type SessionEvent,
  type SessionInstruction,
  type SessionSettings,
} from "./session-events.ts";
import { microsOf, SessionEcho } from "./session-echo.ts";
import { sessionFlags, sessionTypes, type SessionHeader, type SessionType } from "./session-header.ts";
import { SessionLiveness } from "./session-liveness.ts";
import { SessionReceiver, type ReceivedSegment } from "./session-receiver.ts";
import { SessionSender, type SentSegment } from "./session-sender.ts";

/** While the shell cannot send, it is asked again after this long, doubling. */
const refusedMs = 10;
const mostRefusedMs = 250;
/** How often the peer is asked for a session, doubling. */
const openMs = 250;
const mostOpenMs = 2000;

export class SessionMachine<P> {
  /** Of this side; not 0. */
  readonly epoch: number;
  readonly #settings: SessionSettings;
  readonly #sender = new SessionSender<P>();
  readonly #receiver = new SessionReceiver<P>();
  readonly #empty: P;

  #state: "opening" | "established" | "ended" = "opening";
  /** 0: unknown. */
  #peerEpoch = 0;
  #isWanted = false;
  #openAt = Infinity;
  #openWaitMs = openMs;
  #challenged = 0;

  readonly #liveness: SessionLiveness;

  #closedAt = Infinity;
  #lastSent: SentSegment<P> | undefined;
  #hasPeerClosed = false;

  #blockedUntil = -Infinity;
  #blockedMs = refusedMs;

  readonly #echo = new SessionEcho();
  #wantedAt = Infinity;

  /** `empty`: what stands for no payload. */
  constructor(epoch: number, empty: P, now: number, settings: SessionSettings = sessionSettings) {
    this.epoch = epoch;
    this.#empty = empty;
    this.#settings = settings;
    this.#liveness = new SessionLiveness(now, settings);
  }

  get isEstablished(): boolean {
    return this.#state === "established";
  }

  /** Bytes that may be sent now. */
  get roomBytes(): number {
    if (this.#state !== "established" || this.#lastSent !== undefined || this.#isBlocked) return 0;
    return this.#sender.roomBytes;
  }

  get windowBytes(): number {
    return this.#sender.rate.windowBytes;
  }

  get unacknowledgedBytes(): number {
    return this.#sender.unacknowledgedBytes;
  }

  get roundTripMs(): number | undefined {
    return this.#sender.rate.roundTripMs;
  }

  /** When the next `tick` is wanted; Infinity: never. */
  get tickAt(): number {
    if (this.#state === "ended") return Infinity;
    if (this.#isTemporary) return (this.#wantedAt = this.#giveUpAt);
    let at = Math.min(this.#liveness.nextAt, this.#openAt, this.#giveUpAt);
    if (this.#state === "established")
      at = Math.min(at, this.#receiver.acknowledgeAt, this.#sender.timeoutAt);
    if (this.#isBlocked) at = Math.min(at, this.#blockedUntil);
    return (this.#wantedAt = at);
  }

  /** This side was asked for a session, and the asker has not said more. */
  get #isTemporary(): boolean {
    return this.#state === "opening" && !this.#isWanted;
  }

  /** When a silent peer is not waited for any longer. */
  get #giveUpAt(): number {
    const { heardAt } = this.#liveness;
    if (this.#closedAt !== Infinity) return Math.max(heardAt, this.#closedAt) + this.#settings.giveUpMs;
    return this.#isTemporary ? heardAt + this.#settings.giveUpMs : Infinity;
  }

  /** The peer has said all, and nothing but the end of this side is not acknowledged: what is lost is its last word. */
  get #isAllSaid(): boolean {
    return this.#hasPeerClosed && this.#lastSent !== undefined && this.#sender.unacknowledgedBytes === 0;
  }

  get #isBlocked(): boolean {
    return this.#blockedUntil !== -Infinity;
  }

  handle(event: SessionEvent<P>): SessionInstruction<P>[] {
    const out: SessionInstruction<P>[] = [];
    if (this.#state === "ended") return out;
    switch (event.type) {
      case "open":
        if (this.#isWanted) break;
        this.#isWanted = true;
        if (this.#state === "opening") this.#open(event.now, out);
        break;
      case "send": {
        const flags = event.isData ? sessionFlags.data : 0;
        this.#transmit(this.#sender.add(event.payload, event.bytes, flags, event.now), event.now, out);
        break;
      }
      case "datagram":
        this.#receive(event.header, event, event.now, out);
        break;
      case "tick":
        this.#tick(event.now, out);
        break;
      case "refused":
        this.#refused(event.sequence, event.now);
        break;
      case "way":
        this.#way(event.now, out);
        break;
      case "closing":
        this.#closedAt = Math.min(this.#closedAt, event.now);
        break;
      case "close":
        this.#close(event.now, out);
        break;
      case "abort":
        if (this.#peerEpoch !== 0) this.#say(sessionTypes.reset, 0, out);
        this.#end("aborted", out);
        break;
    }
    return out;
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    this.#sender.check();
    this.#receiver.check();
    if (this.#state === "established" && this.#peerEpoch === 0) throw new Error("established with nobody");
    if (this.#state === "established" && this.tickAt === Infinity) throw new Error("waits for ever");
  }

  // Opening

  #open(now: number, out: SessionInstruction<P>[]): void {
    this.#say(sessionTypes.open, now, out, 0);
    this.#openAt = now + this.#openWaitMs;
    this.#openWaitMs = Math.min(mostOpenMs, this.#openWaitMs * 2);
  }

  /** The peer asks for a session. */
  #asked(source: number, now: number, out: SessionInstruction<P>[]): void {
    if (this.#state === "established" && source !== this.#peerEpoch) {
      this.#challenged = source;
      this.#say(sessionTypes.challenge, now, out, source);
      return;
    }
    this.#peerEpoch = source;
    this.#heard(now, out);
    this.#say(sessionTypes.acknowledge, now, out);
  }

  #establish(source: number, now: number, out: SessionInstruction<P>[]): void {
    this.#peerEpoch = source;
    this.#state = "established";
    this.#openAt = Infinity;
    // The peer has to learn it too.
    this.#receiver.acknowledgeAt = now;
    out.push({ type: "established" });
  }

  // Receiving

  #receive(
    header: SessionHeader,
    { payload, bytes }: { readonly payload: P; readonly bytes: number },
    now: number,
    out: SessionInstruction<P>[],
  ): void {
    const { type, source, target } = header;
    if (source === 0) return;
    if (target === 0) {
      if (type === sessionTypes.open) this.#asked(source, now, out);
      return;
    }
    if (target !== this.epoch) {
      if (type !== sessionTypes.reset) out.push(resetFor(header));
      return;
    }
    switch (type) {
      case sessionTypes.reset:
        if (source === this.#peerEpoch) this.#wasReset(now, out);
        return;
      case sessionTypes.challenge:
        this.#say(sessionTypes.response, now, out, source);
        return;
      case sessionTypes.response:
        if (this.#state === "established" && source === this.#challenged) this.#end("reset", out);
        return;
    }
    if (this.#state === "opening") this.#establish(source, now, out);
    else if (source !== this.#peerEpoch) return;
    this.#heard(now, out);
    const roundTripMs = this.#echo.take(header, now);
    if (roundTripMs !== undefined) this.#sender.rate.measured(roundTripMs, now);
    const released: P[] = [];
    if (!this.#sender.acknowledge(header.acknowledged, header.selective, now, released))
      return this.#end("broken", out);
    for (const each of released) out.push({ type: "released", payload: each });
    if (type === sessionTypes.ping) this.#receiver.acknowledgeAt = now;
    if (type === sessionTypes.segment) this.#takeSegment(header, payload, bytes, now, out);
    this.#resend(now, out);
    if (this.#receiver.acknowledgeAt <= now) this.#say(sessionTypes.acknowledge, now, out);
    this.#endIfDone(out);
  }

  #takeSegment(
    { sequence, flags }: SessionHeader,
    payload: P,
    bytes: number,
    now: number,
    out: SessionInstruction<P>[],
  ): void {
    const ready: ReceivedSegment<P>[] = [];
    this.#receiver.receive(sequence, { payload, bytes, flags }, now, ready);
    for (const segment of ready) {
      if (segment.flags & sessionFlags.last) {
        this.#hasPeerClosed = true;
        this.#receiver.acknowledgeAt = now;
        out.push({ type: "peerClosed" });
      } else {
        out.push({
          type: "deliver",
          payload: segment.payload,
          isData: (segment.flags & sessionFlags.data) !== 0,
        });
      }
    }
  }

  #heard(now: number, out: SessionInstruction<P>[]): void {
    this.#blockedMs = refusedMs;
    if (this.#liveness.heard(now)) out.push({ type: "health", health: "up" });
  }

  #wasReset(now: number, out: SessionInstruction<P>[]): void {
    if (this.#state === "opening") {
      this.#peerEpoch = 0;
      if (this.#isWanted) this.#openAt = Math.min(this.#openAt, now);
      else this.#end("reset", out);
      return;
    }
    this.#end(this.#isAllSaid ? "closed" : "reset", out);
  }

  // Time

  #tick(now: number, out: SessionInstruction<P>[]): void {
    this.#liveness.forgiveStall(this.#wantedAt, now);
    if (this.#giveUpAt <= now) return this.#end(this.#isAllSaid ? "closed" : "silent", out);
    if (this.#isTemporary) return;
    if (this.#blockedUntil <= now) this.#blockedUntil = -Infinity;
    if (this.#state === "opening") {
      this.#liveness.pinged(now);
      if (this.#openAt <= now) this.#open(now, out);
    } else this.#keepGoing(now, out);
    if (this.#liveness.becomesSuspect(now)) out.push({ type: "health", health: "suspect" });
    if (this.#liveness.isRenewalDue(now)) out.push({ type: "renewWay" });
  }

  #keepGoing(now: number, out: SessionInstruction<P>[]): void {
    if (this.#sender.timeoutAt <= now) {
      this.#sender.timeOut(now);
      const segment = this.#sender.nextLost(true);
      if (segment !== undefined) this.#transmit(segment, now, out);
    }
    this.#resend(now, out);
    if (this.#receiver.acknowledgeAt <= now) this.#say(sessionTypes.acknowledge, now, out);
    if (this.#liveness.isPingDue(now)) this.#ping(now, out);
  }

  // Sending

  #transmit(segment: SentSegment<P>, now: number, out: SessionInstruction<P>[]): void {
    if (this.#isBlocked) return;
    this.#sender.send(segment, now);
    const flags = segment.flags | (this.#sender.roomBytes === 0 ? sessionFlags.urgent : 0);
    const { sequence, payload, sends } = segment;
    const header = this.#header(sessionTypes.segment, flags, sequence, now, this.#peerEpoch);
    out.push({ type: "transmit", header, payload, sequence, again: sends > 1 });
  }

  #resend(now: number, out: SessionInstruction<P>[]): void {
    if (this.#isBlocked) return;
    for (;;) {
      const segment = this.#sender.nextLost(false);
      if (segment === undefined) return;
      this.#transmit(segment, now, out);
    }
  }

  #say(type: SessionType, now: number, out: SessionInstruction<P>[], target = this.#peerEpoch): void {
    const header = this.#header(type, 0, this.#sender.nextSequence, now, target);
    out.push({ type: "transmit", header, payload: undefined, sequence: undefined, again: false });
  }

  #header(type: SessionType, flags: number, sequence: number, now: number, target: number): SessionHeader {
    const echo = this.#echo.give(now);
    if (target === this.#peerEpoch) this.#receiver.sent();
    return {
      type,
      flags: flags | (echo === undefined ? 0 : sessionFlags.echo),
      source: this.epoch,
      target,
      sequence,
      acknowledged: this.#receiver.acknowledged,
      selective: this.#receiver.selective,
      sentAt: microsOf(now),
      echo: echo ?? 0,
    };
  }

  #refused(sequence: number | undefined, now: number): void {
    if (sequence !== undefined) this.#sender.takeBack(sequence);
    else if (this.#state === "established") this.#receiver.acknowledgeAt = now + this.#blockedMs;
    else this.#openAt = Math.min(this.#openAt, now + this.#blockedMs);
    if (this.#isBlocked) return;
    this.#blockedUntil = now + this.#blockedMs;
    this.#blockedMs = Math.min(mostRefusedMs, this.#blockedMs * 2);
  }

  #way(now: number, out: SessionInstruction<P>[]): void {
    this.#blockedUntil = -Infinity;
    this.#blockedMs = refusedMs;
    if (this.#state === "opening") {
      this.#openWaitMs = openMs;
      if (this.#isWanted) this.#open(now, out);
      return;
    }
    this.#sender.loseAll(now);
    this.#resend(now, out);
    this.#ping(now, out);
  }

  #ping(now: number, out: SessionInstruction<P>[]): void {
    this.#liveness.pinged(now);
    this.#say(sessionTypes.ping, now, out);
  }

  // Ending

  #close(now: number, out: SessionInstruction<P>[]): void {
    if (this.#lastSent !== undefined) return;
    this.#closedAt = Math.min(this.#closedAt, now);
    this.#lastSent = this.#sender.add(this.#empty, 0, sessionFlags.last, now);
    this.#transmit(this.#lastSent, now, out);
  }

  #endIfDone(out: SessionInstruction<P>[]): void {
    if (this.#lastSent !== undefined && this.#sender.isEmpty && this.#hasPeerClosed) this.#end("closed", out);
  }

  #end(end: SessionEnd, out: SessionInstruction<P>[]): void {
    this.#state = "ended";
    out.push({ type: "ended", end });
  }
}
