import net from "node:net";
import { processNumber, type StoreLocation } from "@iono/core";
import type { FetchPurpose } from "../remote-objects.ts";
import { TestNodes } from "./nodes.ts";

/** A process that hosts two nodes joined by links in memory, for tests: `node nodes-host.ts <options>`, commands over IPC. */

export interface NodesHostOptions {
  /** Where the stores of nodes 1 and 2 listen. */
  readonly socketPaths: readonly string[];
  readonly capacityBytes: number;
  readonly secret: string;
}

export interface NodesCommand {
  readonly id: number;
  readonly op: "hold" | "release" | "fetch" | "free" | "stats";
  readonly process: number;
  readonly location: StoreLocation;
  readonly purpose: FetchPurpose;
}

export type NodesReport =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly id: number; readonly value?: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly code: string; readonly message: string };

const options = JSON.parse(process.argv[2]) as NodesHostOptions;
const report = (message: NodesReport): void => void process.send?.(message);
const nodes = new TestNodes();
const listeners: net.Server[] = [];
for (const [i, socketPath] of options.socketPaths.entries()) {
  const { store } = nodes.add(i + 1, options.capacityBytes);
  store.admit(processNumber(i + 1, 1), options.secret);
  listeners.push(net.createServer((socket) => store.accept(socket)).listen(socketPath));
}
let isOpen = true;
const turn = (): void => {
  nodes.round();
  if (isOpen) setTimeout(turn, 1);
};
turn();

async function perform({ op, process: from, location, purpose }: NodesCommand): Promise<unknown> {
  const node = nodes.node(op === "stats" ? from : Math.floor(from / processNumber(1, 0)));
  switch (op) {
    case "hold":
      return node.transfers.hold(location, from);
    case "release":
      return node.transfers.release(location, from);
    case "fetch":
      return node.transfers.fetch(location, from, purpose);
    case "free":
      return node.transfers.free(location);
    case "stats":
      return { ...node.store.stats(), sent: node.sentBytes };
  }
}

process.on("message", (command: NodesCommand) => {
  const { id } = command;
  perform(command).then(
    (value) => report({ kind: "done", id, value }),
    (error: { code?: string; message: string }) =>
      report({ kind: "failed", id, code: error.code ?? "", message: error.message }),
  );
});
process.on("disconnect", () => {
  isOpen = false;
  for (const listener of listeners) listener.close();
  void nodes[Symbol.asyncDispose]().then(() => process.exit(0));
});
report({ kind: "ready" });
