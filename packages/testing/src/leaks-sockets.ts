/** TCP sockets that a process listens on, whoever in it made them: Node or a native library. Linux only. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** The state LISTEN in /proc/net/tcp. */
const listening = "0A";

function socketInodes(pid: number): Set<string> {
  const inodes = new Set<string>();
  let descriptors: string[];
  try {
    descriptors = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return inodes; // It ended meanwhile, or it is not ours to read.
  }
  for (const descriptor of descriptors) {
    try {
      const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${descriptor}`));
      if (match !== null) inodes.add(match[1]);
    } catch {
      // Closed meanwhile.
    }
  }
  return inodes;
}

function tableOf(pid: number, table: "tcp" | "tcp6"): string[] {
  try {
    return readFileSync(`/proc/${pid}/net/${table}`, "latin1").split("\n").slice(1);
  } catch {
    return []; // No such process, or no IPv6.
  }
}

/** `0100007F` → `127.0.0.1`: bytes of an address are in the machine's order, each 4 by themselves. */
export function addressFromTable(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => [...Buffer.from(word, "hex")].toReversed());
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, n) => ((bytes[2 * n] << 8) | bytes[2 * n + 1]).toString(16));
  return `[${groups.join(":").replace(/(^|:)0(:0)+(:|$)/, "::")}]`;
}

/** `address:port` of every TCP socket that the process listens on; itself unless said. */
export function listeningSockets(pid: number = process.pid): string[] {
  const inodes = socketInodes(pid);
  if (inodes.size === 0) return [];
  return (["tcp", "tcp6"] as const).flatMap((table) =>
    tableOf(pid, table).flatMap((line) => {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state !== listening || !inodes.has(inode)) return [];
      const [address, port] = local.split(":");
      return [`${addressFromTable(address)}:${Number.parseInt(port, 16)}`];
    }),
  );
}
