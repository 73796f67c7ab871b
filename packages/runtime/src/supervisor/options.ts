/** What `iono start` tells the supervisor, complete: passed in the environment variable `IONO_BOOT`. */
import type { InitOptions, Labels, ResourceVector } from "@iono/core";

/** What an agent is told of its node. */
export interface NodeOptions {
  /** "": the head finds one. */
  readonly name: string;
  readonly resources: ResourceVector;
  readonly labels: Labels;
  readonly objectStoreBytes: number;
  readonly spillDir: string;
  readonly maxWorkers: number;
}

export interface ListenOptions {
  /** IP address of this machine; `0.0.0.0` or `::` for all. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Where others dial, `host` or `host:port`; "" for the bound address. */
  readonly advertise: string;
  /** Directory of the keys; "" makes some that are kept in memory: on loopback only. */
  readonly keys: string;
}

export interface StartRequest {
  /** Set for a head. `joinPort` 0: any free one. */
  readonly head: { readonly joinPort: number; readonly tokenMs: number } | null;
  /** Set for a node that joins. */
  readonly join: { readonly address: string; readonly token: string } | null;
  /** Null for a node that only dials. */
  readonly listen: ListenOptions | null;
  readonly name: string;
  readonly node: Pick<
    InitOptions,
    "numCpus" | "numGpus" | "resources" | "labels" | "objectStore" | "spillDir" | "maxWorkers"
  >;
  /** Directory where packages of workers are found, and where relative paths of the node start. */
  readonly directory: string;
}

export interface SupervisorOptions extends StartRequest {
  /** The process that it ends with; 0: it lives on without who started it. */
  readonly parentPid: number;
}

/** What the supervisor says to who started it, one JSON line each on descriptor 3. */
export type StartReport =
  | {
      readonly t: "started";
      readonly node: number;
      readonly name: string;
      /** For a head: how others join. */
      readonly address: string;
      readonly token: string;
      readonly pid: number;
    }
  | { readonly t: "failed"; readonly code: string; readonly message: string };

export function readSupervisorOptions(): SupervisorOptions {
  const text = process.env["IONO_BOOT"];
  delete process.env["IONO_BOOT"];
  if (text === undefined) throw new Error("a supervisor is started by `iono start`, not by hand");
  return JSON.parse(text) as SupervisorOptions;
}
