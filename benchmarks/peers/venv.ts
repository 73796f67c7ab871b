/** A Python with Ray in it, made on first use and kept: `benchmarks/.venv/ray-<version>`. */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run } from "../outside/run.ts";

/** The Ray that is measured. */
export const RAY_VERSION = "2.60.0";

/** Ray's microbenchmark imports numpy, which `ray[default]` does not bring. */
const NUMPY_VERSION = "2.4.6";

const FOLDER = join(import.meta.dirname, "..", ".venv", `ray-${RAY_VERSION}`);

/**
 * The virtual environment's `python`. Installs Ray from pip when it is not there yet.
 *
 * @throws when there is no `python3` with `venv`, or pip cannot install
 */
export async function rayPython(): Promise<string> {
  const python = join(FOLDER, "bin", "python");
  const finished = join(FOLDER, "bin", "ray");
  if (existsSync(finished)) return python;
  console.log(`Installing Ray ${RAY_VERSION} into ${FOLDER} …`);
  mkdirSync(FOLDER, { recursive: true });
  try {
    await run({ argv: ["python3", "-m", "venv", "--clear", FOLDER], cwd: FOLDER });
    const packages = [`ray[default]==${RAY_VERSION}`, `numpy==${NUMPY_VERSION}`];
    await run({ argv: [python, "-m", "pip", "install", "--quiet", ...packages], cwd: FOLDER });
  } catch (error) {
    rmSync(FOLDER, { recursive: true, force: true }); // half of it would look like all of it
    throw error;
  }
  return python;
}
