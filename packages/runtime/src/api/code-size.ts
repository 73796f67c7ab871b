/** What a function or class may take with it. */
import { CannotTravelError, formatSize, limits } from "@iono/core";
import type { Member } from "../member/member.ts";
import { payloadBytes, type Payload } from "../owner/payload.ts";

export class CodeSize {
  #saidLarge = false;

  /** @throws CannotTravelError above `limits.functionCode`; warns once above `limits.functionWarning` */
  check(member: Member, name: string, payload: Payload): void {
    const { functionCode, functionWarning } = limits;
    const bytes = payloadBytes(payload);
    if (bytes <= functionWarning.value) return;
    const text = `its code and what it captures are ${formatSize(bytes)}`;
    if (bytes > functionCode.value) {
      throw new CannotTravelError(
        [name],
        `${text}; at most ${formatSize(functionCode.value)} are allowed: put() large values and pass them as arguments`,
      );
    }
    if (this.#saidLarge) return;
    this.#saidLarge = true;
    member.options.warn(`${name}: ${text}; put() large values and pass them as arguments`);
  }
}
