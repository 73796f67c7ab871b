/** What every transport of links must do. Run it in a test file: `describeLink("UnixLink", makePair)`. */
import { frameKinds, frameHeaderBytes, writeFrameHeader, type FrameKind } from "@iono/core";
import { afterEach, describe, expect, it } from "vitest";

/** The interface of runtime/src/links/link.ts, as far as the suite uses it. */
export interface LinkUnderTest {
  send(lane: "control" | "data", kind: FrameKind, payload: Uint8Array): boolean;
  sendFrame(frame: Uint8Array): void;
  readonly queuedBytes: number;
  readonly closed: boolean;
  close(): void;
  destroy(error?: Error): void;
  listen(events: LinkEventsUnderTest): void;
}

export interface LinkEventsUnderTest {
  frame(kind: FrameKind, chunk: Buffer, start: number, end: number): void;
  closed(error: Error | undefined): void;
  drained?(): void;
}

/** Two ends of a new link, open. */
export type MakePair = (
  near: LinkEventsUnderTest,
  far: LinkEventsUnderTest,
) => Promise<[LinkUnderTest, LinkUnderTest]>;

interface Frame {
  readonly kind: FrameKind;
  readonly payload: Buffer;
}

/** One end and all that it heard. */
class End implements LinkEventsUnderTest {
  readonly frames: Frame[] = [];
  readonly ends: (Error | undefined)[] = [];
  drains = 0;
  /** Thrown at the next frame. */
  failure: Error | null = null;
  #notify: (() => void)[] = [];

  frame(kind: FrameKind, chunk: Buffer, start: number, end: number): void {
    if (this.failure !== null) throw this.failure;
    this.frames.push({ kind, payload: Buffer.from(chunk.subarray(start, end)) });
    this.#heard();
  }

  closed(error: Error | undefined): void {
    this.ends.push(error);
    this.#heard();
  }

  drained(): void {
    this.drains++;
    this.#heard();
  }

  #heard(): void {
    for (const notify of this.#notify.splice(0)) notify();
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#notify.push(resolve));
  }
}

function numbered(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const payload = Buffer.alloc(4 + (i % 7));
    payload.writeUInt32LE(i);
    return payload;
  });
}

const MiB = 1024 * 1024;

export function describeLink(name: string, makePair: MakePair): void {
  describe(`${name} is a link`, () => {
    const open: LinkUnderTest[] = [];
    afterEach(() => {
      for (const link of open.splice(0)) link.destroy();
    });

    async function pair(): Promise<{ near: LinkUnderTest; far: LinkUnderTest; a: End; b: End }> {
      const a = new End();
      const b = new End();
      const [near, far] = await makePair(a, b);
      open.push(near, far);
      return { near, far, a, b };
    }

    it("delivers frames whole, in order within a lane, both ways", async () => {
      const { near, far, a, b } = await pair();
      const payloads = numbered(2000);
      for (const payload of payloads) near.send("control", frameKinds.control, payload);
      for (const payload of payloads) far.send("data", frameKinds.watch, payload);
      await b.until(() => b.frames.length === payloads.length);
      await a.until(() => a.frames.length === payloads.length);
      expect(Buffer.concat(b.frames.map((frame) => frame.payload))).toEqual(Buffer.concat(payloads));
      expect(Buffer.concat(a.frames.map((frame) => frame.payload))).toEqual(Buffer.concat(payloads));
      expect(new Set(b.frames.map((frame) => frame.kind))).toEqual(new Set([frameKinds.control]));
    });

    it("delivers large and empty frames", async () => {
      const { near, b } = await pair();
      const large = Buffer.alloc(3 * MiB + 17, 0xab);
      large.writeUInt32LE(12345, 2 * MiB);
      near.send("data", frameKinds.control, large);
      near.send("data", frameKinds.control, Buffer.alloc(0));
      await b.until(() => b.frames.length === 2);
      expect(b.frames[0].payload.equals(large)).toBe(true);
      expect(b.frames[1].payload.length).toBe(0);
    });

    it("sends a frame that was written elsewhere", async () => {
      const { near, b } = await pair();
      const frame = Buffer.alloc(frameHeaderBytes + 3, 9);
      writeFrameHeader(new DataView(frame.buffer, frame.byteOffset, frame.length), 0, frameKinds.tasks, 3);
      near.sendFrame(frame);
      await b.until(() => b.frames.length === 1);
      expect(b.frames[0]).toEqual({ kind: frameKinds.tasks, payload: Buffer.alloc(3, 9) });
    });

    it("pushes back on the data lane, lets control overtake, and says when to go on", async () => {
      const { near, a, b } = await pair();
      const piece = Buffer.alloc(MiB);
      let sent = 0;
      let goesOn = true;
      while (goesOn) {
        goesOn = near.send("data", frameKinds.watch, piece);
        expect(++sent).toBeLessThan(64);
      }
      for (let i = 0; i < 4; i++, sent++) expect(near.send("data", frameKinds.watch, piece)).toBe(false);
      expect(near.queuedBytes).toBeGreaterThan(sent * MiB * 0.9);
      expect(near.send("control", frameKinds.control, Buffer.from("first"))).toBe(true);
      expect(a.drains).toBe(0);
      await a.until(() => a.drains === 1);
      await b.until(() => b.frames.length === sent + 1);
      expect(b.frames.findIndex((frame) => frame.kind === frameKinds.control)).toBeLessThan(sent);
      expect(near.send("data", frameKinds.watch, piece)).toBe(true);
    });

    it("flushes what was sent before it closes; each end hears of the end once", async () => {
      const { near, far, a, b } = await pair();
      const piece = Buffer.alloc(MiB);
      for (let i = 0; i < 12; i++) near.send("data", frameKinds.watch, piece);
      near.send("control", frameKinds.control, Buffer.from("last"));
      near.close();
      near.close();
      near.send("control", frameKinds.control, Buffer.from("too late"));
      await b.until(() => b.ends.length > 0);
      await a.until(() => a.ends.length > 0);
      expect(b.frames.length).toBe(13);
      near.destroy();
      far.destroy();
      await new Promise((resolve) => setImmediate(resolve));
      expect([a.ends, b.ends]).toEqual([[undefined], [undefined]]);
      expect([near.closed, far.closed]).toEqual([true, true]);
    });

    it("ends at once when destroyed, with the reason on this side", async () => {
      const { near, a, b } = await pair();
      near.send("control", frameKinds.control, Buffer.from("one"));
      const reason = new Error("enough");
      near.destroy(reason);
      expect(near.closed).toBe(true);
      expect(near.send("data", frameKinds.control, Buffer.from("two"))).toBe(true);
      await a.until(() => a.ends.length > 0);
      await b.until(() => b.ends.length > 0);
      expect(a.ends).toEqual([reason]);
    });

    it("ends when what arrived cannot be understood, and the process goes on", async () => {
      const { near, a, b } = await pair();
      b.failure = new RangeError("it makes no sense");
      near.send("control", frameKinds.control, Buffer.from("?"));
      await b.until(() => b.ends.length > 0);
      await a.until(() => a.ends.length > 0);
      expect(b.ends).toEqual([b.failure]);
      expect(b.frames).toEqual([]);
    });

    it("can be handed to someone else", async () => {
      const { near, far } = await pair();
      const other = new End();
      far.listen(other);
      near.send("control", frameKinds.control, Buffer.from("hello"));
      await other.until(() => other.frames.length === 1);
    });
  });
}
