import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SessionMachine } from "./session.ts";
import type { SessionEvent, SessionInstruction } from "./session-events.ts";
import { resetFor } from "./session-events.ts";
import { sessionTypes, type SessionHeader } from "./session-header.ts";

interface Datagram {
  readonly to: "a" | "b";
  readonly header: SessionHeader;
  readonly payload: number;
  readonly bytes: number;
}

/** One node: its session, as a mesh keeps it, and all that went in and came out. */
class Node {
  readonly name: "a" | "b";
  readonly world: World;
  session: SessionMachine<number> | undefined;
  /** By session of this side. */
  readonly delivered = new Map<number, number[]>();
  readonly sent = new Map<number, number[]>();
  readonly ends: string[] = [];
  peerClosed = false;
  isClosing = false;
  renewals = 0;

  constructor(name: "a" | "b", world: World) {
    this.name = name;
    this.world = world;
  }

  open(): SessionMachine<number> {
    this.session ??= this.#make();
    this.handle({ type: "open", now: this.world.now });
    return this.session;
  }

  /** The process is gone, and with it all that it knew. */
  restart(): void {
    this.session = undefined;
    this.peerClosed = this.isClosing = false;
  }

  send(value: number, bytes: number): void {
    const { session } = this;
    if (session === undefined || this.isClosing || session.roomBytes === 0) return;
    this.sent.get(session.epoch)?.push(value);
    this.handle({ type: "send", payload: value, bytes, isData: value % 2 === 0, now: this.world.now });
  }

  close(): void {
    if (this.session?.isEstablished !== true) return;
    this.isClosing = true;
    this.handle({ type: "close", now: this.world.now });
  }

  receive({ header, payload, bytes }: Datagram): void {
    if (this.session === undefined) {
      if (header.target !== 0) {
        if (header.type !== sessionTypes.reset && header.type !== sessionTypes.challenge)
          this.perform([resetFor(header)]);
        return;
      }
      if (header.type !== sessionTypes.open) return;
      this.session = this.#make();
    }
    this.handle({ type: "datagram", header, payload, bytes, now: this.world.now });
  }

  handle(event: SessionEvent<number>): void {
    const { session } = this;
    if (session === undefined) return;
    const instructions = session.handle(event);
    session.check();
    this.perform(instructions);
  }

  perform(instructions: readonly SessionInstruction<number>[]): void {
    const { session } = this;
    for (const each of instructions) {
      switch (each.type) {
        case "transmit":
          if (this.world.refuses) {
            this.session?.handle({ type: "refused", sequence: each.sequence, now: this.world.now });
            this.session?.check();
          } else {
            this.world.air.push({
              to: this.name === "a" ? "b" : "a",
              header: each.header,
              payload: each.payload ?? -1,
              bytes: each.payload === undefined ? 0 : 100,
            });
          }
          break;
        case "deliver":
          this.delivered.get(session?.epoch ?? 0)?.push(each.payload);
          expect(each.isData).toBe(each.payload % 2 === 0);
          break;
        case "peerClosed":
          this.peerClosed = true;
          break;
        case "renewWay":
          this.renewals++;
          break;
        case "ended":
          this.ends.push(each.end);
          if (this.session === session) this.restart();
          break;
      }
    }
  }

  #make(): SessionMachine<number> {
    const epoch = this.world.nextEpoch++;
    this.delivered.set(epoch, []);
    this.sent.set(epoch, []);
    return new SessionMachine(epoch, -1, this.world.now);
  }
}

class World {
  now = 0;
  nextEpoch = 1;
  refuses = false;
  readonly air: Datagram[] = [];
  readonly a = new Node("a", this);
  readonly b = new Node("b", this);

  get nodes(): readonly Node[] {
    return [this.a, this.b];
  }

  arrive(index: number, isRepeated: boolean): void {
    if (this.air.length === 0) return;
    const at = index % this.air.length;
    const datagram = this.air[at];
    if (!isRepeated) this.air.splice(at, 1);
    this[datagram.to].receive(datagram);
  }

  pass(ms: number): void {
    this.now += ms;
    for (const node of this.nodes) {
      if (node.session !== undefined && node.session.tickAt <= this.now)
        node.handle({ type: "tick", now: this.now });
    }
  }

  /** Fair weather until nothing is owed, but for `leastMs` at least and for `ms` at most. */
  settle(ms: number, leastMs = 0): void {
    this.refuses = false;
    const endsAt = this.now + leastMs;
    for (let left = ms; left > 0; left -= 5) {
      // Not what is sent in answer: that takes some time.
      for (let count = this.air.length; count > 0; count--) this.arrive(0, false);
      this.pass(5);
      if (this.now < endsAt) continue;
      if (this.nodes.every(({ session }) => session === undefined || session.unacknowledgedBytes === 0)) {
        if (this.air.length === 0 && this.nodes.every(({ session }) => session?.isEstablished ?? true))
          return;
      }
    }
  }

  /** (S1) What was handed on is a beginning of what was sent in one session, and (S2) of one only. */
  checkPrefixes(): void {
    for (const [from, to] of [
      [this.a, this.b],
      [this.b, this.a],
    ]) {
      const sent = [...from.sent.values()].filter((values) => values.length > 0);
      const heard = [...to.delivered.values()].filter((values) => values.length > 0);
      const used = new Set<number>();
      for (const values of heard) {
        const source = sent.findIndex((each) => each[0] === values[0]);
        expect(used.has(source)).toBe(false);
        used.add(source);
        expect(sent[source].slice(0, values.length)).toEqual(values);
      }
    }
  }
}

type Step =
  | { readonly type: "send"; readonly node: "a" | "b"; readonly count: number }
  | { readonly type: "arrive"; readonly index: number; readonly isRepeated: boolean }
  | { readonly type: "lose"; readonly index: number }
  | { readonly type: "pass"; readonly ms: number }
  | { readonly type: "way"; readonly node: "a" | "b" }
  | { readonly type: "refuse"; readonly on: boolean }
  | { readonly type: "restart"; readonly node: "a" | "b" }
  | { readonly type: "open"; readonly node: "a" | "b" };

const node = fc.constantFrom("a" as const, "b" as const);
const index = fc.nat({ max: 1000 });
const lossy = [
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("send" as const),
      node,
      count: fc.integer({ min: 1, max: 20 }),
    }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      type: fc.constant("arrive" as const),
      index: fc.oneof(fc.constant(0), index),
      isRepeated: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.boolean()),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("lose" as const), index }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 900 }) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("way" as const), node }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("refuse" as const), on: fc.boolean() }) },
] as const;
const restarting = [
  ...lossy,
  { weight: 1, arbitrary: fc.record({ type: fc.constant("restart" as const), node }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("open" as const), node }) },
] as const;

let value = 0;

function take(world: World, step: Step): void {
  switch (step.type) {
    case "send":
      for (let i = 0; i < step.count; i++) world[step.node].send(value++, 100);
      break;
    case "arrive":
      world.arrive(step.index, step.isRepeated);
      break;
    case "lose":
      if (world.air.length > 0) world.air.splice(step.index % world.air.length, 1);
      break;
    case "pass":
      world.pass(step.ms);
      break;
    case "way":
      world[step.node].handle({ type: "way", now: world.now });
      break;
    case "refuse":
      world.refuses = step.on;
      break;
    case "restart":
      world[step.node].restart();
      break;
    case "open":
      world[step.node].open();
      break;
  }
}

describe("a session", () => {
  it("hands everything on once and in order, whatever becomes of datagrams, and closes", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(...lossy), { maxLength: 150 }), fc.boolean(), (steps, bothOpen) => {
        const world = new World();
        world.a.open();
        if (bothOpen) world.b.open();
        for (const step of steps) take(world, step);
        world.checkPrefixes();
        world.settle(60_000);
        const { a, b } = world;
        expect([...a.delivered.values()]).toEqual([...b.sent.values()]);
        expect([...b.delivered.values()]).toEqual([...a.sent.values()]);
        expect([a.ends, b.ends]).toEqual([[], []]);
        a.close();
        world.settle(10_000, 1000);
        expect(b.peerClosed).toBe(true);
        b.close();
        world.settle(10_000, 1000);
        expect([a.ends, b.ends]).toEqual([["closed"], ["closed"]]);
      }),
      { numRuns: 400 },
    );
  });

  it("mixes no two sessions when peers lose their state, and gets over it", () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(...restarting), { maxLength: 200 }), (steps) => {
        const world = new World();
        world.a.open();
        for (const step of steps) take(world, step);
        world.checkPrefixes();
        world.refuses = false;
        world.a.open();
        // Time enough for pings to tell who is gone.
        world.settle(60_000, 5000);
        world.a.open();
        world.settle(60_000, 5000);
        expect([world.a.session?.isEstablished, world.b.session?.isEstablished]).toEqual([true, true]);
        world.a.send(value++, 100);
        world.b.send(value++, 100);
        world.settle(60_000);
        world.checkPrefixes();
        for (const one of world.nodes) expect(one.session?.unacknowledgedBytes).toBe(0);
      }),
      { numRuns: 400 },
    );
  });
});
