/**
 * Circuits: links of members of different nodes, carried by their agents. A circuit frame is
 *
 *   u32 id, u8 kind, u8 lane, u16 zero, payload
 *
 * where `id` is the opener's count × 2, plus 1 in frames that the opener sends. Kind `hello` opens (`{ from, to, work }`),
 * kind 0 ends it. On the way to a worker some kinds are for the worker's agent, which holds the page of the link:
 *
 *   takeBack   u16 slot …                 answered by `takenBack`: u16 slot, u16 taken (0 or 1) …
 *   sweep      nothing                    answered by finished results not yet written, and by `claims`
 *   claims     u8 final, u8 zero, then u16 slot, u16 state …   of entries that are not over; final: the worker has ended
 *   slotsFree  u16 slot …                 the executor has passed entries that were taken back
 */

export const circuitHeaderBytes = 8;
/** Kind of the frame that ends a circuit. */
export const circuitEnd = 0;

export interface CircuitHello {
  readonly from: number;
  readonly to: number;
  /** The opener sends work, and wants the claims of it. */
  readonly work: boolean;
}

/** Writes header and payload as one frame. */
export function writeCircuitFrame(
  id: number,
  kind: number,
  isData: boolean,
  payload: Uint8Array,
): Uint8Array {
  const frame = new Uint8Array(circuitHeaderBytes + payload.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, id, true);
  frame[4] = kind;
  frame[5] = isData ? 1 : 0;
  frame.set(payload, circuitHeaderBytes);
  return frame;
}

/** Pairs of u16, for `takenBack` and `claims`. */
export function writePairs(
  pairs: readonly (readonly [slot: number, value: number])[],
  prefix: Uint8Array,
): Uint8Array {
  const bytes = new Uint8Array(prefix.length + pairs.length * 4);
  bytes.set(prefix);
  const view = new DataView(bytes.buffer);
  pairs.forEach(([slot, value], i) => {
    view.setUint16(prefix.length + i * 4, slot, true);
    view.setUint16(prefix.length + i * 4 + 2, value, true);
  });
  return bytes;
}
