/**
 * A model of three processes that pass a pending ref around, with messages late, twice, and processes that end: a ref
 * that someone may still ask for is always held by someone, and every borrower gets its outcome or the loss of it.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Borrower, Lender, type BorrowerInstruction, type LenderInstruction } from "./borrow.ts";

const owner = 1;
const ref = 7;

interface World {
  readonly lender: Lender;
  readonly borrowers: Map<number, Borrower>;
  /** Frames under way on the link of each borrower with the owner, in order, both directions. */
  readonly toOwner: Map<number, string[]>;
  readonly toBorrower: Map<number, string[]>;
  settled: boolean;
  /** The owner's own program holds the ref. */
  held: boolean;
  kept: boolean;
  /** Borrowers that wait for the reply to be allowed: what sent them the ref still holds it. */
  readonly sending: Set<number>;
  readonly outcomes: Map<number, "value" | "lost">;
  readonly ended: Set<number>;
}

function newWorld(count: number): World {
  const numbers = Array.from({ length: count }, (_, i) => i + 2);
  return {
    lender: new Lender(),
    borrowers: new Map(numbers.map((n) => [n, new Borrower()])),
    toOwner: new Map(numbers.map((n) => [n, []])),
    toBorrower: new Map(numbers.map((n) => [n, []])),
    settled: false,
    held: true,
    kept: false,
    sending: new Set(),
    outcomes: new Map(),
    ended: new Set(),
  };
}

/** The ref exists at the owner: its program, a sender in flight, or a loan holds it. */
function exists(world: World): boolean {
  return world.held || world.kept || world.sending.size > 0;
}

function lend(world: World, instructions: readonly LenderInstruction[]): void {
  for (const each of instructions) {
    if (each.type === "keep") world.kept = true;
    else if (each.type === "let go") world.kept = false;
    else world.toBorrower.get(each.borrower)?.push(each.type);
  }
}

function borrow(world: World, number: number, instructions: readonly BorrowerInstruction[]): void {
  for (const each of instructions) {
    if (each.type === "watch") world.toOwner.get(number)?.push("watch");
    else if (each.type === "take") {
      world.outcomes.set(number, "value");
      world.toOwner.get(number)?.push("done");
    } else if (each.type === "lost") world.outcomes.set(number, "lost");
    else world.sending.delete(number);
  }
}

function deliver(world: World, number: number, toOwner: boolean, twice: boolean): void {
  const queue = (toOwner ? world.toOwner : world.toBorrower).get(number);
  const frame = queue?.shift();
  if (frame === undefined) return;
  for (let i = 0; i < (twice ? 2 : 1); i++) {
    if (!toOwner) {
      const borrower = world.borrowers.get(number);
      if (frame === "noted") borrow(world, number, borrower?.handle({ type: "noted", owner, ref }) ?? []);
      else
        borrow(
          world,
          number,
          borrower?.handle({ type: "answered", owner, ref, known: frame === "answer" }) ?? [],
        );
    } else if (frame === "watch") {
      const state = !exists(world) ? "unknown" : world.settled ? "settled" : "pending";
      // What the model is about: nobody who watches finds the ref gone.
      if (!world.ended.has(number)) expect(state).not.toBe("unknown");
      lend(world, world.lender.handle({ type: "watch", ref, borrower: number, state }));
    } else lend(world, world.lender.handle({ type: "done", ref, borrower: number }));
  }
}

type Step =
  | { readonly do: "send"; readonly to: number; readonly from: number }
  | { readonly do: "deliver"; readonly at: number; readonly toOwner: boolean; readonly twice: boolean }
  | { readonly do: "settle" | "drop" }
  | { readonly do: "end"; readonly process: number };

const steps = fc.array(
  fc.oneof<fc.Arbitrary<Step>[]>(
    fc.record({
      do: fc.constant("send" as const),
      to: fc.integer({ min: 2, max: 4 }),
      from: fc.integer({ min: 1, max: 4 }),
    }),
    fc.record({
      do: fc.constant("deliver" as const),
      at: fc.integer({ min: 2, max: 4 }),
      toOwner: fc.boolean(),
      twice: fc.boolean(),
    }),
    fc.record({ do: fc.constantFrom("settle" as const, "drop" as const) }),
    fc.record({ do: fc.constant("end" as const), process: fc.integer({ min: 2, max: 4 }) }),
  ),
  { maxLength: 60 },
);

function run(world: World, step: Step): void {
  switch (step.do) {
    case "send": {
      const borrower = world.borrowers.get(step.to);
      if (
        borrower === undefined ||
        world.ended.has(step.to) ||
        world.outcomes.has(step.to) ||
        step.from === step.to
      )
        return;
      // Only who has it can send it: the owner's program, or a borrower that waits for it.
      const has =
        step.from === owner
          ? world.held
          : (world.borrowers.get(step.from)?.waiting ?? 0) > 0 && !world.ended.has(step.from);
      if (!has || world.settled || world.sending.has(step.to)) return;
      world.sending.add(step.to);
      borrow(world, step.to, borrower.handle({ type: "arrived", owner, ref }));
      if (borrower.unnoted === 0) world.sending.delete(step.to);
      return;
    }
    case "deliver":
      deliver(world, step.at, step.toOwner, step.twice);
      return;
    case "settle":
      world.settled = true;
      lend(world, world.lender.handle({ type: "settled", ref }));
      return;
    case "drop":
      world.held = false;
      return;
    case "end":
      if (world.ended.has(step.process)) return;
      world.ended.add(step.process);
      world.sending.delete(step.process);
      world.toBorrower.set(step.process, []);
      world.toOwner.set(step.process, []);
      lend(world, world.lender.handle({ type: "borrower ended", borrower: step.process }));
  }
}

function checkAll(world: World): void {
  world.lender.check();
  for (const borrower of world.borrowers.values()) borrower.check();
}

describe("borrowing", () => {
  test("a pending ref always has a holder while someone may ask for it, and everyone learns its outcome", () => {
    fc.assert(
      fc.property(steps, (plan) => {
        const world = newWorld(3);
        for (const step of plan) {
          run(world, step);
          checkAll(world);
        }
        // Heal: the task ends, every frame arrives.
        run(world, { do: "settle" });
        for (let i = 0; i < 12; i++) {
          for (const number of world.borrowers.keys()) {
            deliver(world, number, true, false);
            deliver(world, number, false, false);
          }
        }
        run(world, { do: "drop" });
        checkAll(world);
        for (const [number, borrower] of world.borrowers) {
          if (world.ended.has(number)) continue;
          expect(borrower.waiting).toBe(0);
          expect(borrower.unnoted).toBe(0);
          expect(world.outcomes.get(number) ?? "value").toBe("value");
        }
        expect(world.lender.loans).toBe(0);
        expect(world.kept).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  test("the end of the owner is the loss of what was borrowed from it, and holds nothing back", () => {
    const borrower = new Borrower();
    borrower.handle({ type: "arrived", owner, ref });
    borrower.handle({ type: "arrived", owner: 9, ref: 1 });
    expect(borrower.handle({ type: "owner ended", owner })).toEqual([
      { type: "lost", owner, ref, why: "owner ended" },
    ]);
    expect(borrower.unnoted).toBe(1);
    expect(borrower.handle({ type: "owner ended", owner: 9 })).toEqual([
      { type: "lost", owner: 9, ref: 1, why: "owner ended" },
      { type: "all noted" },
    ]);
  });

  test("a ref the owner does not know is lost, not waited for", () => {
    const lender = new Lender();
    expect(lender.handle({ type: "watch", ref, borrower: 2, state: "unknown" })).toEqual([
      { type: "unknown", ref, borrower: 2 },
    ]);
    expect(lender.loans).toBe(0);
  });
});
