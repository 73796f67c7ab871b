/** Results as they are written to the link of their owner. Each function marks the entry as done first. */
import { claim, describeValue, IonoError, resultStatus } from "@iono/core";
import type { Codec } from "../owner/codec.ts";
import { toError } from "../owner/failure.ts";
import { packMessage, type Payload } from "../owner/payload.ts";
import type { ExecutorDefinition, ExecutorLink } from "./executor-link.ts";
import { originOf, stableError } from "./failures.ts";
import type { RunningTask } from "./task-context.ts";

/** @throws CannotTravelError */
export function writeOne(running: RunningTask, durationUs: number, value: unknown): void {
  const { definition, link } = running;
  link.mark(running.slot, claim.done);
  link.result(running.wire, resultStatus.value, running.attempt, durationUs, value, [
    `result of ${definition.name}`,
  ]);
}

/**
 * Several values: a list as long as `numReturns` says.
 * @throws IonoError WrongResultCount, CannotTravelError
 */
export function writeSeveral(codec: Codec, running: RunningTask, durationUs: number, value: unknown): void {
  const { definition, link } = running;
  const values = definition.numReturns === 0 ? [] : asList(value, definition);
  const holds: object[] = [];
  const payloads: Payload[] = values.map((each, i) => {
    const outgoing = codec.encode(each, [`result ${i} of ${definition.name}`], link.owner);
    holds.push(...outgoing.holds);
    return outgoing.payload;
  });
  const form = holds.length > 0 ? 1 : 0;
  if (form === 1) link.hold(`${running.wire}`, holds);
  link.mark(running.slot, claim.done);
  link.resultBytes(
    running.wire,
    resultStatus.value,
    form,
    running.attempt,
    durationUs,
    packMessage(payloads),
  );
}

/** The generator gave `count` items. */
export function writeEnd(running: RunningTask, durationUs: number, count: number): void {
  running.link.mark(running.slot, claim.done);
  running.link.result(running.wire, resultStatus.end, running.attempt, durationUs, count, []);
}

export function writeError(running: RunningTask, durationUs: number, error: unknown): void {
  const { link, definition } = running;
  link.mark(running.slot, claim.done);
  const status = running.cancelled ? resultStatus.cancelled : resultStatus.error;
  const origin = originOf(error, definition.name, running.attempt);
  try {
    link.result(running.wire, status, running.attempt, durationUs, [error, origin], ["error"]);
  } catch (reason) {
    link.result(
      running.wire,
      status,
      running.attempt,
      durationUs,
      [stableError(error, toError(reason)), origin],
      ["error"],
    );
  }
}

function asList(value: unknown, definition: ExecutorDefinition): unknown[] {
  if (
    typeof value !== "object" ||
    value === null ||
    typeof (value as Iterable<unknown>)[Symbol.iterator] !== "function"
  ) {
    throw new IonoError(
      "WrongResultCount",
      `${definition.name} must return ${definition.numReturns} values (numReturns) as an array, not ${describeValue(value)}`,
    );
  }
  const values = [...(value as Iterable<unknown>)];
  if (values.length !== definition.numReturns) {
    throw new IonoError(
      "WrongResultCount",
      `${definition.name} returned ${values.length} values; numReturns is ${definition.numReturns}`,
    );
  }
  return values;
}

/** Answers an entry that never begins. */
export function writeRefusal(
  link: ExecutorLink,
  wire: number,
  slot: number,
  attempt: number,
  name: string,
  error: IonoError,
): void {
  link.mark(slot, claim.done);
  const status = error.code === "TaskCancelled" ? resultStatus.cancelled : resultStatus.error;
  link.result(wire, status, attempt, 0, [error, originOf(error, name, attempt)], ["error"]);
}
