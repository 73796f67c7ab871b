/** The sending half of a session: what is under way, what is lost, and how much more may be sent. */
import { SessionRate } from "./session-rate.ts";

export interface SentSegment<P> {
  readonly sequence: number;
  readonly payload: P;
  readonly bytes: number;
  readonly flags: number;
  /** When it was sent last, and its place among all that was sent. */
  sentAt: number;
  order: number;
  sends: number;
  state: "under way" | "lost" | "arrived";
}

/** So many segments sent later have arrived: it is lost. */
const reorderedSegments = 3;
/** … or one that was sent so much later, or half a round trip. */
const reorderedMs = 20;
const mostBackoff = 32;

export class SessionSender<P> {
  readonly rate = new SessionRate();
  /** Sent and not acknowledged, by sequence; those before `#head` are acknowledged. */
  #sent: SentSegment<P>[] = [];
  #head = 0;
  #nextSequence = 1;
  #nextOrder = 1;
  #underWayBytes = 0;
  #lostCount = 0;
  /** Bytes not acknowledged. */
  #unacknowledgedBytes = 0;
  /** The last sent of those that are known to have arrived. */
  #latestOrder = 0;
  #latestSentAt = 0;
  #hasResent = false;
  #backoff = 1;
  /** When to take something for lost. */
  timeoutAt = Infinity;

  get nextSequence(): number {
    return this.#nextSequence;
  }

  get unacknowledgedBytes(): number {
    return this.#unacknowledgedBytes;
  }

  get isEmpty(): boolean {
    return this.#head === this.#sent.length;
  }

  /** Bytes that may be sent now; what is lost goes first. */
  get roomBytes(): number {
    if (this.#lostCount > 0) return 0;
    return Math.max(0, this.rate.windowBytes - this.#underWayBytes);
  }

  add(payload: P, bytes: number, flags: number, now: number): SentSegment<P> {
    if (this.isEmpty) this.rate.started(now);
    const segment: SentSegment<P> = {
      sequence: this.#nextSequence++,
      payload,
      bytes,
      flags,
      sentAt: now,
      order: 0,
      sends: 0,
      state: "lost",
    };
    this.#lostCount++;
    this.#sent.push(segment);
    this.#unacknowledgedBytes += bytes;
    return segment;
  }

  /** It is being sent, for the first time or again. */
  send(segment: SentSegment<P>, now: number): void {
    if (segment.state === "lost") this.#lostCount--;
    segment.state = "under way";
    segment.sentAt = now;
    segment.order = this.#nextOrder++;
    if (++segment.sends > 1) this.#hasResent = true;
    this.#underWayBytes += segment.bytes;
    if (this.timeoutAt === Infinity) this.#armTimeout(now);
    if (this.#underWayBytes >= this.rate.windowBytes) this.rate.full();
  }

  /** It could not be sent after all. */
  takeBack(sequence: number): void {
    if (this.isEmpty) return;
    const segment = this.#sent[this.#head + sequence - this.#sent[this.#head].sequence];
    if (segment?.state === "under way") this.#lose(segment);
  }

  /** The next segment to send again. `isForced`: also when the window is full. */
  nextLost(isForced: boolean): SentSegment<P> | undefined {
    if (this.#lostCount === 0) return undefined;
    if (!isForced && this.#underWayBytes > 0 && this.#underWayBytes >= this.rate.windowBytes)
      return undefined;
    for (let i = this.#head; i < this.#sent.length; i++)
      if (this.#sent[i].state === "lost") return this.#sent[i];
    return undefined;
  }

  /**
   * False when it speaks of what was never sent. Adds to `released` the payloads that were sent only once, and are
   * acknowledged.
   */
  acknowledge(acknowledged: number, selective: number, now: number, released: P[]): boolean {
    if (acknowledged >= this.#nextSequence) return false;
    let arrivedBytes = 0;
    while (this.#head < this.#sent.length && this.#sent[this.#head].sequence <= acknowledged) {
      const segment = this.#sent[this.#head++];
      arrivedBytes += this.#arrived(segment, now);
      this.#unacknowledgedBytes -= segment.bytes;
      if (segment.sends === 1) released.push(segment.payload);
    }
    this.#compact();
    if (selective !== 0 && this.#head < this.#sent.length) {
      const first = this.#sent[this.#head].sequence;
      for (let i = 0; i < 32; i++) {
        if ((selective & (1 << i)) === 0) continue;
        const segment = this.#sent[this.#head + acknowledged + 2 + i - first];
        if (segment !== undefined) arrivedBytes += this.#arrived(segment, now);
      }
    }
    if (arrivedBytes > 0) {
      this.#backoff = 1;
      this.rate.acknowledged(arrivedBytes, now);
      this.#armTimeout(now);
      if ((selective !== 0 || this.#hasResent) && this.#findLost()) this.rate.lost(now);
    }
    if (this.isEmpty) {
      this.timeoutAt = Infinity;
      this.#hasResent = false;
    }
    return true;
  }

  /** At `timeoutAt`: the first segment is taken for lost, to be sent whatever the window. */
  timeOut(now: number): void {
    this.#backoff = Math.min(mostBackoff, this.#backoff * 2);
    this.rate.timedOut();
    this.#armTimeout(now);
    for (let i = this.#head; i < this.#sent.length; i++) {
      if (this.#sent[i].state === "arrived") continue;
      if (this.#sent[i].state === "under way") this.#lose(this.#sent[i]);
      return;
    }
  }

  /** All that is under way is taken for lost. */
  loseAll(now: number): void {
    for (let i = this.#head; i < this.#sent.length; i++)
      if (this.#sent[i].state === "under way") this.#lose(this.#sent[i]);
    this.#backoff = 1;
    this.rate.forget();
    if (!this.isEmpty) this.#armTimeout(now);
  }

  /** @throws Error naming what is wrong. */
  check(): void {
    const sent = this.#sent.slice(this.#head);
    const sum = (segments: readonly SentSegment<P>[]) =>
      segments.reduce((total, { bytes }) => total + bytes, 0);
    const underWay = sum(sent.filter(({ state }) => state === "under way"));
    if (underWay !== this.#underWayBytes)
      throw new Error(`${underWay} bytes are under way, ${this.#underWayBytes} are counted`);
    if (sum(sent) !== this.#unacknowledgedBytes) throw new Error("unacknowledged bytes are counted wrong");
    const lost = sent.filter(({ state }) => state === "lost").length;
    if (lost !== this.#lostCount)
      throw new Error(`${lost} segments are lost, ${this.#lostCount} are counted`);
    for (let i = 1; i < sent.length; i++)
      if (sent[i].sequence !== sent[i - 1].sequence + 1) throw new Error("a segment is missing");
    if (underWay > 0 && this.timeoutAt === Infinity) throw new Error("segments wait for ever");
  }

  #arrived(segment: SentSegment<P>, now: number): number {
    if (segment.state === "arrived") return 0;
    if (segment.state === "lost") this.#lostCount--;
    else this.#underWayBytes -= segment.bytes;
    segment.state = "arrived";
    // One that was sent again, and is acknowledged so soon, arrived the first time.
    const isDoubtful = segment.sends > 1 && now - segment.sentAt < this.rate.soonMs;
    if (segment.order > this.#latestOrder && !isDoubtful) {
      this.#latestOrder = segment.order;
      this.#latestSentAt = segment.sentAt;
    }
    return segment.bytes;
  }

  #lose(segment: SentSegment<P>): void {
    segment.state = "lost";
    this.#lostCount++;
    this.#underWayBytes -= segment.bytes;
  }

  /** Takes for lost what was sent well before something that has arrived (RFC 8985 in spirit). */
  #findLost(): boolean {
    let isLost = false;
    const toleratedMs = Math.max(reorderedMs, (this.rate.roundTripMs ?? 0) / 2);
    for (let i = this.#head; i < this.#sent.length; i++) {
      const segment = this.#sent[i];
      if (segment.state !== "under way" || segment.order >= this.#latestOrder) continue;
      const isLate =
        segment.order + reorderedSegments <= this.#latestOrder ||
        segment.sentAt + toleratedMs <= this.#latestSentAt;
      if (!isLate) continue;
      this.#lose(segment);
      isLost = true;
    }
    return isLost;
  }

  #armTimeout(now: number): void {
    this.timeoutAt = now + Math.min(mostTimeoutMs, this.rate.timeoutMs * this.#backoff);
  }

  #compact(): void {
    if (this.#head === this.#sent.length) {
      this.#sent = [];
      this.#head = 0;
    } else if (this.#head > 64 && this.#head * 2 > this.#sent.length) {
      this.#sent.splice(0, this.#head);
      this.#head = 0;
    }
  }
}

const mostTimeoutMs = 5000;
