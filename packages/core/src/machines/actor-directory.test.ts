/** The directory of actors under events in any order, twice, late, and with processes that end at any step. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { actorNumber, creatorOf } from "../ids.ts";
import type { ActorSpec } from "../protocol/owner-agent.ts";
import { ActorDirectory, type ActorEvent, type ActorInstruction } from "./actor-directory.ts";

const creator = 1;

function id(creatorNumber: number, count: number): number {
  return actorNumber(creatorNumber, count);
}

function spec(actor: number, changes: Partial<ActorSpec> = {}): ActorSpec {
  return {
    actor,
    className: "A",
    name: "",
    namespace: "n",
    getIfExists: false,
    detached: false,
    placement: {},
    running: {},
    strategy: "",
    maxConcurrency: 1,
    groups: [],
    methods: {},
    options: {},
    payload: "made of this",
    ...changes,
  };
}

class Driver {
  readonly directory = new ActorDirectory();
  readonly log: ActorInstruction[] = [];

  tell(event: ActorEvent): ActorInstruction[] {
    const told = this.directory.handle(event);
    this.log.push(...told);
    this.directory.check();
    return told;
  }

  types(event: ActorEvent): string[] {
    return this.tell(event).map((each) => each.type);
  }

  state(actor: number): string | undefined {
    return this.directory.state(actor)?.state;
  }

  /** An actor that lives in `process`. */
  living(actor: number, process: number, changes: Partial<ActorSpec> = {}): void {
    this.tell({ type: "create", owner: creator, spec: spec(actor, changes) });
    this.tell({ type: "placed", actor, process });
    this.tell({ type: "constructed", process, error: null, message: "" });
  }
}

const a = id(creator, 1);
const b = id(creator, 2);

describe("ActorDirectory", () => {
  test("from declared to alive to dead", () => {
    const driver = new Driver();
    expect(driver.types({ type: "create", owner: creator, spec: spec(a, { payload: null }) })).toEqual([
      "created",
    ]);
    expect(driver.state(a)).toBe("declared");
    expect(driver.types({ type: "supply", actor: a, payload: "p" })).toEqual(["place"]);
    expect(driver.types({ type: "placed", actor: a, process: 9 })).toEqual(["host"]);
    expect(driver.types({ type: "constructed", process: 9, error: null, message: "" })).toEqual(["alive"]);
    expect(driver.types({ type: "drop", actor: a, holder: creator })).toEqual(["dead", "end process"]);
    expect(driver.directory.state(a)?.reason).toContain("last handle");
  });

  test("a detached actor outlives its holders", () => {
    const driver = new Driver();
    driver.living(a, 9, { detached: true, name: "d" });
    driver.tell({ type: "drop", actor: a, holder: creator });
    driver.tell({ type: "process ended", process: creator, reason: "exit" });
    expect(driver.state(a)).toBe("alive");
    expect(driver.types({ type: "kill", actor: a, reason: "killed" })).toEqual(["dead", "end process"]);
  });

  test("it ends when the last process that holds a handle ends, not before", () => {
    const driver = new Driver();
    driver.living(a, 9);
    driver.tell({ type: "hold", actor: a, holder: 5 });
    driver.tell({ type: "drop", actor: a, holder: creator });
    expect(driver.state(a)).toBe("alive");
    driver.tell({ type: "process ended", process: 5, reason: "exit" });
    expect(driver.state(a)).toBe("dead");
  });

  test("a name is taken while its actor lives, and free again at its death", () => {
    const driver = new Driver();
    driver.living(a, 9, { name: "x" });
    expect(driver.types({ type: "create", owner: 2, spec: spec(b, { name: "x" }) })).toEqual(["name taken"]);
    expect(
      driver.types({ type: "create", owner: 2, spec: spec(b, { name: "x", namespace: "other" }) }),
    ).toEqual(["created", "place"]);
    expect(driver.directory.names("n")).toEqual([{ name: "x", namespace: "n" }]);
    expect(driver.directory.names(null)).toHaveLength(2);
    driver.tell({ type: "kill", actor: a, reason: "killed" });
    expect(driver.directory.named("n", "x")).toBeUndefined();
    expect(driver.types({ type: "create", owner: 2, spec: spec(id(2, 1), { name: "x" }) })).toEqual([
      "created",
      "place",
    ]);
  });

  test("getIfExists gives all creators the same actor, and each holds it", () => {
    const driver = new Driver();
    const wanted = { name: "x", getIfExists: true };
    driver.tell({ type: "create", owner: 2, spec: spec(id(2, 1), wanted) });
    expect(driver.tell({ type: "create", owner: 3, spec: spec(id(3, 1), wanted) })).toEqual([
      { type: "created", actor: id(3, 1), existing: id(2, 1) },
    ]);
    driver.tell({ type: "drop", actor: id(2, 1), holder: 2 });
    expect(driver.state(id(2, 1))).toBe("pending");
  });

  test("an actor whose creator ends before the constructor's arguments are there is removed", () => {
    const driver = new Driver();
    driver.tell({
      type: "create",
      owner: creator,
      spec: spec(a, { payload: null, detached: true, name: "x" }),
    });
    driver.tell({ type: "hold", actor: a, holder: 7 });
    expect(driver.types({ type: "process ended", process: creator, reason: "exit" })).toEqual(["dead"]);
    expect(driver.types({ type: "supply", actor: a, payload: "late" })).toEqual([]);
  });

  test("a failed argument of the constructor is remembered with its error", () => {
    const driver = new Driver();
    driver.tell({ type: "create", owner: creator, spec: spec(a, { payload: null }) });
    const error = new Uint8Array([1]);
    expect(driver.tell({ type: "abandon", actor: a, reason: "r", error })).toEqual([
      { type: "dead", actor: a, reason: "r", error },
    ]);
    expect(driver.directory.state(a)).toMatchObject({ state: "dead", error });
  });

  test("killed before it has a place: its demand is withdrawn; a place that comes late is given back", () => {
    const driver = new Driver();
    driver.tell({ type: "create", owner: creator, spec: spec(a) });
    expect(driver.types({ type: "kill", actor: a, reason: "killed" })).toEqual(["dead", "withdraw"]);
    expect(driver.types({ type: "placed", actor: a, process: 9 })).toEqual(["end process"]);
  });

  test("every event may come twice", () => {
    const driver = new Driver();
    for (const event of [
      { type: "create", owner: creator, spec: spec(a, { name: "x" }) },
      { type: "placed", actor: a, process: 9 },
      { type: "constructed", process: 9, error: null, message: "" },
    ] as const) {
      driver.tell(event);
      const again = driver.tell(event);
      expect(again.filter((each) => each.type !== "created")).toEqual([]);
    }
    expect(driver.state(a)).toBe("alive");
  });

  test("dead actors keep nothing of what they were made of", () => {
    const driver = new Driver();
    driver.living(a, 9);
    driver.tell({ type: "process ended", process: 9, reason: "exit code 1" });
    expect(driver.directory.spec(a)?.payload).toBeNull();
    driver.tell({ type: "hold", actor: a, holder: 4 });
  });

  test("model: any events, any order, with repeats", () => {
    const process = fc.integer({ min: 1, max: 4 });
    const host = fc.integer({ min: 10, max: 14 });
    const actor = fc.tuple(process, fc.integer({ min: 1, max: 2 })).map(([n, count]) => id(n, count));
    const reason = fc.constant("r");
    const event = fc.oneof<fc.MaybeWeightedArbitrary<ActorEvent>[]>(
      {
        weight: 4,
        arbitrary: fc
          .record({
            actor,
            name: fc.constantFrom("", "x", "y"),
            getIfExists: fc.boolean(),
            detached: fc.boolean(),
            payload: fc.constantFrom("p", null),
          })
          .map((each) => ({
            type: "create" as const,
            owner: creatorOf(each.actor).process,
            spec: spec(each.actor, each),
          })),
      },
      fc.record({ type: fc.constant("supply" as const), actor, payload: fc.constant("p") }),
      fc.record({ type: fc.constant("abandon" as const), actor, reason, error: fc.constant(null) }),
      { weight: 3, arbitrary: fc.record({ type: fc.constant("placed" as const), actor, process: host }) },
      {
        weight: 2,
        arbitrary: fc.record({
          type: fc.constant("constructed" as const),
          process: host,
          error: fc.constantFrom(null, new Uint8Array(1)),
          message: reason,
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({
          type: fc.constantFrom("hold" as const, "drop" as const),
          actor,
          holder: process,
        }),
      },
      fc.record({ type: fc.constant("kill" as const), actor, reason }),
      fc.record({ type: fc.constant("process ended" as const), process: fc.oneof(process, host), reason }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(event, fc.boolean()), { maxLength: 60 }), (events) => {
        const driver = new Driver();
        const hosts = new Map<number, number>();
        const ended = new Set<number>();
        for (const [each, twice] of events) {
          // The leases give each process once, and none that has ended; who has ended says nothing more.
          if (
            each.type === "placed" &&
            (ended.has(each.process) || (hosts.get(each.process) ?? each.actor) !== each.actor)
          )
            continue;
          if (each.type === "placed") hosts.set(each.process, each.actor);
          if (each.type === "create" && ended.has(each.owner)) continue;
          if ((each.type === "hold" || each.type === "drop") && ended.has(each.holder)) continue;
          if (each.type === "process ended") ended.add(each.process);
          driver.tell(each);
          if (twice) driver.tell(each);
        }
        const deaths = driver.log.filter((each) => each.type === "dead").map((each) => each.actor);
        expect(new Set(deaths).size).toBe(deaths.length);
        // Without the processes that hold them, only detached actors are left.
        for (const number of [1, 2, 3, 4])
          driver.tell({ type: "process ended", process: number, reason: "exit" });
        for (const each of driver.directory.list()) {
          if (each.state !== "dead") expect(driver.directory.spec(each.actor)?.detached).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
