/** The window of a session, on links that are known exactly: simulated, in virtual time. */
import { describe, expect, it } from "vitest";
import { SessionMachine } from "./session.ts";
import type { SessionEvent, SessionInstruction } from "./session-events.ts";
import { minWindowBytes } from "./session-rate.ts";

interface SimulatedLink {
  readonly bytesPerMs: number;
  /** One way. */
  readonly delayMs: number;
}

interface Result {
  /** Bytes a ms that arrived after the first part of the time. */
  readonly rate: number;
  /** The longest that a datagram waited for the link then. */
  readonly longestWaitMs: number;
  readonly roundTripMs: number;
}

/** One side sends as much as it may, in segments of a part of the window as the shell makes them. */
function simulate(link: () => SimulatedLink, totalMs: number, warmMs: number): Result {
  let now = 0;
  let freeAt = 0;
  let arrived = 0;
  let longestWaitMs = 0;
  const events: { readonly at: number; readonly run: () => void }[] = [];
  const at = (time: number, run: () => void): void => {
    let i = events.length;
    while (i > 0 && events[i - 1].at > time) i--;
    events.splice(i, 0, { at: time, run });
  };
  const sides = [new SessionMachine(1, -1, 0), new SessionMachine(2, -1, 0)];
  const perform = (side: number, instructions: readonly SessionInstruction<number>[]): void => {
    for (const each of instructions) {
      if (each.type === "deliver" && now >= warmMs) arrived += each.payload;
      if (each.type !== "transmit") continue;
      const payload = each.payload ?? 0;
      const { bytesPerMs, delayMs } = link();
      let leavesAt = now;
      if (side === 0) {
        if (now >= warmMs) longestWaitMs = Math.max(longestWaitMs, freeAt - now);
        freeAt = leavesAt = Math.max(now, freeAt) + (payload + 100) / bytesPerMs;
      }
      at(leavesAt + delayMs, () =>
        handle(1 - side, { type: "datagram", header: each.header, payload, bytes: payload, now }),
      );
    }
  };
  const handle = (side: number, event: SessionEvent<number>): void => {
    const machine = sides[side];
    perform(side, machine.handle(event));
    while (side === 0 && machine.roomBytes > 0) {
      const bytes = Math.max(16 * 1024, Math.min(1024 * 1024, Math.floor(machine.windowBytes / 4)));
      perform(0, machine.handle({ type: "send", payload: bytes, bytes, isData: true, now }));
    }
    machine.check();
  };
  handle(0, { type: "open", now });
  while (now < totalMs) {
    const tickAt = Math.min(sides[0].tickAt, sides[1].tickAt);
    if (events.length > 0 && events[0].at <= tickAt) {
      const [event] = events.splice(0, 1);
      now = event.at;
      event.run();
    } else {
      now = Math.max(now + 0.01, tickAt);
      for (const side of [0, 1]) if (sides[side].tickAt <= now) handle(side, { type: "tick", now });
    }
  }
  return {
    rate: arrived / (totalMs - warmMs),
    longestWaitMs,
    roundTripMs: sides[0].roundTripMs ?? 0,
  };
}

describe("the window of a session", () => {
  it.each([
    { name: "8 Mbit/s, 300 ms", bytesPerMs: 1000, delayMs: 150, warmMs: 6000 },
    { name: "100 Mbit/s, 80 ms", bytesPerMs: 12_500, delayMs: 40, warmMs: 3000 },
    { name: "1 Gbit/s, 1 ms", bytesPerMs: 125_000, delayMs: 0.5, warmMs: 500 },
    { name: "a satellite: 50 Mbit/s, 700 ms", bytesPerMs: 6250, delayMs: 350, warmMs: 12_000 },
    { name: "1 Mbit/s, 20 ms", bytesPerMs: 125, delayMs: 10, warmMs: 4000 },
  ])("fills the link, and keeps it free for others: $name", ({ bytesPerMs, delayMs, warmMs }) => {
    const { rate, longestWaitMs } = simulate(() => ({ bytesPerMs, delayMs }), warmMs + 2000, warmMs);
    expect(rate).toBeGreaterThan(bytesPerMs * 0.85);
    // No less than the least window can be under way.
    expect(longestWaitMs).toBeLessThan(Math.max(600, (minWindowBytes * 2) / bytesPerMs));
  });

  it("follows a link that becomes slower", () => {
    let spent = 0;
    // The rate falls to a tenth after some calls: about 2 s.
    const link = (): SimulatedLink => ({ bytesPerMs: spent++ < 400 ? 10_000 : 1000, delayMs: 20 });
    const { rate, longestWaitMs } = simulate(link, 12_000, 8000);
    expect(rate).toBeGreaterThan(850);
    expect(longestWaitMs).toBeLessThan(600);
  });

  it("follows a way that becomes longer, as when another one has to be taken", () => {
    let spent = 0;
    // From 1 ms to 300 ms there and back, and to a hundredth of the rate: what is under way takes a while to get through.
    const near: SimulatedLink = { bytesPerMs: 100_000, delayMs: 0.5 };
    const far: SimulatedLink = { bytesPerMs: 1000, delayMs: 150 };
    const { rate, longestWaitMs } = simulate(() => (spent++ < 1000 ? near : far), 32_000, 25_000);
    expect(rate).toBeGreaterThan(850);
    expect(longestWaitMs).toBeLessThan(600);
  });
});
