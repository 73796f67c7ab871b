/** A process that the supervisor has started: head or agent. */
import { spawn, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { UnixLink } from "../links/unix.ts";
import { unpackMessage } from "../owner/payload.ts";
import { sendOn, type FromChild, type ToChild } from "./messages.ts";

const fromSource = import.meta.url.endsWith(".ts");

export class SupervisedChild {
  readonly #child: ChildProcess;
  readonly #link: UnixLink;
  /** How it ended; resolves once. */
  readonly ended: Promise<string>;

  constructor(file: string, options: object, heard: (message: FromChild) => void) {
    const flags = fromSource ? ["--conditions=iono-source", "--no-warnings"] : [];
    this.#child = spawn(process.execPath, [...flags, file], {
      env: { ...process.env, IONO_BOOT: JSON.stringify(options) },
      stdio: ["ignore", "inherit", "inherit", "pipe"],
      detached: true,
    });
    const socket = (this.#child as Partial<ChildProcess>).stdio?.[3] as Socket;
    this.#link = new UnixLink(socket, {
      frame: (_kind, chunk, start, end) => heard(unpackMessage(chunk, start, end) as FromChild),
      closed: () => {},
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => resolve(error.message));
      this.#child.once("exit", (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  tell(message: ToChild): void {
    sendOn(this.#link, message);
  }

  /** Asks it to end; kills it when it does not within `graceMs`. Resolves when it is gone. */
  async stop(reason: string, graceMs: number): Promise<void> {
    this.tell({ t: "stop", reason });
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), graceMs);
    await this.ended;
    clearTimeout(timer);
  }
}
