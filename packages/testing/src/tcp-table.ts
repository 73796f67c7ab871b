/** The TCP sockets of a network namespace, as Linux tells them. */
import { readFileSync } from "node:fs";

export interface TcpSocket {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly state: "established" | "listening" | "other";
  /** As in the link `socket:[inode]` of a descriptor. */
  readonly inode: string;
}

const states: Readonly<Record<string, TcpSocket["state"]>> = { "01": "established", "0A": "listening" };

/** `0100007F` → `127.0.0.1`: bytes of an address are in the machine's order, each 4 by themselves. */
export function addressFromTable(hex: string): string {
  const words = hex.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => [...Buffer.from(word, "hex")].toReversed());
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, n) => ((bytes[2 * n] << 8) | bytes[2 * n + 1]).toString(16));
  return `[${groups.join(":").replace(/(^|:)0(:0)+(:|$)/, "::")}]`;
}

function endpoint(text: string): [address: string, port: number] {
  const [address, port] = text.split(":");
  return [addressFromTable(address), Number.parseInt(port, 16)];
}

function linesOf(pid: number, table: "tcp" | "tcp6"): string[] {
  try {
    return readFileSync(`/proc/${pid}/net/${table}`, "latin1").trim().split("\n").slice(1);
  } catch {
    return []; // No such process, or no IPv6.
  }
}

/** Those of the namespace in which the process is, whoever has them open. Empty where there is no /proc. */
export function tcpSockets(pid: number): TcpSocket[] {
  return (["tcp", "tcp6"] as const).flatMap((table) =>
    linesOf(pid, table).map((line) => {
      const [, local, remote, state, , , , , , inode] = line.trim().split(/\s+/);
      const [localAddress, localPort] = endpoint(local);
      const [remoteAddress, remotePort] = endpoint(remote);
      return { localAddress, localPort, remoteAddress, remotePort, state: states[state] ?? "other", inode };
    }),
  );
}
