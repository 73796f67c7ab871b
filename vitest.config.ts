import { defineConfig } from "vitest/config";

/** In the workspace packages resolve to their source; see `exports` in their package.json. */
const conditions = ["iono-source", "node", "import", "module", "default"];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: [
      "packages/*/src/**/*.test.ts",
      "packages/*/test/**/*.test.ts",
      "docs/**/*.test.ts",
      "scripts/**/*.test.ts",
      "benchmarks/**/*.test.ts",
    ],
    pool: "forks",
    maxWorkers: 2,
    execArgv: ["--conditions=iono-source"],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 20_000,
    globalSetup: "packages/testing/src/leaks-setup.ts",
    setupFiles: "packages/testing/src/leaks-file.ts",
  },
});
