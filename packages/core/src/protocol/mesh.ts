/**
 * Between machines: datagrams. A datagram is a routing header and a body, little endian:
 *
 *   u8 version, u8 channel, u16 zero, u32 from, u32 to, body
 *
 * `from` and `to` are node numbers; `headNode` is the head. Datagrams are best effort: they may be lost, never altered
 * (CURVE sees to that on each hop). What must arrive goes through a session (machines/session.ts), which lives between
 * two nodes whatever way its datagrams take.
 */

export const datagramVersion = 1;
export const datagramHeaderBytes = 12;
/** Largest datagram, header included. */
export const maxDatagramBytes = 5 * 1024 * 1024;

/** `control` carries messages, tasks and heartbeats; `bulk` carries pieces of objects, on a connection of its own. */
export const channels = { control: 0, bulk: 1 } as const;
export type Channel = (typeof channels)[keyof typeof channels];

/** Number of the head among the nodes. Nodes of a cluster count from 1; a local cluster is node 0 with its head in it. */
export const headNode = 0;

export interface DatagramHeader {
  readonly channel: Channel;
  readonly from: number;
  readonly to: number;
}

export function writeDatagramHeader(view: DataView, { channel, from, to }: DatagramHeader): void {
  view.setUint32(0, datagramVersion | (channel << 8), true);
  view.setUint32(4, from, true);
  view.setUint32(8, to, true);
}

/** Undefined when it is no datagram of this version. */
export function readDatagramHeader(bytes: Uint8Array): DatagramHeader | undefined {
  if (bytes.length < datagramHeaderBytes || bytes.length > maxDatagramBytes) return undefined;
  if (bytes[0] !== datagramVersion || bytes[1] > channels.bulk || bytes[2] !== 0 || bytes[3] !== 0)
    return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, datagramHeaderBytes);
  return { channel: bytes[1] as Channel, from: view.getUint32(4, true), to: view.getUint32(8, true) };
}
