import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { connectionIdleMs } from "../protocol/gateway.ts";
import { channels, type Channel } from "../protocol/mesh.ts";
import { GatewayRoutes, type GatewayEvent } from "./gateway-routes.ts";
import { Rate, Rates } from "./gateway-routes-rate.ts";

const node = fc.integer({ min: 0, max: 4 });
const publicKey = fc.constantFrom("a", "b", "c", "d", "e", "f");
const connection = fc.integer({ min: 1, max: 8 });
const channel = fc.constantFrom<Channel>(channels.control, channels.bulk);
const local = fc.integer({ min: 1, max: 2 });

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("allow" as const),
      nodes: fc.array(fc.record({ node, publicKey }), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("revoke" as const), node, isFinal: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("serve" as const),
      local,
      nodes: fc.array(node, { maxLength: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("local gone" as const), local }) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("proved" as const),
      connection,
      node,
      channel,
      nowMs: fc.constant(0),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("gone" as const), connection, reason: fc.constant("x") }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 9000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("heard" as const), connection }) },
);

/** What a plain reading of the rules says. */
class Model {
  readonly allowed = new Map<number, string>();
  readonly banned = new Set<string>();
  readonly bound = new Map<string, { connection: number; heardMs: number }>();
  readonly served = new Map<number, number>();

  owner(number: number): { node: number; channel: number } | undefined {
    for (const [key, { connection: each }] of this.bound) {
      const [boundNode, boundChannel] = key.split("/").map(Number);
      if (each === number) return { node: boundNode, channel: boundChannel };
    }
    return undefined;
  }

  unbind(number: number): void {
    for (const key of this.bound.keys()) if (key.startsWith(`${number}/`)) this.bound.delete(key);
  }

  revoke(number: number, isFinal = true): void {
    const key = this.allowed.get(number);
    if (key === undefined) return;
    this.allowed.delete(number);
    if (isFinal) this.banned.add(key);
    this.unbind(number);
  }

  apply(event: GatewayEvent): void {
    switch (event.type) {
      case "allow":
        for (const each of event.nodes) {
          if (this.allowed.get(each.node) === each.publicKey) continue;
          this.revoke(each.node);
          for (const [other, key] of this.allowed) {
            if (key !== each.publicKey) continue;
            this.allowed.delete(other);
            this.unbind(other);
          }
          this.banned.delete(each.publicKey);
          this.allowed.set(each.node, each.publicKey);
        }
        break;
      case "revoke":
        this.revoke(event.node, event.isFinal);
        break;
      case "serve":
        this.unserve(event.local);
        for (const each of event.nodes) this.served.set(each, event.local);
        break;
      case "local gone":
        this.unserve(event.local);
        break;
      case "proved":
        if (!this.allowed.has(event.node)) break;
        for (const [key, { connection: each }] of this.bound)
          if (each === event.connection) this.bound.delete(key);
        this.bound.set(`${event.node}/${event.channel}`, {
          connection: event.connection,
          heardMs: event.nowMs,
        });
        break;
      case "gone":
        for (const [key, { connection: each }] of this.bound)
          if (each === event.connection) this.bound.delete(key);
        break;
      case "tick":
        for (const [key, { heardMs }] of this.bound)
          if (event.nowMs - heardMs > connectionIdleMs) this.bound.delete(key);
        break;
    }
  }

  unserve(number: number): void {
    for (const [each, server] of this.served) if (server === number) this.served.delete(each);
  }
}

describe("the routes of a gateway", () => {
  it("are those of the allowed nodes' newest connections, whatever happens", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const routes = new GatewayRoutes();
        const model = new Model();
        const reachable = new Set<string>();
        let nowMs = 0;
        for (const each of steps) {
          if (each.type === "heard") {
            const owner = model.owner(each.connection);
            expect(routes.heard(each.connection, nowMs)).toBe(owner !== undefined);
            const bound = owner && model.bound.get(`${owner.node}/${owner.channel}`);
            if (bound !== undefined) bound.heardMs = nowMs;
            continue;
          }
          if (each.type === "wait") nowMs += each.ms;
          const event: GatewayEvent =
            each.type === "wait"
              ? { type: "tick", nowMs }
              : each.type === "proved"
                ? { ...each, nowMs }
                : each;
          model.apply(event);
          for (const instruction of routes.handle(event)) {
            const key = `${instruction.bound.node}/${instruction.bound.channel}`;
            if (instruction.type === "connected") reachable.add(key);
            else if (instruction.isNews) reachable.delete(key);
          }
          routes.check();

          expect(reachable).toEqual(new Set(model.bound.keys()));
          for (let from = 0; from <= 4; from++) {
            expect(routes.publicKeyOf(from)).toBe(model.allowed.get(from));
            for (const on of Object.values(channels)) {
              const bound = model.bound.get(`${from}/${on}`);
              for (let to = 0; to <= 4; to++) {
                const server = model.served.get(to);
                const target = model.bound.get(`${to}/${on}`);
                const expected =
                  server !== undefined
                    ? { kind: "local", local: server }
                    : target !== undefined
                      ? { kind: "connection", connection: target.connection, node: to, channel: on }
                      : { kind: "drop", reason: "noRoute" };
                if (bound !== undefined) {
                  expect(routes.route(bound.connection, on, from, to, bound.heardMs)).toMatchObject(expected);
                  expect(routes.route(bound.connection, on, from + 1, to, bound.heardMs)).toMatchObject({
                    reason: "forged",
                  });
                }
                for (const number of [1, 2]) {
                  expect(routes.routeLocal(number, on, from, to)).toMatchObject(
                    model.served.get(from) === number ? expected : { reason: "forged" },
                  );
                }
              }
            }
          }
          for (const key of "abcdef") {
            const isAllowed = [...model.allowed.values()].includes(key);
            expect(routes.admits(key)).toBe(isAllowed ? "yes" : model.banned.has(key) ? "never" : "later");
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it("forget keys that were banned long ago, and nothing else", () => {
    const routes = new GatewayRoutes();
    routes.handle({ type: "allow", nodes: [{ node: 1, publicKey: "kept" }] });
    for (let i = 0; i < 11_000; i++) {
      routes.handle({ type: "allow", nodes: [{ node: 2, publicKey: `key ${i}` }] });
      routes.handle({ type: "revoke", node: 2, isFinal: true });
    }
    routes.check();
    expect(routes.admits("kept")).toBe("yes");
    expect(routes.admits("key 0")).toBe("later");
    expect(routes.admits("key 10999")).toBe("never");
  });

  it("look at hellos and ask for them now and then only", () => {
    const routes = new GatewayRoutes();
    let checked = 0;
    let asked = 0;
    for (let i = 0; i < 1000; i++) {
      if (routes.admitHello(1, 0)) checked++;
      if (routes.admitAsk(1, 0)) asked++;
    }
    expect([checked, asked]).toEqual([5, 4]);
    // All connections together.
    for (let i = 0; i < 100_000; i++) if (routes.admitHello(i, 0)) checked++;
    expect(checked).toBeLessThanOrEqual(2000);
    expect(routes.admitHello(1, 10_000)).toBe(true);
  });
});

describe("a rate", () => {
  it("never lets through more than it says, in any span of time", () => {
    const settings = { perSecond: 10, burst: 5 };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 200 }), (gaps) => {
        const rate = new Rate(settings);
        let nowMs = 0;
        const taken: number[] = [];
        for (const gap of gaps) {
          nowMs += gap;
          if (rate.take(nowMs)) taken.push(nowMs);
        }
        for (let from = 0; from < taken.length; from++)
          for (let to = from; to < taken.length; to++)
            expect(to - from + 1).toBeLessThanOrEqual(5 + (taken[to] - taken[from]) / 100 + 1e-6);
      }),
    );
  });

  it("is kept for the keys used last", () => {
    const rates = new Rates<number>({ perSecond: 1, burst: 1 }, 3);
    for (let key = 0; key < 1000; key++) expect(rates.take(key, 0)).toBe(true);
    expect(rates.size).toBe(3);
    expect(rates.take(999, 0)).toBe(false);
    expect(rates.take(0, 0)).toBe(true);
  });
});
