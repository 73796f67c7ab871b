/** Asks the agent of this program what it knows, as `iono status` does. */
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { get, remote } from "../../src/index.ts";

export interface AgentStatus {
  readonly nodes: readonly {
    readonly resources: {
      readonly total: Record<string, number>;
      readonly available: Record<string, number>;
    };
    readonly workers: readonly {
      readonly pid: number;
      readonly state: string;
      readonly shape: string;
      readonly blocked: boolean;
    }[];
    readonly demand: readonly { readonly shape: string; readonly count: number }[];
  }[];
}

const agentPid = remote(() => process.ppid, { numCpus: 0 });

/** Path of the agent's control socket, from its process title. */
export async function controlPath(): Promise<string> {
  const title = readFileSync(`/proc/${await get(agentPid.remote())}/cmdline`, "utf8")
    .replaceAll("\0", " ")
    .trim();
  const path = /^iono agent control=(\/\S+)/.exec(title)?.[1];
  if (path === undefined) throw new Error(`no control socket in the title ${title}`);
  return path;
}

export async function agentStatus(path: string): Promise<AgentStatus["nodes"][number]> {
  const socket = connect({ path });
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  socket.write('{"kind":"status"}\n');
  await new Promise((resolve, reject) => socket.once("end", resolve).once("error", reject));
  return (JSON.parse(text) as AgentStatus).nodes[0];
}
