import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameError } from "../protocol/frame.ts";
import { LinkMachine } from "./link.ts";

interface Frame {
  readonly lane: "control" | "data";
  readonly number: number;
  readonly bytes: number;
}

const settings = { windowBytes: 100, grantStepBytes: 20 };

/** Two ends; what one writes is read by the other when the test says so. */
class Ends {
  readonly near = new LinkMachine<Frame>(settings);
  readonly far = new LinkMachine<Frame>(settings);
  readonly wire: Frame[] = [];
  readonly grants: number[] = [];
  readonly arrived: Frame[] = [];
  drained = 0;
  ended = 0;
  underWay = 0;
  writtenAtEnd = -1;
  #written = 0;

  send(frame: Frame): boolean {
    this.#obey(this.near.handle({ type: "send", lane: frame.lane, frame, bytes: frame.bytes }));
    return !this.near.isPaused;
  }

  close(): void {
    this.#obey(this.near.handle({ type: "close" }));
  }

  read(): void {
    const frame = this.wire.shift();
    if (frame === undefined) return;
    this.arrived.push(frame);
    if (frame.lane === "control") return;
    for (const each of this.far.handle({ type: "received", bytes: frame.bytes }))
      if (each.type === "grant") this.grants.push(each.bytes);
    this.far.check();
  }

  credit(): void {
    const bytes = this.grants.shift();
    if (bytes === undefined) return;
    this.underWay -= bytes;
    this.#obey(this.near.handle({ type: "credit", bytes }));
  }

  #obey(instructions: ReturnType<LinkMachine<Frame>["handle"]>): void {
    for (const each of instructions) {
      if (each.type === "write") {
        expect(this.ended).toBe(0);
        this.#written++;
        this.wire.push(each.frame);
        if (each.frame.lane === "data") {
          // (K3) beyond the window only when what was under way is less than the peer grants by itself
          if (this.underWay >= settings.grantStepBytes)
            expect(this.underWay + each.frame.bytes).toBeLessThanOrEqual(settings.windowBytes);
          this.underWay += each.frame.bytes;
        }
      } else if (each.type === "drained") this.drained++;
      else if (each.type === "end") {
        this.ended++;
        this.writtenAtEnd = this.#written;
      }
    }
    this.near.check();
  }
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("send" as const),
      lane: fc.constantFrom("control" as const, "data" as const),
      bytes: fc.integer({ min: 1, max: 150 }),
    }),
  },
  { weight: 3, arbitrary: fc.constant({ type: "read" as const }) },
  { weight: 2, arbitrary: fc.constant({ type: "credit" as const }) },
);

describe("lanes and credit", () => {
  it("keep order, bound what is under way, never stall, and flush at the close", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.boolean(), (steps, closes) => {
        const ends = new Ends();
        const given: Frame[] = [];
        let pauses = 0;
        let paused = false;
        for (const each of steps) {
          const before = ends.drained;
          if (each.type === "send") {
            const frame = { lane: each.lane, number: given.length, bytes: each.bytes };
            given.push(frame);
            const goesOn = ends.send(frame);
            if (frame.lane === "control") expect(ends.wire.at(-1)).toBe(frame);
            if (!goesOn && !paused) {
              paused = true;
              pauses++;
            }
          } else if (each.type === "read") ends.read();
          else ends.credit();
          if (ends.drained > before) paused = false;
        }
        if (closes) {
          ends.close();
          ends.close();
        }
        while (ends.wire.length > 0 || ends.grants.length > 0) {
          ends.read();
          ends.credit();
        }
        for (const lane of ["control", "data"]) {
          expect(ends.arrived.filter((frame) => frame.lane === lane)).toEqual(
            given.filter((frame) => frame.lane === lane),
          );
        }
        expect(ends.ended).toBe(closes ? 1 : 0);
        if (closes) expect(ends.writtenAtEnd).toBe(given.length);
        else expect(ends.drained).toBe(pauses);
        expect(ends.near.queuedBytes).toBeLessThan(settings.grantStepBytes);
      }),
      { numRuns: 500 },
    );
  });

  it("refuse credit for what was not sent", () => {
    const machine = new LinkMachine<string>(settings);
    machine.handle({ type: "send", lane: "data", frame: "a", bytes: 30 });
    expect(() => machine.handle({ type: "credit", bytes: 31 })).toThrow(FrameError);
  });

  it("accept nothing after the close", () => {
    const machine = new LinkMachine<string>(settings);
    expect(machine.handle({ type: "close" })).toEqual([{ type: "end" }]);
    expect(machine.handle({ type: "send", lane: "control", frame: "late", bytes: 1 })).toEqual([]);
  });
});
