/** What `iono start` tells the supervisor, complete: passed in the environment variable `IONO_BOOT`. */
import type { Labels, ResourceVector } from "@iono/core";
import type { CurveKeys } from "../mesh/keys.ts";

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
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Where others dial; "" for the bound address. `host` or `host:port`. */
  readonly advertise: string;
  readonly keys: CurveKeys;
}

export interface SupervisorOptions {
  readonly version: string;
  /** Set for a head. */
  readonly head: { readonly joinPort: number; readonly tokenMs: number } | null;
  /** Set for a node that joins. */
  readonly join: { readonly address: string; readonly token: string } | null;
  /** Null for a node that only dials. */
  readonly listen: ListenOptions | null;
  readonly node: NodeOptions;
  /** Directory where packages of workers are found, and where relative paths of the node start. */
  readonly directory: string;
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
