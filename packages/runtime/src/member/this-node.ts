/** Where this process runs, for errors and `runtimeContext`: set once, when its number is known. */
import { nodeId, nodeOf } from "@iono/core";

let own = nodeId(0);

export function setThisNode(processNumber: number): void {
  own = nodeId(nodeOf(processNumber));
}

/** `local`, or `node-3`. */
export function thisNodeId(): string {
  return own;
}

/** Id of the node of a process. */
export function nodeIdOf(process: number): string {
  return nodeId(nodeOf(process));
}
