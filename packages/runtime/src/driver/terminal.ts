/** The driver's terminal: what tasks print, each line after the name and the process of its task. */
import { Console } from "node:console";
import type { FromAgent } from "@iono/core";

type LogMessage = Extract<FromAgent, { t: "log" }>;

export class Terminal {
  /** A console does not mind a terminal that was closed (EPIPE). */
  readonly #console = new Console(process.stdout, process.stderr);
  /** Messages printed so far. */
  printed = 0;

  print({ stream, label, pid, node, text }: LogMessage): void {
    this.printed++;
    const lines = text.endsWith("\n") ? text.slice(0, -1) : text;
    const prefix = `(${label} pid=${pid}${node === undefined ? "" : `, ${node}`}) `;
    const prefixed = `${prefix}${lines.replaceAll("\n", `\n${prefix}`)}`;
    if (stream === "stdout") this.#console.log("%s", prefixed);
    else this.#console.error("%s", prefixed);
  }
}
