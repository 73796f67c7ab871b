import type { Copies, Copy } from "./transfer-copies.ts";
import type { TransferOptions } from "./transfer-events.ts";
import type { TransferHome } from "./transfer-home.ts";
import type { Sends } from "./transfer-sends.ts";

interface TransferState {
  readonly options: TransferOptions;
  readonly copies: Copies;
  readonly sends: Sends;
  readonly byPull: ReadonlyMap<number, Copy>;
  readonly home: TransferHome;
}

/** Throws when an invariant of the transfer machine is broken. */
export function checkTransfers({ options, copies, sends, byPull, home }: TransferState): void {
  let bytes = 0;
  let receiving = 0;
  let pulls = 0;
  for (const copy of copies) {
    const name = `copy ${copy.copy} (${copy.state})`;
    const isReceiving = copy.state === "receiving";
    if (isReceiving || copy.state === "allocating") {
      receiving++;
      bytes += copy.sizeBytes;
    }
    assert(
      copies.receiving.has(copy) === (isReceiving || copy.state === "allocating"),
      `${name} is miscounted`,
    );
    assert(copies.of(copy.object) === copy, `${name} is not found by its object`);
    assert(
      (copy.state === "whole") === (copy.waiting.size === 0),
      `${name} has ${copy.waiting.size} waiting`,
    ); // (T1) (T5)
    assert(copy.block >= 0 === (isReceiving || copy.state === "whole"), `${name} has block ${copy.block}`); // (T2)
    assert(
      (copy.receivedBytes === copy.sizeBytes) === (copy.state === "whole"),
      `${name} has ${copy.receivedBytes} bytes`,
    );
    if (isReceiving) {
      pulls++;
      assert(byPull.get(copy.pull) === copy, `${name} is not found by its pull`);
    }
  }
  assert(pulls === byPull.size, `${byPull.size} pulls, not ${pulls}`);
  assert(copies.receiving.size === receiving, `${copies.receiving.size} are received, not ${receiving}`);
  assert(copies.receivingBytes === bytes, `${copies.receivingBytes} bytes are received, not ${bytes}`);
  assert(receiving <= 1 || bytes <= options.receivingBytes, `${bytes} bytes at once`); // (T2)
  assert(receiving <= options.receivingCount, `${receiving} at once`);
  for (const send of sends) {
    const name = `send ${send.send} to ${send.node}`;
    assert(sends.find(send.node, send.pull) === send, `${name} is not found by its pull`);
    assert(send.sentBytes < send.sizeBytes, `${name} is over`);
    if (send.copy === undefined) continue;
    const copy = copies.get(send.copy);
    assert(copy !== undefined && copy.block >= 0, `${name} reads a copy that is not there`);
    assert(!send.isOpen || send.availableBytes <= copy.receivedBytes, `${name} reads too far`); // (T3)
  }
  home.check();
}

function assert(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(`transfers: ${message}`);
}
