/** TCP sockets that a process listens on, whoever in it made them: Node or a native library. Linux only. */
import { readdirSync, readlinkSync } from "node:fs";
import { tcpSockets } from "./tcp-table.ts";

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

/** `address:port` of every TCP socket that the process listens on; itself unless said. */
export function listeningSockets(pid: number = process.pid): string[] {
  const inodes = socketInodes(pid);
  if (inodes.size === 0) return [];
  return tcpSockets(pid)
    .filter(({ state, inode }) => state === "listening" && inodes.has(inode))
    .map(({ localAddress, localPort }) => `${localAddress}:${localPort}`);
}
