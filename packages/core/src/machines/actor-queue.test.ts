/**
 * A model of one caller and the link to its actor: arguments that settle late, twice, and in any order; calls that are
 * cancelled; a link that comes, fills up and breaks; an actor that dies at any step.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ActorQueue, actorQueueEvent as event, actorQueueInstruction as instruction } from "./actor-queue.ts";

interface Call {
  readonly row: number;
  readonly number: number;
  waiting: boolean;
  outcome: "" | "sent" | "answered" | "cancelled" | "argument" | "dead";
}

/** Drives a machine as its caller does, and keeps what it told. */
class World {
  readonly queue: ActorQueue;
  readonly calls: Call[] = [];
  readonly byRow = new Map<number, Call>();
  readonly sent: number[] = [];
  connects = 0;
  connected = false;
  /** Each instruction is carried out, and may be followed by further events, before the next is taken. */
  constructor(mostUnanswered = 3) {
    this.queue = new ActorQueue(mostUnanswered);
  }

  submit(waiting: boolean): void {
    const row = this.queue.nextCall;
    if (this.byRow.has(row)) throw new Error(`row ${row} was given to two calls`);
    const call: Call = { row, number: this.calls.length, waiting, outcome: "" };
    this.calls.push(call);
    this.byRow.set(row, call);
    this.tell(waiting ? event.submittedWaiting : event.submitted, row);
  }

  tell(kind: (typeof event)[keyof typeof event], row: number): void {
    this.queue.handle(kind, row);
    for (let told = this.queue.take(); told !== -1; told = this.queue.take()) {
      if (told === instruction.connect) {
        this.connects++;
        continue;
      }
      const call = this.byRow.get(this.queue.taken);
      if (call === undefined)
        throw new Error(`an instruction about row ${this.queue.taken}, which nobody has`);
      if (call.outcome !== "" && call.outcome !== "sent")
        throw new Error(`call ${call.number} is ${call.outcome} already`);
      if (told === instruction.send) {
        expect({ call: call.number, outcome: call.outcome, waiting: call.waiting }).toEqual({
          call: call.number,
          outcome: "",
          waiting: false,
        });
        expect(this.connected).toBe(true);
        call.outcome = "sent";
        this.sent.push(call.number);
      } else {
        if (told === instruction.failArgument) expect(call.outcome).toBe("");
        // (Q2)
        else if (call.outcome === "sent") expect(this.connected).toBe(false);
        this.end(call, told === instruction.failArgument ? "argument" : "dead");
      }
    }
    this.queue.check();
  }

  end(call: Call, outcome: Call["outcome"]): void {
    call.outcome = outcome;
    this.byRow.delete(call.row);
    this.queue.handle(event.over, call.row);
  }

  pick(at: number, states: readonly Call["outcome"][]): Call | undefined {
    const found = this.calls.filter((call) => states.includes(call.outcome));
    return found[at % Math.max(1, found.length)];
  }
}

type Step =
  | { readonly do: "submit"; readonly waiting: boolean }
  | { readonly do: "settle" | "fail"; readonly at: number; readonly twice: boolean }
  | { readonly do: "cancel" | "answer"; readonly at: number }
  | { readonly do: "connect" | "lose" | "die" };

const at = fc.nat(30);
const step = fc.oneof<fc.MaybeWeightedArbitrary<Step>[]>(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("submit" as const), waiting: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("settle" as const, "fail" as const),
      at,
      twice: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom("cancel" as const, "answer" as const), at }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("connect" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("lose" as const, "die" as const) }) },
);

function run(world: World, step: Step): void {
  switch (step.do) {
    case "submit":
      world.submit(step.waiting);
      return;
    case "settle":
    case "fail": {
      const waiting = world.calls.filter((call) => call.waiting && call.outcome === "");
      const call = waiting[step.at % Math.max(1, waiting.length)];
      if (call === undefined) return;
      call.waiting = false;
      const kind = step.do === "settle" ? event.settled : event.argumentFailed;
      world.tell(kind, call.row);
      if (step.twice && world.byRow.get(call.row) === call) world.tell(kind, call.row);
      return;
    }
    case "cancel": {
      const call = world.pick(step.at, ["", "sent"]);
      if (call === undefined) return;
      world.end(call, "cancelled");
      // Drains what that brought.
      world.tell(event.settled, -1);
      return;
    }
    case "answer": {
      const call = world.pick(step.at, ["sent"]);
      if (call === undefined || !world.connected) return;
      call.outcome = "answered";
      world.byRow.delete(call.row);
      world.tell(event.over, call.row);
      return;
    }
    case "connect":
      if (world.connects === 0 || world.connected) return;
      world.connects = 0;
      world.connected = true;
      world.tell(event.connected, -1);
      return;
    case "lose":
      if (!world.connected) return;
      world.connected = false;
      world.tell(event.lost, -1);
      return;
    case "die":
      world.tell(event.died, -1);
      return;
  }
}

describe("ActorQueue", () => {
  test("model: order, one outcome each, whatever comes late, twice or not at all", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const world = new World();
        for (const each of steps) run(world, each);
        // (Q1)
        expect(world.sent).toEqual(world.sent.toSorted((a, b) => a - b));
        // In the end the actor dies: every call has its outcome, once, and no row is kept.
        if (world.connected) run(world, { do: "lose" });
        run(world, { do: "die" });
        expect(world.calls.filter((call) => call.outcome === "" || call.outcome === "sent")).toEqual([]);
        expect({
          calls: world.queue.calls,
          unanswered: world.queue.unanswered,
          rows: world.byRow.size,
        }).toEqual({ calls: 0, unanswered: 0, rows: 0 });
      }),
      { numRuns: 1500 },
    );
  });

  test("model: with a link that stays, every call that nobody cancels is sent and answered", () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { maxLength: 40 }),
        fc.array(fc.nat(100), { maxLength: 40 }),
        (waits, order) => {
          const world = new World(2);
          for (const waiting of waits) world.submit(waiting);
          for (const n of [...order, ...waits.keys()]) run(world, { do: "settle", at: n, twice: true });
          run(world, { do: "connect" });
          for (let i = 0; i < waits.length; i++) run(world, { do: "answer", at: i });
          for (const n of waits.keys()) run(world, { do: "settle", at: n, twice: false });
          for (let i = 0; i < waits.length; i++) run(world, { do: "answer", at: i });
          expect(world.calls.map((call) => call.outcome)).toEqual(waits.map(() => "answered"));
          expect(world.sent).toEqual([...waits.keys()]);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("a call waits for those before it, and passes over the failed and the cancelled", () => {
    const world = new World(10);
    for (const waiting of [true, true, true, false]) world.submit(waiting);
    run(world, { do: "settle", at: 2, twice: false });
    expect(world.sent).toEqual([]);
    world.tell(event.argumentFailed, world.calls[0].row);
    expect([world.calls[0].outcome, world.sent]).toEqual(["argument", []]);
    world.end(world.calls[1], "cancelled");
    world.connected = true;
    world.tell(event.connected, -1);
    expect(world.connects).toBe(1);
    expect(world.sent).toEqual([2, 3]);
  });

  test("a failed argument is told at once, whatever stands before it", () => {
    const world = new World();
    world.submit(true);
    world.submit(true);
    world.tell(event.argumentFailed, world.calls[1].row);
    expect(world.calls.map((call) => call.outcome)).toEqual(["", "argument"]);
  });

  test("at most so many calls are unanswered; the next is sent when one is answered", () => {
    const world = new World(2);
    world.submit(false);
    world.connected = true;
    world.tell(event.connected, -1);
    for (let i = 0; i < 3; i++) world.submit(false);
    expect(world.sent).toEqual([0, 1]);
    run(world, { do: "answer", at: 0 });
    expect(world.sent).toEqual([0, 1, 2]);
  });

  test("what was sent before the actor died may still be answered while the link is there", () => {
    const world = new World();
    world.submit(false);
    world.connected = true;
    world.tell(event.connected, -1);
    world.tell(event.died, -1);
    expect(world.calls[0].outcome).toBe("sent");
    world.connected = false;
    world.tell(event.lost, -1);
    expect(world.calls[0].outcome).toBe("dead");
    world.submit(true);
    expect(world.calls[1].outcome).toBe("dead");
  });

  test("rows of a flood of calls are given back", () => {
    const world = new World(10);
    for (let i = 0; i < 70_000; i++) world.queue.handle(event.submittedWaiting, world.queue.nextCall);
    for (let row = 69_999; row >= 0; row--) world.queue.handle(event.over, row);
    world.queue.check();
    expect([world.queue.nextCall, world.queue.calls]).toEqual([0, 0]);
  });

  test("a row out of turn is refused", () => {
    expect(() => new ActorQueue().handle(event.submitted, 5)).toThrow("the next row is 0");
  });
});
