import { existsSync } from "node:fs";
import { defineConfig } from "tsup";

const shared = {
  format: "esm",
  target: "node22",
  platform: "node",
  sourcemap: true,
} as const;

/** Processes and threads that never load user code: each is one file, so that starting one reads one file. */
const alone = {
  "agent/bin": "src/agent/bin.ts",
  "agent/cluster-bin": "src/agent/cluster-bin.ts",
  "head/bin": "src/head/bin.ts",
  "supervisor/bin": "src/supervisor/bin.ts",
  tools: "src/tools/index.ts",
  "gateway/bin": "src/mesh/gateway/bin.ts",
  // The agent starts it by its name beside its own file.
  "agent/spill-worker": "src/objects/spill-worker.ts",
};

export default defineConfig([
  // What users import, and the worker, which loads user code that imports the same: they share their classes through one
  // common file, and @iono/core stays a package of its own.
  { ...shared, splitting: true, entry: { index: "src/index.ts", "worker/bin": "src/worker/bin.ts" } },
  {
    ...shared,
    splitting: false,
    entry: Object.fromEntries(Object.entries(alone).filter(([, file]) => existsSync(file))),
    noExternal: ["@iono/core"],
    esbuildOptions(options): void {
      options.conditions = ["iono-source"];
    },
  },
]);
