/** What a gateway is told at its start, complete: passed in the environment variable `IONO_BOOT`. */
import type { CurveKeys } from "../keys.ts";

export interface GatewayOptions {
  readonly version: string;
  readonly parentPid: number;
  /** Address to listen at: an IP address of this machine, or `0.0.0.0` or `::` for all. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** 0: any free one; null: nobody joins here. */
  readonly joinPort: number | null;
  readonly keys: CurveKeys;
  /** Local processes prove with it that they belong to the node. */
  readonly secret: string;
  /** Above it the gateway ends, and is started anew: what its peers hold up there is given up. */
  readonly maxMemoryBytes: number;
}

export function readGatewayOptions(): GatewayOptions {
  const text = process.env["IONO_BOOT"];
  delete process.env["IONO_BOOT"];
  if (text === undefined) throw new Error("a gateway is started by a head or an agent, not by hand");
  return JSON.parse(text) as GatewayOptions;
}
