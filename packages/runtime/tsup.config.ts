import { existsSync } from "node:fs";
import { defineConfig } from "tsup";

const shared = {
  format: "esm",
  target: "node22",
  platform: "node",
  sourcemap: true,
  splitting: false,
} as const;

/** Processes that get spawned, and threads: each is one file, so that starting one reads one file. */
const spawned = {
  "worker/bin": "src/worker/bin.ts",
  "agent/bin": "src/agent/bin.ts",
  // The agent starts it by its name beside its own file.
  "agent/spill-worker": "src/objects/spill-worker.ts",
};

export default defineConfig(
  [
    // What users import. @iono/core stays a package of its own, so that its classes are the same by either way.
    { ...shared, entry: { index: "src/index.ts" } },
    {
      ...shared,
      entry: Object.fromEntries(Object.entries(spawned).filter(([, file]) => existsSync(file))),
      noExternal: ["@iono/core"],
      esbuildOptions(options): void {
        options.conditions = ["iono-source"];
      },
    },
  ].filter((config) => Object.keys(config.entry).length > 0),
);
