/** Flags of the form `name=value`. */
import { IonoError } from "@iono/core";

/** @throws IonoError BadOption that names the flag and the entry. */
export function parseEntries<T extends string | number>(
  entries: readonly string[],
  flag: string,
  what: "number" | "value",
  read: (text: string) => T,
): Record<string, T> {
  const found: Record<string, T> = {};
  for (const entry of entries) {
    const at = entry.indexOf("=");
    const value = at < 1 || at === entry.length - 1 ? undefined : read(entry.slice(at + 1));
    if (value === undefined || Number.isNaN(value))
      throw new IonoError("BadOption", `${flag} ${entry}: it takes name=${what}`);
    found[entry.slice(0, at)] = value;
  }
  return found;
}
