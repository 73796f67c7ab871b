/** What a machine says of itself when it joins, read strictly: it may say anything. */
import { parseLabels, sanitizeResources, type NodeReport } from "@iono/core";

const mostChars = 256;

/** Undefined when it is no report. */
export function readNodeReport(value: unknown): NodeReport | undefined {
  if (value === null || typeof value !== "object") return undefined;
  const given = value as Record<string, unknown>;
  const { kind, pid, resources, labels } = given;
  if (kind !== "node" && kind !== "driver") return undefined;
  const texts: Record<string, string> = {};
  for (const field of ["name", "endpoint", "hostId", "hostname", "version"]) {
    const text = given[field];
    if (typeof text !== "string" || text.length > mostChars) return undefined;
    texts[field] = text;
  }
  if (!Number.isSafeInteger(pid)) return undefined;
  try {
    return {
      name: texts["name"],
      endpoint: texts["endpoint"],
      hostId: texts["hostId"],
      hostname: texts["hostname"],
      version: texts["version"],
      kind,
      pid: pid as number,
      resources: sanitizeResources(resources),
      labels: parseLabels(labels ?? {}, "labels"),
    };
  } catch {
    return undefined;
  }
}
