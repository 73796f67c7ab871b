/** The link of a process to itself: what waits here may have its children run here. */
import { frameKinds, linkPage } from "@iono/core";
import type { Executor } from "../executor/executor.ts";
import { MemoryLink } from "../links/memory.ts";
import type { Owner } from "../owner/owner.ts";
import { Sender } from "../owner/sender.ts";
import { platform } from "../platform/index.ts";

/** A sender whose executor is this very process. */
export function loopbackSender(
  owner: Owner,
  executor: Executor,
  processNumber: number,
  inline: { readonly worker: number } | null = null,
): Sender {
  const [near, far] = MemoryLink.pair({ frame() {}, closed() {} }, { frame() {}, closed() {} });
  // In an inline runtime what was given up runs on, and would write into a page that is no longer there.
  const page = inline === null ? platform().sharedPages?.create(linkPage.totalBytes) : undefined;
  const sender = new Sender(inline?.worker ?? processNumber, process.pid, near, page ?? null);
  const attached = executor.attach(processNumber, far, page?.memory ?? null, true);
  far.listen({
    frame: (kind, chunk, start, end) => void executor.frame(attached, kind, chunk, start, end),
    closed() {},
  });
  near.listen({
    frame: (kind, chunk, start, end) => {
      if (kind === frameKinds.results) {
        sender.lastHeardMs = performance.now();
        owner.results.read(sender, chunk, start, end);
        sender.onProgress();
      } else if (kind === frameKinds.blocked || kind === frameKinds.unblocked) {
        sender.setBlocked(chunk.readUInt32LE(start), kind === frameKinds.blocked, owner.table);
        sender.onProgress();
      }
    },
    closed() {},
  });
  return sender;
}
