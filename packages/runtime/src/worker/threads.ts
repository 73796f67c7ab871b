/**
 * How many threads numeric libraries may use in this process. With a worker for every CPU, a library that starts a
 * thread for every CPU slows everything down: a task gets as many as it asked CPUs for. Libraries read the variables
 * when they are loaded; what the program set itself stays.
 */

const threadVariables = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"];

/** Set for workers: the variables above that the program had set itself. */
const keptVariable = "IONO_KEPT_THREADS";

/** What a worker's environment has beside the program's own. */
export function threadEnvironment(): Record<string, string> {
  const kept = threadVariables.filter((name) => process.env[name] !== undefined);
  const env: Record<string, string> = { [keptVariable]: kept.join(",") };
  for (const name of threadVariables) env[name] = process.env[name] ?? "1";
  // Node's own pool: files, DNS and compression.
  env["UV_THREADPOOL_SIZE"] = process.env["UV_THREADPOOL_SIZE"] ?? "4";
  return env;
}

/** Sets the number for what runs next, in a process that was started with `threadEnvironment`. */
export class ThreadSetting {
  readonly #names: readonly string[];

  constructor() {
    const kept = process.env[keptVariable]?.split(",") ?? [];
    delete process.env[keptVariable];
    this.#names = threadVariables.filter((name) => !kept.includes(name));
  }

  set(count: number): void {
    for (const name of this.#names) process.env[name] = String(count);
  }
}
