import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ObjectName } from "../protocol/objects.ts";
import { FakeCluster, mebibyte } from "./transfer.test-driver.ts";

type Step =
  | { readonly kind: "put"; readonly node: number; readonly size: number }
  | {
      readonly kind: "fetch";
      readonly node: number;
      readonly process: number;
      readonly pick: number;
      readonly isUrgent: boolean;
    }
  | { readonly kind: "go"; readonly picks: readonly number[]; readonly isIntact: boolean }
  | { readonly kind: "free"; readonly pick: number }
  | { readonly kind: "evict"; readonly node: number; readonly pick: number }
  | { readonly kind: "release"; readonly node: number; readonly process: number }
  | { readonly kind: "end"; readonly node: number; readonly process: number }
  | { readonly kind: "refuse"; readonly node: number; readonly what: "allocation" | "opening" }
  | { readonly kind: "tick"; readonly ms: number }
  | { readonly kind: "lose"; readonly node: number }
  | { readonly kind: "part"; readonly node: number; readonly other: number };

const nodes = 6;
const node = fc.integer({ min: 1, max: nodes });
const process = fc.integer({ min: 1, max: 3 });
const pick = fc.nat();
const kind = <K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name);
const one = (
  weight: number,
  arbitrary: fc.Arbitrary<Step>,
): { weight: number; arbitrary: fc.Arbitrary<Step> } => ({
  weight,
  arbitrary,
});

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    one(3, fc.record({ kind: kind("put"), node, size: fc.constantFrom(1, 4096, 0.5e6, 2.5e6, 6e6, 9e6) })),
    one(12, fc.record({ kind: kind("fetch"), node, process, pick, isUrgent: fc.boolean() })),
    one(
      24,
      fc.record({
        kind: kind("go"),
        picks: fc.array(pick, { minLength: 1, maxLength: 20 }),
        isIntact: fc.integer({ min: 0, max: 9 }).map((n) => n > 0),
      }),
    ),
    one(1, fc.record({ kind: kind("free"), pick })),
    one(2, fc.record({ kind: kind("evict"), node, pick })),
    one(3, fc.record({ kind: kind("release"), node, process })),
    one(1, fc.record({ kind: kind("end"), node, process })),
    one(
      1,
      fc.record({
        kind: kind("refuse"),
        node,
        what: fc.constantFrom("allocation" as const, "opening" as const),
      }),
    ),
    one(2, fc.record({ kind: kind("tick"), ms: fc.constantFrom(100, 1_000, 7_000) })),
    one(1, fc.record({ kind: kind("lose"), node })),
    one(1, fc.record({ kind: kind("part"), node, other: node })),
  ),
  { minLength: 60, maxLength: 160, size: "max" },
);

class Run {
  readonly cluster = new FakeCluster(nodes, { receivingBytes: 12 * mebibyte, receivingCount: 3 });
  readonly #objects: (ObjectName & { readonly sizeBytes: number })[] = [];
  readonly #ended = new Set<string>();

  constructor() {
    for (const [at, size] of [2.5e6, 9e6, 6e6].entries())
      this.#objects.push(this.cluster.node(at + 1).put(size));
  }

  do(step: Step): void {
    const { cluster } = this;
    const object =
      "pick" in step && this.#objects.length > 0
        ? this.#objects[step.pick % this.#objects.length]
        : undefined;
    const at = "node" in step ? cluster.nodes.get(step.node) : undefined;
    switch (step.kind) {
      case "put":
        if (at !== undefined) this.#objects.push(at.put(Math.ceil(step.size)));
        break;
      case "fetch":
        if (at === undefined || object === undefined || object.home === step.node) break;
        if (!this.#ended.has(`${step.node}/${step.process}`)) at.fetch(step.process, object, step.isUrgent);
        break;
      case "go":
        for (const each of step.picks) cluster.step(each, step.isIntact);
        break;
      case "free":
        if (object !== undefined) cluster.nodes.get(object.home)?.free(object.block);
        break;
      case "evict":
        at?.evict(step.pick);
        break;
      case "release":
        at?.release(step.process);
        break;
      case "end":
        this.#ended.add(`${step.node}/${step.process}`);
        at?.release(step.process);
        at?.handle({ kind: "processEnded", process: step.process });
        break;
      case "refuse":
        if (step.what === "allocation") at?.finishAllocation(0, "full");
        else at?.finishOpening(0, "outOfDisk");
        break;
      case "tick":
        cluster.tick(step.ms);
        break;
      case "part":
        if (step.node !== step.other) cluster.part(step.node, step.other);
        break;
      case "lose":
        if (cluster.nodes.size > 2) cluster.lose(step.node);
        break;
    }
  }

  /** Everything is answered, and nothing is left. */
  end(): void {
    this.cluster.settle(30);
    for (const [number, each] of this.cluster.nodes) {
      for (const [request, whose] of each.requests)
        if (!this.#ended.has(`${number}/${whose}`))
          expect(each.outcomes.has(request), `request ${request} of node ${number}`).toBe(true); // (T1)
      const nothing = { receiving: 0, queued: 0, sending: 0, receivingBytes: 0, unsealed: 0, opens: 0 };
      expect(each.leftovers).toEqual(nothing); // (T4) (T5)
    }
  }
}

describe("TransferMachine, with nodes lost, processes ended, objects freed and copies dropped anywhere", () => {
  it("answers every request once, sends only what is there, and leaves nothing behind", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const run = new Run();
        for (const step of list) run.do(step);
        run.end();
      }),
      { numRuns: 300 },
    );
  });
});
