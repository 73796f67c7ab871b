/**
 * What a link does to packets, as lines of `tc`. Each end of a link sends through one tree: a class that carries packets
 * at the link's rate, and one that swallows them without a word, as a wire does. Filters choose between the two.
 */

export interface LinkSettings {
  /** Rate in Mbit/s, each way; without it, as fast as the machine is. */
  readonly mbit?: number;
  /** Every packet comes this much later, each way. Needs netem. */
  readonly delayMs?: number;
  /** Share of packets that are lost, each way. */
  readonly lossPercent?: number;
}

const carries = "1:1";
const swallows = "1:2";
const plainRate = "40gbit";
/** For the queue of a link without a rate. */
const plainMbit = 1_000;
/** Bytes a class may send in its turn; the computed one would be far off at both ends of the rates. */
const quantum = 60_000;
/** What waits before the sender is slowed: 100 ms of the rate, at least a few packets. */
const queueMs = 100;

/** @throws RangeError that names host, field and value. */
export function checkLink(host: string, { mbit, delayMs, lossPercent }: LinkSettings): void {
  const check = (field: string, value: number | undefined, minimum: number, maximum: number): void => {
    if (value !== undefined && !(value >= minimum && value <= maximum))
      throw new RangeError(`${host}: ${field}: ${value} is not a number from ${minimum} to ${maximum}`);
  };
  check("mbit", mbit, 0.01, 40_000);
  check("delayMs", delayMs, 0, 60_000);
  check("lossPercent", lossPercent, 0, 100);
}

/** The tree of a device that has none yet. */
export function treeLines(device: string, link: LinkSettings): string[] {
  return [
    `qdisc add dev ${device} root handle 1: htb default 1`,
    `class add dev ${device} parent 1: classid ${swallows} htb rate ${plainRate} quantum ${quantum}`,
    `qdisc add dev ${device} parent ${swallows} blackhole`,
    ...linkLines(device, link),
  ];
}

/** Makes the tree of a device do what the link is to do, but for losses. */
export function linkLines(device: string, { mbit, delayMs = 0 }: LinkSettings): string[] {
  const rate = mbit === undefined ? plainRate : `${Math.round(mbit * 1000)}kbit`;
  const burst = mbit === undefined ? "" : ` burst ${Math.max(3_200, Math.round(mbit * 1_250))}`;
  const queue = Math.max(30_000, Math.round(((mbit ?? plainMbit) * 1e6 * queueMs) / 8_000));
  const leaf = delayMs === 0 ? `bfifo limit ${queue}` : `netem limit 100000 delay ${delayMs}ms`;
  return [
    `class replace dev ${device} parent 1: classid ${carries} htb rate ${rate} quantum ${quantum}${burst}`,
    `qdisc replace dev ${device} parent ${carries} ${leaf}`,
  ];
}

export interface SentConnection {
  readonly source: number;
  readonly address: string;
  /** Whether `address` sends them, or they go there. */
  readonly end: "src" | "dst";
  readonly destination: number;
}

export interface Filters {
  readonly lossPercent?: number;
  /** Addresses whose packets are swallowed. */
  readonly cutFrom?: readonly string[];
  /** Connections whose packets are swallowed, as who sends them sees them. */
  readonly cutConnections?: readonly SentConnection[];
  /** Only what belongs to connections made from behind the device passes: TCP, and nothing that opens one. */
  readonly outboundOnly?: boolean;
}

/** Classic BPF: matches with this probability. `ld rand` is the word at SKF_AD_OFF + SKF_AD_RANDOM. */
function randomMatch(percent: number): string {
  const most = Math.min(0xffffffff, Math.floor((percent / 100) * 0x100000000));
  return `'4,32 0 0 4294963256,37 1 0 ${most},6 0 0 4294967295,6 0 0 0'`;
}

/** The filters of a device that has a tree and no filters. The first that matches decides. */
export function filterLines(
  device: string,
  { lossPercent = 0, cutFrom = [], cutConnections = [], outboundOnly = false }: Filters,
): string[] {
  const filter = (pref: number, match: string, to: string): string =>
    `filter add dev ${device} parent 1: protocol ip pref ${pref} ${match} flowid ${to}`;
  return [
    ...cutFrom.map((address) => filter(1, `u32 match ip src ${address}/32`, swallows)),
    ...cutConnections.map(({ source, address, end, destination }) => {
      // Ports stand behind an IP header without options.
      const ports = `match u16 ${source} 0xffff at 20 match u16 ${destination} 0xffff at 22`;
      return filter(1, `u32 match ip protocol 6 0xff match ip ${end} ${address}/32 ${ports}`, swallows);
    }),
    ...(lossPercent > 0 ? [filter(2, `bpf bytecode ${randomMatch(lossPercent)}`, swallows)] : []),
    ...(outboundOnly
      ? [
          // The flags, behind an IP header without options: 0x10 is ACK, 0x04 RST. Only the first packet of a connection has neither.
          filter(3, "u32 match ip protocol 6 0xff match u8 0x10 0x10 at 33", carries),
          filter(3, "u32 match ip protocol 6 0xff match u8 0x04 0x04 at 33", carries),
          filter(4, "u32 match u32 0 0", swallows),
        ]
      : []),
  ];
}
