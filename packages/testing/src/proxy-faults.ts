/** What a chaos proxy does to the bytes of one direction, as values. */

/** Which way bytes go: from who connected to the proxy, or back to it. */
export type Direction = "toTarget" | "toClient";
export type Side = "client" | "target";

export const directions: readonly Direction[] = ["toTarget", "toClient"];

export interface Faults {
  /** Every byte comes this much later. Says nothing about the rate. */
  readonly latencyMs: number;
  /** Up to this much is added to the latency, drawn for each chunk. Bytes never overtake each other. */
  readonly jitterMs: number;
  /** Set on the proxy, all its connections share it; set on a connection, that one has it alone. */
  readonly bytesPerSecond: number;
  /** Largest write; each goes out in a turn of its own. */
  readonly sliceBytes: number;
  /**
   * Share of segments of 1,460 bytes that are lost. A stream of TCP loses nothing by it: it stands still until the
   * segment has been sent again, one round trip later, or after the retransmission timeout when little follows it.
   */
  readonly loss: number;
  /** What `loss` reckons with. */
  readonly roundTripMs: number;
  /** One bit is flipped in every this many bytes. */
  readonly corruptEveryBytes: number;
  /** The connection is reset once this many bytes of it, counted from its start, have been delivered. */
  readonly resetAfterBytes: number;
  /**
   * `stall`: nothing is delivered, neither bytes nor the end of a connection, until it is over, as in a blackout.
   * `drop`: bytes are read and thrown away, as by a hostile host on the way.
   */
  readonly delivery: "pass" | "stall" | "drop";
}

export const noFaults: Faults = {
  latencyMs: 0,
  jitterMs: 0,
  bytesPerSecond: Infinity,
  sliceBytes: Infinity,
  loss: 0,
  roundTripMs: 20,
  corruptEveryBytes: Infinity,
  resetAfterBytes: Infinity,
  delivery: "pass",
};

const least: Readonly<Record<Exclude<keyof Faults, "delivery">, number>> = {
  latencyMs: 0,
  jitterMs: 0,
  bytesPerSecond: 1,
  sliceBytes: 1,
  loss: 0,
  roundTripMs: 0,
  corruptEveryBytes: 1,
  resetAfterBytes: 0,
};
const most: Readonly<Partial<Record<keyof Faults, number>>> = {
  latencyMs: 600_000,
  jitterMs: 600_000,
  roundTripMs: 600_000,
  // With more, hardly a segment would ever arrive.
  loss: 0.9,
};

/** @throws RangeError that names field and value. */
export function changeFaults(faults: Faults, change: Partial<Faults>): Faults {
  for (const [field, value] of Object.entries(change)) {
    if (field === "delivery") {
      if (value !== "pass" && value !== "stall" && value !== "drop")
        throw new RangeError(`delivery: ${value} is not one of pass, stall, drop`);
      continue;
    }
    const minimum = least[field as keyof typeof least];
    const maximum = most[field as keyof Faults] ?? Infinity;
    if (minimum === undefined) throw new RangeError(`${field}: there is no such fault`);
    if (typeof value !== "number" || !(value >= minimum && value <= maximum))
      throw new RangeError(`${field}: ${value} is not a number from ${minimum} to ${maximum}`);
  }
  return { ...faults, ...change };
}

/** How much a token bucket may send at once after a pause, in ms of its rate. */
const burstMs = 20;

/** Shares a rate among those who reserve, in the order in which they ask. */
export class Bucket {
  readonly bytesPerSecond: number;
  /** When what has been reserved will have been sent. */
  #freeAtMs = -Infinity;

  constructor(bytesPerSecond: number) {
    this.bytesPerSecond = bytesPerSecond;
  }

  /** The most to reserve in one go, so that others get their turn: 5 ms of the rate. */
  get quantumBytes(): number {
    return Math.max(1_460, Math.min(65_536, Math.floor(this.bytesPerSecond * 0.005)));
  }

  /** The time at which `bytes` will have been sent. */
  reserve(bytes: number, nowMs: number): number {
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs - burstMs) + (bytes / this.bytesPerSecond) * 1000;
    return this.#freeAtMs;
  }
}

const segmentBytes = 1_460;
/** Linux' smallest retransmission timeout. */
const leastTimeoutMs = 200;
/** TCP sends again at once after three later segments have arrived. */
const segmentsToNotice = 3;

/** How long the loss of segments holds up `bytes` bytes that are sent together. */
export function lossDelayMs({ loss, roundTripMs }: Faults, bytes: number, random: () => number): number {
  if (loss === 0) return 0;
  let delayMs = 0;
  const segments = Math.ceil(bytes / segmentBytes);
  for (let segment = 0; segment < segments; segment++) {
    if (random() >= loss) continue;
    const timeoutMs = Math.max(leastTimeoutMs, 2 * roundTripMs);
    delayMs += segments - segment > segmentsToNotice ? roundTripMs : timeoutMs;
    // The repeat may be lost as well: then only a timeout helps, twice as long each time.
    for (let again = 1; random() < loss && again < 6; again++) delayMs += timeoutMs * 2 ** again;
  }
  return delayMs;
}
