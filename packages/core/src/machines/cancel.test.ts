import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CancelInbox,
  TaskCancellation,
  type CancelClaim,
  type CancelEvent,
  type CancelInstruction,
} from "./cancel.ts";

const cancel = (
  place: "here" | "sent" | "done",
  more: Partial<Extract<CancelEvent, { type: "cancel" }>> = {},
): CancelEvent => ({
  type: "cancel",
  place,
  force: false,
  recursive: true,
  isActorCall: false,
  graceMs: 5000,
  ...more,
});
const types = (instructions: readonly CancelInstruction[]): string[] => instructions.map((each) => each.type);

describe("TaskCancellation", () => {
  it("drops what is still at its owner", () => {
    const machine = new TaskCancellation();
    expect(types(machine.handle(cancel("here")))).toEqual(["withdraw", "settle", "finish"]);
    expect(machine.isOver).toBe(true);
    expect(machine.handle(cancel("here"))).toEqual([]);
  });

  it("leaves a settled task alone", () => {
    const machine = new TaskCancellation();
    expect(machine.handle(cancel("done"))).toEqual([]);
    expect(machine.isOver).toBe(true);
  });

  it("takes a sent task back, and is done when it got it", () => {
    const machine = new TaskCancellation();
    expect(types(machine.handle(cancel("sent")))).toEqual(["settle", "take back"]);
    expect(types(machine.handle({ type: "claimed", byOwner: true }))).toEqual(["finish"]);
    expect(machine.handle({ type: "answered" })).toEqual([]);
  });

  it("gives a running task its grace, then replaces the worker", () => {
    const machine = new TaskCancellation();
    machine.handle(cancel("sent"));
    expect(machine.handle({ type: "claimed", byOwner: false })).toEqual([
      { type: "tell executor", recursive: true },
      { type: "await grace", graceMs: 5000 },
    ]);
    expect(types(machine.handle({ type: "grace over", claim: "blocked" }))).toEqual(["replace worker"]);
    expect(machine.handle({ type: "grace over", claim: "running" })).toEqual([]);
    expect(types(machine.handle({ type: "worker lost" }))).toEqual(["finish"]);
  });

  it("does not replace a worker that heeded the cancel", () => {
    for (const claim of ["queued", "done"] as const) {
      const machine = new TaskCancellation();
      machine.handle(cancel("sent"));
      machine.handle({ type: "claimed", byOwner: false });
      expect(machine.handle({ type: "grace over", claim })).toEqual([]);
    }
  });

  it("cuts the grace short when it is asked again with force", () => {
    const machine = new TaskCancellation();
    machine.handle(cancel("sent", { recursive: false }));
    machine.handle({ type: "claimed", byOwner: false });
    expect(machine.handle(cancel("done", { force: true }))).toEqual([
      { type: "tell executor", recursive: true },
      { type: "await grace", graceMs: 0 },
    ]);
    expect(machine.handle(cancel("done", { force: true }))).toEqual([]);
  });

  it("never replaces an actor", () => {
    const machine = new TaskCancellation();
    machine.handle(cancel("sent", { isActorCall: true }));
    expect(types(machine.handle({ type: "claimed", byOwner: false }))).toEqual(["tell executor"]);
    expect(machine.handle({ type: "grace over", claim: "running" })).toEqual([]);
    expect(types(machine.handle({ type: "answered" }))).toEqual(["finish"]);
  });
});

describe("CancelInbox", () => {
  it("refuses an entry whose cancel came first, once, and no other", () => {
    const inbox = new CancelInbox();
    inbox.handle({ type: "cancel", wire: 7, attempt: 1, isRunning: false });
    expect(inbox.handle({ type: "begin", wire: 7, attempt: 0 })).toEqual([]);
    expect(inbox.handle({ type: "begin", wire: 8, attempt: 1 })).toEqual([]);
    expect(inbox.handle({ type: "begin", wire: 7, attempt: 1 })).toEqual([{ type: "refuse" }]);
    expect(inbox.handle({ type: "begin", wire: 7, attempt: 1 })).toEqual([]);
  });

  it("forgets what came too late, and the oldest of too many", () => {
    const inbox = new CancelInbox();
    inbox.handle({ type: "cancel", wire: 1, attempt: 0, isRunning: false });
    inbox.handle({ type: "caught up" });
    expect(inbox.size).toBe(0);
    for (let wire = 0; wire < 70_000; wire++)
      inbox.handle({ type: "cancel", wire, attempt: 0, isRunning: false });
    inbox.check();
    expect(inbox.handle({ type: "begin", wire: 0, attempt: 0 })).toEqual([]);
    expect(inbox.handle({ type: "begin", wire: 69_999, attempt: 0 })).toEqual([{ type: "refuse" }]);
  });
});

// One owner, one executor, and a link between them that repeats and reorders.

type Message = { readonly kind: "entry" | "cancel" | "answer" };
type Claim = "free" | "queued" | "running" | "blocked" | "taken" | "done";

class World {
  readonly cancellation = new TaskCancellation();
  readonly inbox = new CancelInbox();
  readonly hasClaims: boolean;
  readonly isActorCall: boolean;
  place: "here" | "sent" | "done" = "here";
  claim: Claim = "free";
  messages: Message[] = [];
  graces: number[] = [];
  cancelled = false;
  cancelSeenByExecutor = false;
  running = false;
  ended = false;
  aborted = false;
  workerAlive = true;
  settles = 0;
  finishes = 0;
  replaced = 0;
  graceWasOver = false;

  constructor(hasClaims: boolean, isActorCall: boolean) {
    this.hasClaims = hasClaims;
    this.isActorCall = isActorCall;
  }

  send(): void {
    if (this.place !== "here" || this.cancelled) return;
    this.place = "sent";
    this.claim = "queued";
    this.messages.push({ kind: "entry" });
  }

  cancel(force: boolean, recursive: boolean): void {
    const { place, isActorCall } = this;
    this.#do(
      this.cancellation.handle({
        type: "cancel",
        place: this.cancelled ? "done" : place,
        force,
        recursive,
        isActorCall,
        graceMs: 5000,
      }),
    );
    this.cancelled = true;
    if (place !== "done") expect(this.settles, "(C1) settled at once").toBe(1);
  }

  deliver(pick: number, keep: boolean): void {
    if (this.messages.length === 0 || !this.workerAlive) return;
    const at = pick % this.messages.length;
    const message = this.messages[at];
    if (!keep) this.messages.splice(at, 1);
    if (message.kind === "entry") this.#entry();
    else if (message.kind === "cancel") this.#cancelArrives();
    else this.#answered();
  }

  end(): void {
    if (!this.running || !this.workerAlive) return;
    this.running = false;
    this.ended = true;
    this.claim = "done";
    this.messages.push({ kind: "answer" });
  }

  block(): void {
    if (this.running) this.claim = this.claim === "running" ? "blocked" : "running";
  }

  graceOver(): void {
    if (this.graces.pop() === undefined) return;
    this.graceWasOver = true;
    const claim: CancelClaim = !this.hasClaims
      ? "unknown"
      : this.claim === "free" || this.claim === "taken"
        ? "done"
        : this.claim;
    this.#do(this.cancellation.handle({ type: "grace over", claim }));
  }

  loseWorker(): void {
    if (!this.workerAlive || this.place === "here") return;
    this.workerAlive = false;
    this.running = false;
    this.messages = [];
    if (this.cancelled) this.#do(this.cancellation.handle({ type: "worker lost" }));
    this.place = "done";
  }

  #entry(): void {
    if (this.running || this.ended) return;
    if (this.hasClaims) {
      if (this.claim !== "queued") return;
      this.claim = "running";
    }
    const refused =
      this.inbox.size > 0 && this.inbox.handle({ type: "begin", wire: 1, attempt: 0 }).length > 0;
    expect(refused, "(C3) what is known to be cancelled never begins").toBe(this.cancelSeenByExecutor);
    this.running = true;
    if (refused) this.end();
  }

  #cancelArrives(): void {
    if (!this.running && !this.ended) this.cancelSeenByExecutor = true;
    const out = this.inbox.handle({ type: "cancel", wire: 1, attempt: 0, isRunning: this.running });
    if (out.length > 0) this.aborted = true;
    if (this.ended) this.inbox.handle({ type: "caught up" });
  }

  #answered(): void {
    if (this.cancelled) this.#do(this.cancellation.handle({ type: "answered" }));
    this.place = "done";
  }

  #do(instructions: readonly CancelInstruction[]): void {
    for (const instruction of instructions) {
      if (instruction.type === "settle") this.settles++;
      else if (instruction.type === "finish") this.finishes++;
      else if (instruction.type === "withdraw") this.place = "done";
      else if (instruction.type === "tell executor") this.messages.push({ kind: "cancel" });
      else if (instruction.type === "await grace") this.graces.push(instruction.graceMs);
      else if (instruction.type === "replace worker") {
        this.replaced++;
        expect(this.graceWasOver && !this.isActorCall, "(C4)").toBe(true);
        expect(
          this.hasClaims ? ["running", "blocked"].includes(this.claim) : true,
          "(C4) it still runs",
        ).toBe(true);
      } else {
        const byOwner = this.hasClaims && this.claim === "queued";
        if (byOwner) this.claim = "taken";
        this.#do(this.cancellation.handle({ type: "claimed", byOwner }));
        if (byOwner) this.place = "done";
      }
    }
    this.cancellation.check();
    this.inbox.check();
  }
}

const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("deliver" as const), pick: fc.nat(), keep: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("cancel" as const),
      force: fc.boolean(),
      recursive: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom(
        "send" as const,
        "end" as const,
        "block" as const,
        "grace" as const,
        "lose" as const,
      ),
    }),
  },
);

describe("a cancelled task under repetition, reordering and loss", () => {
  it("settles once, leaves the table once, and never begins once its cancel is known", () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.boolean(),
        fc.array(step, { maxLength: 40, size: "max" }),
        (hasClaims, isActorCall, steps) => {
          const world = new World(hasClaims, isActorCall);
          for (const each of steps) {
            if (each.do === "deliver") world.deliver(each.pick, each.keep);
            else if (each.do === "cancel") world.cancel(each.force, each.recursive);
            else if (each.do === "send") world.send();
            else if (each.do === "end") world.end();
            else if (each.do === "block") world.block();
            else if (each.do === "grace") world.graceOver();
            else world.loseWorker();
          }
          if (!world.cancelled) return;
          // Whatever was lost on the way: in the end the task ends, or its worker does.
          for (let i = 0; i < 100 && world.messages.length > 0; i++) world.deliver(0, false);
          while (world.graces.length > 0) world.graceOver();
          if (world.replaced > 0) world.loseWorker();
          world.end();
          for (let i = 0; i < 100 && world.messages.length > 0; i++) world.deliver(0, false);
          expect(world.cancellation.isOver).toBe(true);
          expect(world.settles).toBe(world.finishes);
          expect(world.settles).toBeLessThanOrEqual(1);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
