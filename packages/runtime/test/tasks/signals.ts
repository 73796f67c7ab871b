/** Signals between a test and its tasks, as files: seen by any process, also by one whose thread is busy. */
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder for the signals of one test file; pass its name to tasks. */
export function signalFolder(): string {
  return mkdtempSync(join(tmpdir(), "iono-signals-"));
}

export function removeSignals(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

export function raise(folder: string, name: string): void {
  writeFileSync(join(folder, name), "");
}

export function raised(folder: string, name: string): boolean {
  return existsSync(join(folder, name));
}

/** Resolves once the signal was raised. */
export async function signal(folder: string, name: string): Promise<void> {
  while (!raised(folder, name)) await new Promise((resolve) => setTimeout(resolve, 3));
}

/** Keeps the thread busy until the signal was raised. */
export function spinUntil(folder: string, name: string): void {
  while (!raised(folder, name));
}

/** Adds a line to a list that all processes share. */
export function note(folder: string, list: string, line: string): void {
  appendFileSync(join(folder, list), `${line}\n`);
}

export function notes(folder: string, list: string): string[] {
  if (!raised(folder, list)) return [];
  return readFileSync(join(folder, list), "utf8").split("\n").slice(0, -1);
}

/** Resolves once the condition holds. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 3));
}

/** What a promise is rejected with. */
export async function rejection(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; remote?: Record<string, unknown> }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it was not rejected");
}
