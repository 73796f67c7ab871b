/**
 * Who answers at an address? ZeroMQ itself tries for ever and tells little; a plain connection tells whether there is
 * anybody, and whether it speaks ZMTP with CURVE (RFC 23: a greeting of 64 bytes from either side).
 */
import { setTimeout as sleep } from "node:timers/promises";
import * as net from "node:net";

const greetingBytes = 64;
const mechanism = "CURVE";
/** An address where nobody listens is tried again for this long: a head may just be starting. */
const refusedMs = 5000;
const retryMs = 250;
const shownBytes = 40;

export type Probe =
  | { readonly type: "gateway" }
  /** It was answered, but not by a gateway. */
  | { readonly type: "stranger"; readonly what: string }
  | { readonly type: "nobody"; readonly reason: string };

/** Takes until `deadlineMs` (of `performance.now()`) at most. */
export async function probeAddress(host: string, port: number, deadlineMs: number): Promise<Probe> {
  const patienceMs = Math.min(deadlineMs, performance.now() + refusedMs);
  for (;;) {
    const probe = await probeOnce(host, port, deadlineMs - performance.now());
    if (probe.type !== "nobody" || performance.now() + retryMs >= patienceMs) return probe;
    await sleep(retryMs);
  }
}

/**
 * Signature and version 3.1: the other side answers with its whole greeting. The mechanism is left out, as a server of
 * another one would close the connection before it names its own.
 */
const greetingStart = Buffer.from("ff00000000000000017f0301", "hex");

function probeOnce(host: string, port: number, timeoutMs: number): Promise<Probe> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    let isConnected = false;
    const socket = net.connect({ host, port });
    const settle = (probe: Probe): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(probe);
    };
    const timer = setTimeout(
      () =>
        settle(
          isConnected
            ? { type: "stranger", what: "it says nothing" }
            : { type: "nobody", reason: "no answer to the connection" },
        ),
      Math.max(1, timeoutMs),
    );
    socket.on("connect", () => {
      isConnected = true;
      socket.write(greetingStart);
    });
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received[0] !== 0xff || received.length >= greetingBytes) settle(judge(received));
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (!isConnected) settle({ type: "nobody", reason: reasonOf(error) });
      else if (received.length === 0) settle({ type: "stranger", what: "it closes the connection" });
    });
    socket.on("close", () =>
      settle(received.length > 0 ? judge(received) : { type: "stranger", what: "it closes the connection" }),
    );
  });
}

function judge(received: Buffer): Probe {
  if (received[0] === 0xff && received[9] === 0x7f) {
    const named = received.toString("latin1", 12, 32).replaceAll("\0", "");
    if (named === mechanism) return { type: "gateway" };
    return { type: "stranger", what: `it speaks ZeroMQ without encryption (${JSON.stringify(named)})` };
  }
  const [line] = received.toString("latin1", 0, shownBytes).split(/[\r\n]/);
  const kind = line.startsWith("HTTP/") ? "a web server" : "it";
  return { type: "stranger", what: `${kind} says ${JSON.stringify(line)}` };
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  const reasons: Readonly<Record<string, string>> = {
    ECONNREFUSED: "connection refused",
    EHOSTUNREACH: "no route to the host",
    ENETUNREACH: "no route to the network",
    ENOTFOUND: "no machine of this name is known",
    EAI_AGAIN: "the name could not be looked up",
    ETIMEDOUT: "no answer to the connection",
  };
  return reasons[code ?? ""] ?? message;
}
