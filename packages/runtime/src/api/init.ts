/** `init`, `shutdown` and what asks about the cluster. */
import { compileInitOptions, IonoError, localInitOptions, type InitOptions } from "@iono/core";
import { Driver } from "../driver/driver.ts";
import { InlineRuntime } from "../driver/inline.ts";
import { machineTotals } from "../driver/machine.ts";
import type { Member } from "../member/member.ts";
import { memberIfAny, setMember, setStarter } from "./runtime.ts";

/** A started runtime: `await using cluster = await init()` shuts it down at the end of its block. */
export interface Cluster {
  shutdown(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

interface Running {
  readonly member: Member;
  /** Resolves when it is up. */
  whenReady(): Promise<void>;
  shutdown(): Promise<void>;
}

let running: Running | null = null;

/**
 * Starts a local cluster. Implied by the first `.remote()`; call it to give options.
 * @throws IonoError BadOption; NotInitialized when a runtime is there already.
 */
export async function init(options?: InitOptions): Promise<Cluster> {
  if (memberIfAny() !== null) {
    throw new IonoError(
      "BadOption",
      running === null
        ? "init() is for the program, not for tasks"
        : "init() was called already; shutdown() first",
    );
  }
  const started = start(options);
  await started.whenReady();
  return { shutdown, [Symbol.asyncDispose]: shutdown };
}

/** `IONO_ADDRESS` and `IONO_TOKEN` stand in for options that are not given. */
function withEnvironment(options: InitOptions = {}): InitOptions {
  const { IONO_ADDRESS: address, IONO_TOKEN: token } = process.env;
  if (options.inline === true || options.address !== undefined || address === undefined || address === "")
    return options;
  const given: InitOptions = { ...options };
  const unused = localInitOptions.filter((name) => options[name] !== undefined);
  // The program is as it was written for one machine; where it runs now is for its environment to say.
  for (const name of unused) delete given[name];
  if (unused.length > 0)
    process.emitWarning(`IONO_ADDRESS is set: ${unused.join(", ")} of init() have no effect`, "IonoWarning");
  return { address, ...(token === undefined ? {} : { token }), ...given };
}

function start(options?: InitOptions): Running {
  const compiled = compileInitOptions(withEnvironment(options), machineTotals());
  running = compiled.inline ? new InlineRuntime(compiled) : new Driver(compiled);
  setMember(running.member, null);
  return running;
}

setStarter(() => start().member);

/** Ends the local cluster; pending refs fail with ShutDown. Harmless when nothing runs. */
export async function shutdown(): Promise<void> {
  const ending = running;
  running = null;
  if (ending === null) return;
  await ending.shutdown();
}
