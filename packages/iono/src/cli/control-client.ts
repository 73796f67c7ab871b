/** Asks a node agent for its status: one line of JSON each way, over its Unix socket. */
import { createConnection } from "node:net";
import { parseStatusReply, parseSupervisorReply } from "./status-reply.ts";
import type { ProgramStatus, SupervisorStatus } from "./status-reply.ts";

/** An answer is a few hundred bytes a node. */
const replyLimitBytes = 16 * 1024 * 1024;

export interface StatusRequest {
  /** Path of the agent's Unix socket. */
  readonly controlPath: string;
  readonly timeoutMs: number;
}

function requestLine({ controlPath, timeoutMs }: StatusRequest, request: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path: controlPath });
    let reply = "";
    const timer = setTimeout(() => finish(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    const finish = (outcome: Error | string): void => {
      clearTimeout(timer);
      socket.destroy();
      if (typeof outcome === "string") resolve(outcome);
      else reject(outcome);
    };
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("data", (text: string) => {
      reply += text;
      const end = reply.indexOf("\n");
      if (end >= 0) finish(reply.slice(0, end));
      else if (reply.length > replyLimitBytes)
        finish(new Error(`the answer is longer than ${replyLimitBytes} bytes`));
    });
    socket.on("end", () => finish(new Error("the connection was closed before an answer")));
    socket.on("error", finish);
  });
}

/**
 * @throws Error when nobody listens, on a time-out or a closed connection; StatusReplyError when the answer is not understood.
 */
export async function requestStatus(request: StatusRequest): Promise<ProgramStatus> {
  return parseStatusReply(await requestLine(request, { kind: "status" }));
}

/** @throws Error as `requestStatus`. */
export async function requestSupervisor(request: StatusRequest): Promise<SupervisorStatus> {
  return parseSupervisorReply(await requestLine(request, { kind: "status" }));
}

/** @throws Error as `requestStatus`, and when the answer is an error. */
export async function ask(
  where: StatusRequest,
  request: { readonly kind: string; readonly [field: string]: unknown },
): Promise<object> {
  const reply: unknown = JSON.parse(await requestLine(where, request));
  if (typeof reply !== "object" || reply === null) throw new Error("the answer is no object");
  if ("error" in reply) throw new Error(String(reply.error));
  return reply;
}
