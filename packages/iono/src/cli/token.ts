/** `iono token create|list|revoke`: who may join the cluster whose head runs on this machine. */
import { badOption, formatDuration, IonoError, parseDuration } from "@iono/core";
import type { CommandModule } from "yargs";
import { findProcesses } from "./agents.ts";
import { ask } from "./control-client.ts";
import { printFailure } from "./failure.ts";
import { formatTable } from "./format.ts";

interface TokenOptions {
  readonly action: "create" | "list" | "revoke";
  readonly id?: string;
  readonly role: "node" | "client";
  readonly uses?: number;
  readonly life: string;
  readonly address?: string;
  readonly json: boolean;
  readonly timeout: number;
}

interface ListedToken {
  readonly id: string;
  readonly role: string;
  readonly uses: number | null;
  readonly used: number;
  readonly expiresMs: number;
}

export const tokenCommand: CommandModule<object, TokenOptions> = {
  command: "token <action> [id]",
  describe: "Create, list or revoke the tokens with which machines and programs join",
  builder: (yargs) =>
    yargs
      .positional("action", { choices: ["create", "list", "revoke"] as const, demandOption: true })
      .positional("id", { type: "string", describe: "Of the token to revoke" })
      .option("role", {
        choices: ["node", "client"] as const,
        default: "node" as const,
        describe: "node: machines and programs; client: programs only",
      })
      .option("uses", { type: "number", describe: "How many may join with it [any number]" })
      .option("life", { type: "string", default: "15m", describe: "How long it is good" })
      .option("address", { type: "string", describe: "Of the head, when several run on this machine" })
      .option("json", { type: "boolean", default: false, describe: "Print JSON for programs" })
      .option("timeout", { type: "number", default: 5000, describe: "Milliseconds to wait for the head" })
      .example("$0 token create --role client --life 8h", "for programs, for a day's work")
      .example("$0 token revoke 1f00…", "nobody joins with it any more"),
  handler: async (options) => {
    try {
      await run(options);
    } catch (error) {
      printFailure(error, options.json);
    }
  },
};

interface RunningHead {
  readonly address: string;
  readonly controlPath: string;
}

/** @throws IonoError when there is none, or more than one and it is not said which. */
async function findHead(address: string | undefined, timeoutMs: number): Promise<RunningHead> {
  const asked = findProcesses("head").map(async ({ controlPath }): Promise<RunningHead> => {
    const status = (await ask({ controlPath, timeoutMs }, { kind: "status" })) as { endpoint: string };
    return { address: status.endpoint.replace(/^tcp:/, "iono:"), controlPath };
  });
  const settled = await Promise.allSettled(asked);
  const heads = settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  const known = heads.map((each) => each.address).join(", ");
  if (heads.length === 0) {
    const text = "no head of yours runs on this machine: tokens are made where the head is";
    throw new IonoError("Unreachable", text);
  }
  if (address !== undefined) {
    const chosen = heads.find((each) => each.address === address);
    if (chosen === undefined)
      throw badOption("--address", address, `that of a head on this machine: ${known}`);
    return chosen;
  }
  const [head, another] = heads;
  if (another === undefined) return head;
  throw new IonoError("BadOption", `several heads run on this machine; say which by --address: ${known}`);
}

async function run({ action, id, role, uses, life, address, json, timeout }: TokenOptions): Promise<void> {
  if (action === "revoke" && id === undefined)
    throw new IonoError("BadOption", "iono token revoke takes the id of a token; see iono token list");
  if (action !== "revoke" && id !== undefined)
    throw new IonoError("BadOption", `iono token ${action} takes no id`);
  const lifeMs = parseDuration(life, "--life");
  const { controlPath } = await findHead(address, timeout);
  const where = { controlPath, timeoutMs: timeout };
  if (action === "create") {
    const request = { kind: "token", role, lifeMs, ...(uses === undefined ? {} : { uses }) };
    const made = (await ask(where, request)) as { id: string; token: string; address: string };
    if (json) console.log(JSON.stringify(made));
    else
      console.log(
        role === "client"
          ? `IONO_ADDRESS=${made.address} IONO_TOKEN=${made.token}`
          : `npx iono start --address ${made.address} --token ${made.token}`,
      );
  } else if (action === "list") {
    const { tokens } = (await ask(where, { kind: "tokens" })) as { tokens: ListedToken[] };
    if (json) console.log(JSON.stringify({ tokens }));
    else if (tokens.length === 0) console.log("There are no tokens.");
    else console.log(formatTable([["id", "role", "joins", "good for"], ...tokens.map(tokenRow)]));
  } else {
    const { revoked } = (await ask(where, { kind: "revoke", id })) as { revoked: boolean };
    if (!revoked) throw new IonoError("BadOption", `there is no token ${id}; see iono token list`);
    console.log(json ? JSON.stringify({ revoked }) : `Nobody joins with token ${id} any more.`);
  }
}

function tokenRow({ id, role, uses, used, expiresMs }: ListedToken): string[] {
  const left = expiresMs - Date.now();
  const joins = uses === null ? "any number" : `${used} of ${uses}`;
  return [id, role, joins, left > 0 ? formatDuration(Math.round(left / 1000) * 1000) : "expired"];
}
