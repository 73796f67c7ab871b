/** Messages between a gateway and its head or agent, as bytes. */
import { FrameError, readToGateway, type FromGateway, type ToGateway } from "@iono/core";
import { Packr } from "msgpackr";

const packr = new Packr({ useRecords: false, int64AsType: "number" });

export function packGatewayMessage(message: ToGateway | FromGateway): Uint8Array {
  return packr.pack(message);
}

/** @throws FrameError when it is no message for a gateway. */
export function readForGateway(chunk: Buffer, start: number, end: number): ToGateway {
  const message = readToGateway(packr.unpack(Uint8Array.prototype.slice.call(chunk, start, end)));
  if (message === undefined) throw new FrameError("not a message for a gateway");
  return message;
}

/** What a gateway says is believed: this process started it, or was told where it is by who did. */
export function readFromGateway(chunk: Buffer, start: number, end: number): FromGateway {
  return packr.unpack(Uint8Array.prototype.slice.call(chunk, start, end)) as FromGateway;
}
