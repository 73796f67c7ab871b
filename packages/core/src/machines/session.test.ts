import { describe, expect, it } from "vitest";
import { SessionMachine } from "./session.ts";
import type { SessionEvent, SessionInstruction } from "./session-events.ts";
import { sessionTypes, type SessionHeader, type SessionType } from "./session-header.ts";

function header(type: SessionType, source: number, target: number, change?: Partial<SessionHeader>) {
  const zero = { flags: 0, sequence: 1, acknowledged: 0, selective: 0, sentAt: 0, echo: 0 };
  return { type, source, target, ...zero, ...change };
}

/** The session 1, whose peer is played by the test. */
class Side {
  readonly machine = new SessionMachine(1, "", 0);
  now = 0;

  /** What it says, in short. */
  handle(event: SessionEvent<string>): string[] {
    const said = this.machine.handle(event).map((each) => this.#short(each));
    this.machine.check();
    return said;
  }

  hear(type: SessionType, source: number, target: number, change?: Partial<SessionHeader>, payload = "") {
    return this.handle({
      type: "datagram",
      header: header(type, source, target, change),
      payload,
      bytes: payload.length,
      now: this.now,
    });
  }

  send(payload: string): string[] {
    return this.handle({ type: "send", payload, bytes: payload.length, isData: false, now: this.now });
  }

  /** Lets time pass, with ticks when they are wanted. */
  until(time: number): string[] {
    const said: string[] = [];
    while (this.machine.tickAt <= time) {
      this.now = Math.max(this.now, this.machine.tickAt);
      said.push(...this.handle({ type: "tick", now: this.now }).map((each) => `${this.now}: ${each}`));
    }
    this.now = time;
    return said;
  }

  establish(): this {
    this.handle({ type: "open", now: 0 });
    this.hear(sessionTypes.acknowledge, 2, 1);
    return this;
  }

  #short(each: SessionInstruction<string>): string {
    switch (each.type) {
      case "transmit": {
        const name = Object.entries(sessionTypes).find(([, type]) => type === each.header.type)?.[0] ?? "?";
        const { source, target, acknowledged } = each.header;
        const what = each.payload === undefined ? `up to ${acknowledged}` : each.payload;
        return `${name} ${source}→${target} ${what}`;
      }
      case "deliver":
        return `deliver ${each.payload}`;
      case "health":
        return each.health;
      case "ended":
        return `ended: ${each.end}`;
      default:
        return each.type;
    }
  }
}

const { open, acknowledge, segment, ping, reset, challenge, response } = sessionTypes;

describe("a session", () => {
  it("asks until it is answered, and is there for both when each has named the other", () => {
    const side = new Side();
    expect(side.handle({ type: "open", now: 0 })).toEqual(["open 1→0 up to 0"]);
    expect(side.until(800)).toEqual(["250: open 1→0 up to 0", "750: open 1→0 up to 0"]);
    expect(side.machine.roomBytes).toBe(0);
    expect(side.hear(acknowledge, 2, 1)).toEqual(["established", "acknowledge 1→2 up to 0"]);
    expect(side.machine.roomBytes).toBeGreaterThan(0);
  });

  it("answers who asks, hands nothing on before it is named, and forgets those who do not", () => {
    const side = new Side();
    expect(side.hear(open, 2, 0)).toEqual(["acknowledge 1→2 up to 0"]);
    expect(side.machine.isEstablished).toBe(false);
    expect(side.hear(segment, 2, 1, {}, "hello")).toEqual([
      "established",
      "deliver hello",
      "acknowledge 1→2 up to 1",
    ]);
    const other = new Side();
    other.hear(open, 2, 0);
    expect(other.until(60_000)).toEqual(["10000: ended: silent"]);
  });

  it("pings after a second of silence, suspects after three, wants a new way each five", () => {
    const side = new Side().establish();
    const said = side.until(11_000);
    const told = said.filter((each) => !each.includes("ping"));
    expect(told).toEqual(["3000: suspect", "5000: renewWay", "10000: renewWay"]);
    expect(said.length - told.length).toBe(11);
    expect(side.hear(acknowledge, 2, 1)).toEqual(["up"]);
    expect(side.hear(ping, 2, 1)).toEqual(["acknowledge 1→2 up to 0"]);
  });

  it("blames nobody for its own standstill", () => {
    const side = new Side().establish();
    side.until(500);
    side.now = 60_000;
    expect(side.handle({ type: "tick", now: side.now })).toEqual(["ping 1→2 up to 0"]);
    expect(side.until(63_500).filter((each) => !each.includes("ping"))).toEqual(["62000: suspect"]);
  });

  it("acknowledges alone after 10 ms, at once when a segment is missing, and repeats nothing", () => {
    const side = new Side().establish();
    expect(side.hear(segment, 2, 1, { sequence: 1 }, "a")).toEqual(["deliver a"]);
    expect(side.until(50)).toEqual(["10: acknowledge 1→2 up to 1"]);
    expect(side.hear(segment, 2, 1, { sequence: 3 }, "c")).toEqual(["acknowledge 1→2 up to 1"]);
    expect(side.hear(segment, 2, 1, { sequence: 2 }, "b")).toEqual([
      "deliver b",
      "deliver c",
      "acknowledge 1→2 up to 3",
    ]);
    expect(side.hear(segment, 2, 1, { sequence: 2 }, "b")).toEqual(["acknowledge 1→2 up to 3"]);
  });

  it("sends again what is missing, and the first one after a timeout, less and less often", () => {
    const side = new Side().establish();
    for (const payload of ["a", "b", "c", "d", "e"]) side.send(payload);
    expect(side.hear(acknowledge, 2, 1, { acknowledged: 1, selective: 0b011 })).toEqual(["released"]);
    const said = side.hear(acknowledge, 2, 1, { acknowledged: 1, selective: 0b111 });
    expect(said).toEqual(["segment 1→2 b"]);
    const again = side.until(8000).filter((each) => each.includes("segment"));
    expect(again.length).toBeGreaterThanOrEqual(2);
    expect(again.length).toBeLessThan(6);
    expect(side.hear(acknowledge, 2, 1, { acknowledged: 5 })).toContain("released");
  });

  it("waits when it cannot send, and goes on with a new way", () => {
    const side = new Side().establish();
    side.send("a");
    side.handle({ type: "refused", sequence: 1, now: side.now });
    expect(side.machine.roomBytes).toBe(0);
    expect(side.until(10)).toEqual(["10: segment 1→2 a"]);
    side.handle({ type: "refused", sequence: 1, now: side.now });
    expect(side.handle({ type: "way", now: side.now })).toEqual(["segment 1→2 a", "ping 1→2 up to 0"]);
  });

  it("challenges another peer, and ends when that is there", () => {
    const side = new Side().establish();
    expect(side.hear(open, 3, 0)).toEqual(["challenge 1→3 up to 0"]);
    // Late datagrams of others change nothing.
    expect(side.hear(response, 4, 1)).toEqual([]);
    expect(side.hear(segment, 3, 1, {}, "stranger")).toEqual([]);
    expect(side.hear(response, 3, 1)).toEqual(["ended: reset"]);
    const asking = new Side();
    asking.handle({ type: "open", now: 0 });
    expect(asking.hear(challenge, 9, 1)).toEqual(["response 1→9 up to 0"]);
    expect(asking.machine.isEstablished).toBe(false);
  });

  it("tells those who mean an older one of this side, and believes only its own peer", () => {
    const side = new Side().establish();
    expect(side.hear(segment, 2, 7, {}, "old")).toEqual(["reset 7→2 up to 0"]);
    expect(side.hear(reset, 2, 7)).toEqual([]);
    expect(side.hear(reset, 3, 1)).toEqual([]);
    expect(side.hear(reset, 2, 1)).toEqual(["ended: reset"]);
  });

  it("ends with a peer that acknowledges what was not sent", () => {
    const side = new Side().establish();
    expect(side.hear(acknowledge, 2, 1, { acknowledged: 5 })).toEqual(["ended: broken"]);
  });

  it("closes when both have said all, and waits ten seconds for a silent peer", () => {
    const side = new Side().establish();
    expect(side.handle({ type: "close", now: 0 })).toEqual(["segment 1→2 "]);
    expect(side.hear(segment, 2, 1, { flags: 2 })).toEqual(["peerClosed", "acknowledge 1→2 up to 1"]);
    expect(side.hear(acknowledge, 2, 1, { acknowledged: 1, sequence: 2 })).toEqual([
      "released",
      "ended: closed",
    ]);
    const alone = new Side().establish();
    alone.send("a");
    alone.handle({ type: "close", now: 0 });
    expect(alone.until(60_000).at(-1)).toBe("10000: ended: silent");
    const last = new Side().establish();
    last.hear(segment, 2, 1, { flags: 2 });
    last.handle({ type: "close", now: 0 });
    expect(last.until(60_000).at(-1)).toBe("10000: ended: closed");
  });
});
