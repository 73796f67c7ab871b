/**
 * The socket by which the `iono` command finds and asks an agent, a head or a supervisor of the same user: one line of
 * JSON in, one out. The process title tells where it is.
 */
import * as net from "node:net";
import { publish } from "../links/publish.ts";

/** What can be asked, by the request's `kind`. What throws is answered as an error. */
export type ControlHandlers = Readonly<Record<string, (request: object) => object | Promise<object>>>;

const longestRequest = 4096;
const idleMs = 15_000;

/** Listens; resolves with the process title that tells where. */
export async function serveControl(
  kind: "agent" | "head" | "supervisor",
  handlers: ControlHandlers,
): Promise<string> {
  const server = net.createServer((socket) => {
    let text = "";
    socket.setEncoding("utf8").setTimeout(idleMs, () => socket.destroy());
    socket.on("error", () => {});
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > longestRequest) socket.destroy();
      else if (text.includes("\n"))
        void answer(text, handlers).then((reply) => socket.end(`${JSON.stringify(reply)}\n`));
    });
  });
  const { path } = await publish(server);
  return `iono ${kind} control=${path}`;
}

async function answer(line: string, handlers: ControlHandlers): Promise<object> {
  let request: { kind?: unknown };
  try {
    request = JSON.parse(line) as { kind?: unknown };
  } catch {
    return { error: 'send one line of JSON, like {"kind":"status"}' };
  }
  const kind = typeof request?.kind === "string" ? request.kind : "";
  if (!Object.hasOwn(handlers, kind)) {
    const known = Object.keys(handlers).map((each) => `"${each}"`);
    return { error: `unknown request ${JSON.stringify(request?.kind)}; known: ${known.join(", ")}` };
  }
  try {
    return await handlers[kind](request);
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
