import { limits } from "../limits.ts";
import type { ObjectName } from "../protocol/objects.ts";
import type { RefusalReason } from "./store-events.ts";
import type { Copy } from "./transfer-copies.ts";
import type { TransferInstruction } from "./transfer-events.ts";
import { Sends, type Send } from "./transfer-sends.ts";

const mostSendsToNode = limits.objectsSent.value;

interface SendRequest {
  readonly node: number;
  readonly pull: number;
  readonly object: ObjectName;
  /** The copy it is read from; undefined at the home. */
  readonly copy: Copy | undefined;
  readonly sizeBytes: number;
  readonly from: number;
}

/** The sending half of the transfer machine: opens what is sent, closes it, and says why it is not sent. (T3) (T4) */
export class Sending {
  readonly sends = new Sends();
  sentBytes = 0;

  begin(request: SendRequest, out: TransferInstruction[]): void {
    const { node, pull, object, copy, sizeBytes, from } = request;
    if (this.sends.find(node, pull) !== undefined) return; // repeated
    if (from >= sizeBytes || this.sends.countTo(node) >= mostSendsToNode) {
      const reason = from >= sizeBytes ? "stale" : "full";
      out.push({ kind: "message", node, message: { t: "refuse", pull, reason } });
      return;
    }
    const send = this.sends.add({ node, pull, object, copy: copy?.copy, sizeBytes, sentBytes: from });
    const { block, generation } = copy ?? object;
    const isBeingWritten = copy?.state === "receiving";
    const number = isBeingWritten ? copy.copy : undefined;
    out.push({ kind: "open", send: send.send, copy: number, block, generation });
    if (isBeingWritten) this.opened(send.send, copy.sizeBytes, copy.receivedBytes, out);
  }

  /** The block of a send has so many bytes, of which so many are there. */
  opened(number: number, sizeBytes: number, availableBytes: number, out: TransferInstruction[]): void {
    const send = this.sends.get(number);
    if (send === undefined || send.isOpen) return;
    if (sizeBytes !== send.sizeBytes) return this.#refuse(send, "stale", out);
    send.isOpen = true;
    send.availableBytes = availableBytes; // (T3)
    if (availableBytes > send.sentBytes) out.push({ kind: "ready", node: send.node });
  }

  openFailed(number: number, reason: RefusalReason, out: TransferInstruction[]): void {
    const send = this.sends.get(number);
    if (send !== undefined) this.#refuse(send, reason, out);
  }

  /** More of a copy is there. */
  received({ copy, receivedBytes }: Copy, out: TransferInstruction[]): void {
    for (const send of this.sends.from(copy)) {
      if (!send.isOpen) continue;
      send.availableBytes = receivedBytes;
      out.push({ kind: "ready", node: send.node });
    }
  }

  room(node: number, bytes: number, out: TransferInstruction[]): void {
    for (const send of this.sends.take(node, bytes, out)) this.#close(send, out);
    for (const each of out) if (each.kind === "piece") this.sentBytes += each.bytes;
    if (this.sends.isReady(node)) out.push({ kind: "ready", node });
  }

  stop(node: number, pull: number, out: TransferInstruction[]): void {
    const send = this.sends.find(node, pull);
    if (send !== undefined) this.#close(send, out);
  }

  /** A copy is not sent any further. */
  refuseCopy({ copy }: Copy, reason: RefusalReason, out: TransferInstruction[]): void {
    for (const send of this.sends.from(copy)) this.#refuse(send, reason, out);
  }

  /** An own object is gone: its pages are in place while it is sent, so that it was freed. Others get their `openFailed`. */
  refuseFreed(block: number, generation: number, out: TransferInstruction[]): void {
    for (const send of this.sends) {
      const { object, copy, isOpen } = send;
      if (copy === undefined && isOpen && object.block === block && object.generation === generation)
        this.#refuse(send, "freed", out);
    }
  }

  nodeLost(node: number, out: TransferInstruction[]): void {
    for (const send of this.sends.to(node)) this.#close(send, out);
  }

  /** Gives up those whose bytes do not come. */
  tick(nowMs: number, waitsInVain: (sinceMs: number) => boolean, out: TransferInstruction[]): void {
    for (const send of this.sends) {
      if (send.isOpen) continue;
      if (send.openingSinceMs < 0) send.openingSinceMs = nowMs;
      else if (waitsInVain(send.openingSinceMs)) out.push({ kind: "cancelOpen", send: send.send });
    }
  }

  #refuse(send: Send, reason: RefusalReason, out: TransferInstruction[]): void {
    out.push({ kind: "message", node: send.node, message: { t: "refuse", pull: send.pull, reason } });
    this.#close(send, out);
  }

  #close(send: Send, out: TransferInstruction[]): void {
    this.sends.remove(send);
    out.push({ kind: "close", send: send.send }); // (T4)
  }
}
