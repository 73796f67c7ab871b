/** Results as they come from executors: each settles the refs of its task, or is let go when nobody waits for it. */
import { resultEntryHeaderBytes, resultStatus, shouldRetry, type RetryOn } from "@iono/core";
import { cancelEnded } from "./cancel.ts";
import { Failure } from "./failure.ts";
import { isImmediate } from "./immediate.ts";
import { isSettled, refState, settle, type Ref } from "./object-ref.ts";
import type { Owner } from "./owner.ts";
import { unpackMessage, unpackPayload, type Payload } from "./payload.ts";
import type { Sender } from "./sender.ts";
import type { Task } from "./task.ts";

export class Results {
  readonly #owner: Owner;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  /** A frame of result entries. */
  read(sender: Sender, chunk: Buffer, start: number, end: number): void {
    let at = start;
    while (at + resultEntryHeaderBytes <= end) {
      const wire = chunk.readUInt32LE(at);
      const status = chunk[at + 4];
      const form = chunk[at + 5];
      const length = chunk.readUInt32LE(at + 12);
      const from = at + resultEntryHeaderBytes;
      const task = this.#owner.table.find(wire);
      if (task !== undefined && task.sender === sender && chunk[at + 6] === (task.attempt & 0xff)) {
        this.#result(task, sender, status, form, chunk.readFloatLE(at + 8), chunk, from, from + length);
      } else if (form !== 0) this.#unwanted(sender, wire, status, form, chunk, from, from + length);
      at = from + length;
    }
    this.#owner.settledSome();
  }

  #result(
    task: Task,
    sender: Sender,
    status: number,
    form: number,
    durationUs: number,
    chunk: Buffer,
    start: number,
    end: number,
  ): void {
    if (status === resultStatus.item) {
      task.stream?.item(form, chunk, start, end, sender);
      return;
    }
    sender.settle(task);
    if (task.cancellation !== null) {
      this.#answeredCancelled(task, sender, status, form, chunk, start, end);
      return;
    }
    task.definition.measured(durationUs);
    if (status === resultStatus.value) {
      this.#owner.finish(task);
      if (task.refs !== null) this.#settleSeveral(task, chunk, start, end);
      else this.#settleValue(task.ref, form, chunk, start, end);
      if (form !== 0) this.#acknowledge(sender, task);
      return;
    }
    if (status === resultStatus.end) {
      this.#owner.finish(task);
      task.stream?.end(task.attempt, Number(this.#owner.codec.decodePlain(chunk, start, end)));
      return;
    }
    if (status === resultStatus.skipped) {
      this.#owner.finish(task);
      return;
    }
    const failure = new Failure(
      this.#owner.references.receive(unpackPayload(form, chunk, start, end), true),
      null,
    );
    if (form !== 0) this.#acknowledge(sender, task);
    if (status === resultStatus.error && task.definition.options.retryOn !== null && task.retriesLeft > 0) {
      void this.#retryIfWanted(task, failure);
      return;
    }
    this.#owner.fail(task, failure);
  }

  #settleValue(ref: Ref, form: number, chunk: Buffer, start: number, end: number): void {
    if (form === 0) {
      if (ref.state !== refState.pending) return;
      if (isImmediate(chunk[start]))
        settle(ref, refState.immediate, this.#owner.codec.decodePlain(chunk, start, end));
      else if (this.#owner.inline.exceededBy(end - start) && this.#owner.hasStore)
        this.#owner.settleInStore(ref, chunk.subarray(start, end));
      else settle(ref, refState.bytes, Uint8Array.prototype.slice.call(chunk, start, end));
      return;
    }
    this.#owner.settleWith(ref, unpackPayload(form, chunk, start, end), false, true);
  }

  #settleSeveral(task: Task, chunk: Buffer, start: number, end: number): void {
    const payloads = unpackMessage(chunk, start, end) as Payload[];
    if (payloads.length === 0) settle(task.ref, refState.immediate, undefined);
    task.refs?.forEach((ref, i) => this.#owner.settleWith(ref, payloads[i], false, true));
  }

  /** The refs of a cancelled task are settled: what its executor sent besides is let go. */
  #answeredCancelled(
    task: Task,
    sender: Sender,
    status: number,
    form: number,
    chunk: Buffer,
    start: number,
    end: number,
  ): void {
    if (status === resultStatus.value && task.refs !== null) {
      for (const payload of unpackMessage(chunk, start, end) as Payload[]) this.#owner.discard(payload);
      if (form !== 0) sender.acknowledge(task.wire);
    } else if (form !== 0) this.#unwanted(sender, task.wire, status, form, chunk, start, end);
    cancelEnded(this.#owner, task, "answered");
  }

  /** A result that nobody waits for any more: what it holds, here and at its executor, is let go. */
  #unwanted(
    sender: Sender,
    wire: number,
    status: number,
    form: number,
    chunk: Buffer,
    start: number,
    end: number,
  ): void {
    if (status === resultStatus.item) {
      this.#owner.discard(unpackPayload(form, chunk, start + 4, end));
      sender.acknowledgeItem(wire, chunk.readUInt32LE(start));
      return;
    }
    const message = unpackMessage(chunk, start, end) as Payload | Payload[];
    for (const payload of Array.isArray(message) ? message : [message]) this.#owner.discard(payload);
    sender.acknowledge(wire);
  }

  /** Tells the executor that what its result holds is held here now. */
  #acknowledge(sender: Sender, task: Task): void {
    void this.#owner.borrows.confirmed().then(() => sender.acknowledge(task.wire));
  }

  async #retryIfWanted(task: Task, failure: Failure): Promise<void> {
    const { retryOn, retryDelayMs } = task.definition.options;
    let wanted: boolean;
    try {
      wanted = shouldRetry(retryOn as RetryOn, await failure.toError(this.#owner.codec));
    } catch {
      // An error that cannot be decoded is reported as it is, by `get`.
      wanted = false;
    }
    if (task.cancelled) return;
    if (!wanted) {
      this.#owner.fail(task, failure);
      return;
    }
    task.retriesLeft--;
    task.attempt++;
    if (retryDelayMs > 0) await new Promise((resolve) => setTimeout(resolve, retryDelayMs));
    if (!isSettled(task.ref)) {
      task.destination.enqueue(task);
      this.#owner.flush();
    }
  }
}
