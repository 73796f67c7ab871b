/** The socket by which `iono status` finds and asks this agent: one line of JSON in, one out. */
import * as net from "node:net";
import { publish } from "../links/publish.ts";
import type { Agent } from "./agent.ts";

const longestRequest = 4096;
const idleMs = 5000;

/** Listens; resolves with the process title that tells where. */
export async function serveControl(agent: Agent): Promise<string> {
  const server = net.createServer((socket) => {
    let text = "";
    socket.setEncoding("utf8").setTimeout(idleMs, () => socket.destroy());
    socket.on("error", () => {});
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > longestRequest) socket.destroy();
      else if (text.includes("\n")) socket.end(`${JSON.stringify(answer(text, agent))}\n`);
    });
  });
  const { path } = await publish(server);
  return `iono agent control=${path}`;
}

function answer(line: string, agent: Agent): object {
  try {
    const request = JSON.parse(line) as { kind?: unknown };
    if (request.kind === "status") return agent.status();
    return { error: `unknown request ${JSON.stringify(request.kind)}; "status" is known` };
  } catch {
    return { error: 'send one line of JSON, like {"kind":"status"}' };
  }
}
