import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostKind } from "./machine.ts";
import { toMarkdown } from "./table.ts";
import type { Report } from "./table.ts";

/**
 * Writes `<date>-<kind of host>.json` and `.md`; a run of the same day and host replaces the former. With a topic:
 * `<date>-<topic>-<kind of host>`.
 */
export function saveReport(
  report: Report,
  folder: string,
  topic?: string,
): { json: string; markdown: string } {
  mkdirSync(folder, { recursive: true });
  const parts = [report.machine.date.slice(0, 10), ...(topic === undefined ? [] : [topic])];
  const base = join(folder, [...parts, hostKind(report.machine)].join("-"));
  const files = { json: `${base}.json`, markdown: `${base}.md` };
  writeFileSync(files.json, `${JSON.stringify(report, null, 2)}\n`);
  writeFileSync(files.markdown, toMarkdown(report));
  return files;
}
