import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Whether it names a file by its whole place. */
export function isAbsolute(specifier: string): boolean {
  return specifier.startsWith("file:") || specifier.startsWith("/");
}

export function absoluteUrl(specifier: string): string {
  return specifier.startsWith("/") ? pathToFileURL(specifier).href : specifier;
}

/** URL of the folder that holds a file, with a final slash. */
export function folderOf(url: string): string {
  return URL.parse(".", url)?.href ?? url;
}

/** Query and fragment of a specifier, which tell instances of one module apart. */
export function suffixOf(specifier: string): string {
  return /^(?:file:|\.{1,2}\/)/.test(specifier) ? (/[?#].*$/.exec(specifier)?.[0] ?? "") : "";
}

/** Whether there is something at this URL on this machine. */
export function isHere(url: string): boolean {
  try {
    return existsSync(fileURLToPath(url));
  } catch {
    return false; // no path of this machine
  }
}
