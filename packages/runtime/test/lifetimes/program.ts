/** Runs the programs in `fixtures` and finds what they leave behind. */
import { leakedFiles, sharedMemoryFiles, abandoned, sourceNodeArgs } from "@iono/testing";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** In the environment of a program and of all that it starts. */
const markVariable = "IONO_LIFETIME_MARK";
let marks = 0;

export class Program {
  readonly child: ChildProcess;
  readonly directory = mkdtempSync(join(tmpdir(), "life-"));
  readonly #mark = `${process.pid}-${++marks}`;
  readonly #sharedBefore = new Set(sharedMemoryFiles());
  stdout = "";
  stderr = "";
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;

  /** `@dir` in an argument stands for a directory of the program's own. */
  constructor(name: string, ...args: string[]) {
    const file = join(import.meta.dirname, "fixtures", name);
    this.child = spawn(
      process.execPath,
      [...sourceNodeArgs, file, ...args.map((each) => each.replace("@dir", this.directory))],
      {
        env: {
          ...process.env,
          TMPDIR: this.directory,
          [markVariable]: this.#mark,
          NODE_OPTIONS: undefined,
          VITEST: undefined,
          NO_COLOR: "1",
        },
        stdio: ["ignore", "pipe", "pipe"],
        detached: true,
      },
    );
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.ended = once(this.child, "exit").then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
    }));
  }

  /** Lines of the file that the program was told to write as `@dir/notes`. */
  get notes(): string[] {
    const file = join(this.directory, "notes");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  }

  get lines(): string[] {
    return this.stdout.split("\n").filter((line) => line !== "");
  }

  /** Waits until the program has printed `text`. */
  async printed(text: string): Promise<void> {
    const { stdout } = this.child;
    while (!this.stdout.includes(text)) {
      if (stdout === null || stdout.readableEnded)
        throw new Error(`it ended without printing ${text}: ${this.stdout}${this.stderr}`);
      await Promise.race([once(stdout, "data"), once(stdout, "end")]);
    }
  }

  /** Waits for the end and for the output to be complete. */
  async finished(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const outcome = await this.ended;
    if (this.child.stdout?.readableEnded === false) await once(this.child.stdout, "end");
    return outcome;
  }

  /** Processes that the program started, itself included, and files it left. */
  left(): string[] {
    const found: string[] = [];
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      try {
        if (!readFileSync(`/proc/${pid}/environ`, "latin1").includes(`${markVariable}=${this.#mark}\0`))
          continue;
        if (readFileSync(`/proc/${pid}/stat`, "latin1").includes(") Z ")) continue;
        found.push(`process ${pid}: ${readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ")}`);
      } catch {
        // It has ended, or is not ours.
      }
    }
    const shared = abandoned(sharedMemoryFiles().filter((path) => !this.#sharedBefore.has(path)));
    return [...found, ...leakedFiles(this.directory), ...shared];
  }

  /** What is left once the time that processes have to notice is over; empty as soon as nothing is. */
  async leftAfter(graceMs: number): Promise<string[]> {
    const deadline = performance.now() + graceMs;
    for (;;) {
      const left = this.left();
      if (left.length === 0 || performance.now() > deadline) return left;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  [Symbol.dispose](): void {
    this.child.kill("SIGKILL");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** "nothing left within 5 s" */
export const graceMs = 5000;
