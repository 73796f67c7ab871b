/**
 * The lanes of one end of a link: what may be written now, what waits for the peer, and when the peer may send more.
 *
 * - (K1) within a lane frames leave in the order in which they were given;
 * - (K2) control frames never wait: they overtake data frames that wait for credit;
 * - (K3) data bytes written and not granted never exceed the window, but for one frame that is larger than it;
 * - (K4) whoever was told to pause is told once to go on, when nothing waits any more;
 * - (K5) closing writes everything that was given before, then ends.
 *
 * `F` is a frame as the shell knows it. Bytes count header and payload.
 */
import { FrameError } from "../protocol/frame.ts";

export type LinkEvent<F> =
  | { readonly type: "send"; readonly lane: "control" | "data"; readonly frame: F; readonly bytes: number }
  /** A data frame was received and handled. */
  | { readonly type: "received"; readonly bytes: number }
  /** The peer has handled so many of our data bytes. */
  | { readonly type: "credit"; readonly bytes: number }
  | { readonly type: "close" };

export type LinkInstruction<F> =
  | { readonly type: "write"; readonly frame: F }
  | { readonly type: "grant"; readonly bytes: number }
  | { readonly type: "drained" }
  /** Everything is written: end the sending half. */
  | { readonly type: "end" };

export interface LinkSettings {
  /** Data bytes that may be under way without the peer having handled them. */
  readonly windowBytes: number;
  /** Credit is granted in steps of this many bytes. */
  readonly grantStepBytes: number;
}

export class LinkMachine<F> {
  readonly #settings: LinkSettings;
  /** Data frames that wait for credit; those before `#head` are written. */
  readonly #waiting: { readonly frame: F; readonly bytes: number }[] = [];
  #head = 0;
  #waitingBytes = 0;
  /** Data bytes written and not granted. */
  #outstandingBytes = 0;
  /** Data bytes received since the last grant. */
  #receivedBytes = 0;
  #isPaused = false;
  #isClosing = false;
  #hasEnded = false;

  constructor(settings: LinkSettings) {
    this.#settings = settings;
  }

  /** Data bytes given and not yet granted by the peer. */
  get queuedBytes(): number {
    return this.#outstandingBytes + this.#waitingBytes;
  }

  /** The sender of data should wait for `drained`. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** @throws FrameError when the peer grants what was not sent. */
  handle(event: LinkEvent<F>): LinkInstruction<F>[] {
    const out: LinkInstruction<F>[] = [];
    switch (event.type) {
      case "send":
        // After `close` nothing more is accepted: it would be sent to nobody.
        if (this.#isClosing) break;
        if (event.lane === "control") out.push({ type: "write", frame: event.frame });
        else this.#sendData(event.frame, event.bytes, out);
        break;
      case "received":
        this.#receivedBytes += event.bytes;
        if (this.#receivedBytes >= this.#settings.grantStepBytes) {
          out.push({ type: "grant", bytes: this.#receivedBytes });
          this.#receivedBytes = 0;
        }
        break;
      case "credit":
        if (event.bytes > this.#outstandingBytes) {
          throw new FrameError(`credit of ${event.bytes} bytes for ${this.#outstandingBytes} that were sent`);
        }
        this.#outstandingBytes -= event.bytes;
        this.#release(out);
        break;
      case "close":
        if (this.#isClosing) break;
        this.#isClosing = true;
        this.#endIfWritten(out);
        break;
    }
    return out;
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    const { windowBytes } = this.#settings;
    const waiting = this.#waiting.slice(this.#head);
    const waitingBytes = waiting.reduce((sum, each) => sum + each.bytes, 0);
    if (waitingBytes !== this.#waitingBytes)
      throw new Error(`${waitingBytes} bytes wait, ${this.#waitingBytes} are counted`);
    if (waiting.length > 0 && this.#mayWrite(waiting[0].bytes))
      throw new Error("K3: a frame waits that may be written");
    if (waiting.length > 0 && !this.#isPaused)
      throw new Error("K4: a frame waits and its sender was not told");
    if (this.#receivedBytes >= this.#settings.grantStepBytes) throw new Error("credit is due");
    if (this.#settings.grantStepBytes * 2 > windowBytes)
      throw new Error("a window of less than two grants can stall");
  }

  #sendData(frame: F, bytes: number, out: LinkInstruction<F>[]): void {
    if (this.#waitingBytes > 0 || !this.#mayWrite(bytes)) {
      this.#waiting.push({ frame, bytes });
      this.#waitingBytes += bytes;
      this.#isPaused = true;
      return;
    }
    this.#outstandingBytes += bytes;
    out.push({ type: "write", frame });
    if (this.#outstandingBytes >= this.#settings.windowBytes) this.#isPaused = true;
  }

  #endIfWritten(out: LinkInstruction<F>[]): void {
    if (this.#waitingBytes > 0 || this.#hasEnded) return;
    this.#hasEnded = true;
    out.push({ type: "end" });
  }

  #mayWrite(bytes: number): boolean {
    // The peer holds back less than one step; more than that under way will be granted.
    const held = this.#outstandingBytes;
    return held + bytes <= this.#settings.windowBytes || held < this.#settings.grantStepBytes;
  }

  #release(out: LinkInstruction<F>[]): void {
    while (this.#head < this.#waiting.length && this.#mayWrite(this.#waiting[this.#head].bytes)) {
      const { frame, bytes } = this.#waiting[this.#head++];
      this.#waitingBytes -= bytes;
      this.#outstandingBytes += bytes;
      out.push({ type: "write", frame });
    }
    if (this.#head === this.#waiting.length) {
      this.#waiting.length = 0;
      this.#head = 0;
    } else if (this.#head > 64 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    if (this.#waitingBytes > 0) return;
    if (this.#isClosing) this.#endIfWritten(out);
    else if (this.#isPaused && this.#outstandingBytes < this.#settings.windowBytes) {
      this.#isPaused = false;
      out.push({ type: "drained" });
    }
  }
}
