/** The nodes of a cluster under events in any order. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NodeReport } from "../protocol/agent-agent.ts";
import { NodeTable, type NodeEvent, type NodeInstruction } from "./node-table.ts";

const settings = { inviteMs: 60_000, lostMs: 7_500 };

function report(name: string): NodeReport {
  return {
    name,
    kind: "node",
    endpoint: "",
    hostId: "h",
    hostname: "box",
    pid: 7,
    resources: {},
    labels: {},
    version: "0.1.0",
  };
}

let keys = 0;

function join(table: NodeTable, name: string, publicKey = `key ${keys++}`, now = 0): NodeInstruction {
  const [instruction] = table.handle({
    type: "join",
    report: report(name),
    publicKey,
    now,
  });
  return instruction;
}

describe("nodes", () => {
  test("are numbered from 1, announced when they register, once", () => {
    const table = new NodeTable(settings);
    expect(join(table, "a")).toMatchObject({ type: "admit", node: 1, name: "a" });
    expect(table.living()).toEqual([]);
    const registered: NodeEvent = { type: "register", node: 1, report: report("other"), now: 1 };
    expect(table.handle(registered)).toMatchObject([{ type: "joined", info: { node: 1, name: "a" } }]);
    expect(table.handle(registered)).toEqual([]);
    expect(table.living()).toHaveLength(1);
  });

  test("with a name that is taken are refused, with whose it is", () => {
    const table = new NodeTable(settings);
    join(table, "gpu");
    expect(join(table, "gpu")).toMatchObject({
      type: "refuse",
      code: "NameTaken",
      message: expect.stringContaining('a node named "gpu" is in the cluster already (on box, pid 7)'),
    });
    table.handle({ type: "leave", node: 1, reason: "stopped" });
    expect(join(table, "gpu")).toMatchObject({ type: "admit", node: 2 });
  });

  test("that join again with their keys take their own place", () => {
    const table = new NodeTable(settings);
    join(table, "gpu", "key of gpu");
    table.handle({ type: "register", node: 1, report: report("gpu"), now: 0 });
    const event: NodeEvent = { type: "join", report: report("gpu"), publicKey: "key of gpu", now: 1 };
    expect(table.handle(event)).toMatchObject([
      { type: "gone", node: 1, reason: "it was started anew" },
      { type: "admit", node: 2, name: "gpu" },
    ]);
  });

  test("without a name get that of their host, counted", () => {
    const table = new NodeTable(settings);
    expect([join(table, ""), join(table, "")]).toMatchObject([{ name: "box" }, { name: "box-2" }]);
  });

  test("that fall silent are gone after their time, unless they are heard", () => {
    const table = new NodeTable(settings);
    for (const node of [1, 2]) {
      join(table, `n${node}`);
      table.handle({ type: "register", node, report: report(""), now: 0 });
      table.handle({ type: "silent", node, now: 1000 });
    }
    expect(table.wantsTicks).toBe(true);
    expect(table.handle({ type: "tick", now: 8499 })).toEqual([]);
    table.handle({ type: "heard", node: 2, now: 8499 });
    expect(table.handle({ type: "tick", now: 8500 })).toMatchObject([{ type: "gone", node: 1, name: "n1" }]);
    expect(table.wantsTicks).toBe(false);
    expect(table.handle({ type: "register", node: 1, report: report(""), now: 9000 })).toMatchObject([
      { type: "fence", node: 1 },
    ]);
  });

  test("keep the rules under any events", () => {
    const names = fc.constantFrom("", "a", "b");
    const node = fc.integer({ min: 0, max: 6 });
    const event: fc.Arbitrary<NodeEvent> = fc.oneof(
      fc.record({
        type: fc.constant("join" as const),
        report: names.map(report),
        publicKey: fc.constantFrom("a", "b", "c", "d"),
        now: fc.constant(0),
      }),
      fc.record({
        type: fc.constant("register" as const),
        node,
        report: names.map(report),
        now: fc.constant(0),
      }),
      fc.record({ type: fc.constantFrom("silent" as const, "heard" as const), node, now: fc.constant(0) }),
      fc.record({ type: fc.constant("leave" as const), node, reason: fc.constant("left") }),
      fc.record({ type: fc.constant("tick" as const), now: fc.integer({ min: 0, max: 100_000 }) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), (events) => {
        const table = new NodeTable(settings);
        const announced = new Set<number>();
        const admitted = new Set<number>();
        for (const each of events) {
          for (const instruction of table.handle(each)) {
            if (instruction.type === "admit") {
              expect(admitted.has(instruction.node)).toBe(false);
              admitted.add(instruction.node);
            }
            if (instruction.type === "joined") announced.add(instruction.info.node);
            if (instruction.type === "gone") announced.delete(instruction.node);
          }
          table.check();
          expect(new Set(table.living().map((info) => info.node))).toEqual(announced);
        }
      }),
    );
  });
});
