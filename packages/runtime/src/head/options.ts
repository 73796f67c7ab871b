/** What the supervisor tells the head at its start, complete: passed in the environment variable `IONO_BOOT`. */
import type { CurveKeys } from "../mesh/keys.ts";

export interface HeadProcessOptions {
  readonly supervisorPid: number;
  /** Of the head; its gateway uses the same. */
  readonly keys: CurveKeys;
  /** `host:port` of the gateway, as others dial it. */
  readonly endpoint: string;
  /** Everybody is to dial there; else each node dials where it joined. */
  readonly isAdvertised: boolean;
  readonly joinPort: number;
  readonly gateway: { readonly path: string; readonly secret: string };
  /** Life of the token that is printed at the start. */
  readonly tokenMs: number;
}

export function readHeadOptions(): HeadProcessOptions {
  const text = process.env["IONO_BOOT"];
  delete process.env["IONO_BOOT"];
  if (text === undefined) throw new Error("a head is started by a supervisor, not by hand");
  return JSON.parse(text) as HeadProcessOptions;
}
