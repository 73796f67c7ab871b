/** Where a head answers those who want to join: keeps the tokens, checks the proofs, and asks the head for its welcome. */
import {
  badOption,
  defaultTokenMs,
  formatDuration,
  IonoError,
  maxTokens,
  maxTokenUses,
  TokenMachine,
  type JoinRole,
  type TokenRecord,
  type TokenRefusal,
} from "@iono/core";
import { randomBytes } from "node:crypto";
import {
  packJoinAnswer,
  provesJoin,
  readJoin,
  type JoinAnswer,
  type JoinRequest,
  type Welcome,
} from "./join-messages.ts";
import { formatJoinToken, hashTokenSecret } from "./join-token.ts";

export interface Joiner {
  readonly role: JoinRole;
  /** Z85. */
  readonly publicKey: string;
  /** What it says of itself: not to be believed, and of any shape. */
  readonly info: object;
  /** The key has joined with this token before: its answer got lost, or the machine joins anew. */
  readonly isRepeat: boolean;
}

export type JoinWelcome = Omit<Welcome, "serverPublicKey">;

export interface JoinDeskOptions {
  readonly version: string;
  /** Z85, of the head's gateway. */
  readonly serverPublicKey: string;
  /** Gives the machine its number, and allows its key at the gateway. An IonoError it throws refuses the machine. */
  welcome(joiner: Joiner): Promise<JoinWelcome>;
  /** Tokens of an earlier life of this head. */
  readonly tokens?: readonly TokenRecord[];
  /** Tokens have changed: keep them. */
  readonly onChange?: () => void;
  readonly now?: () => number;
}

export interface NewToken {
  /** Default node: good for nodes and clients. */
  readonly role?: JoinRole;
  /** How many machines may join with it; default any number. */
  readonly uses?: number;
  /** Default 15 minutes; `Infinity`: until it is withdrawn. */
  readonly lifeMs?: number;
}

export interface MadeToken {
  readonly id: string;
  readonly expiresMs: number;
  /** For `--token`: shown once, kept nowhere. */
  readonly token: string;
}

/** Answers that are given again when the same request comes again. */
const keptAnswers = 128;

export class JoinDesk {
  readonly #options: JoinDeskOptions;
  readonly #tokens: TokenMachine;
  readonly #now: () => number;
  readonly #answers = new Map<string, Promise<Buffer>>();

  constructor(options: JoinDeskOptions) {
    this.#options = options;
    this.#tokens = new TokenMachine(options.tokens);
    this.#now = options.now ?? Date.now;
  }

  /** For the head's journal: without secrets. */
  tokens(): TokenRecord[] {
    return this.#tokens.records();
  }

  /** @throws IonoError BadOption. */
  createToken(
    joinPort: number,
    { role = "node", uses = Number.POSITIVE_INFINITY, lifeMs = defaultTokenMs }: NewToken = {},
  ): MadeToken {
    if (uses !== Number.POSITIVE_INFINITY && !(Number.isInteger(uses) && uses >= 1 && uses <= maxTokenUses))
      throw badOption("uses", uses, `a whole number from 1 to ${maxTokenUses}`);
    if (!(lifeMs > 0)) throw badOption("lifeMs", lifeMs, "a time above 0");
    const id = randomBytes(6).toString("hex");
    const secret = randomBytes(24).toString("base64url");
    const nowMs = this.#now();
    const expiresMs = nowMs + lifeMs;
    if (!this.#tokens.create({ id, hash: hashTokenSecret(secret), role, uses, expiresMs }, nowMs))
      throw new IonoError("BadOption", `there are ${maxTokens} tokens that have not expired; withdraw some`);
    this.#options.onChange?.();
    const { serverPublicKey } = this.#options;
    return { id, expiresMs, token: formatJoinToken({ serverPublicKey, joinPort, tokenId: id, secret }) };
  }

  withdraw(id: string): boolean {
    const isKnown = this.#tokens.withdraw(id);
    if (isKnown) this.#options.onChange?.();
    return isKnown;
  }

  /** For `GatewayClient.onJoin`. Undefined when it is no request; never rejects. */
  async answer(bytes: Buffer): Promise<Buffer | undefined> {
    const request = readJoin(bytes);
    if (request === undefined) return undefined;
    const hash = this.#tokens.hashOf(request.tokenId);
    // Without such a token a proof is checked all the same: how long it takes tells nothing.
    const isProved = provesJoin(bytes, hash ?? "00".repeat(32), this.#options.serverPublicKey);
    const isGenuine = hash !== undefined && isProved;
    if (!isGenuine) return packJoinAnswer(await this.#decide(request, false));
    const key = `${request.publicKey} ${request.tokenId} ${request.nonce}`;
    const before = this.#answers.get(key);
    if (before !== undefined) return before;
    const answer = this.#decide(request, true).then(packJoinAnswer);
    this.#answers.set(key, answer);
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= keptAnswers) break;
      this.#answers.delete(oldest);
    }
    return answer;
  }

  async #decide(
    { tokenId, role, publicKey, version, info }: JoinRequest,
    isGenuine: boolean,
  ): Promise<JoinAnswer> {
    if (isGenuine && version !== this.#options.version) {
      return {
        isWelcome: false,
        code: "VersionMismatch",
        message: `the cluster runs iono ${this.#options.version}, this machine ${version}`,
      };
    }
    const nowMs = this.#now();
    const redemption = this.#tokens.redeem({ id: tokenId, isGenuine, role, publicKey, nowMs });
    if (redemption.type === "refused")
      return refuse(reasonOf(redemption.refusal, nowMs - redemption.atMs, role));
    if (!redemption.isRepeat) this.#options.onChange?.();
    try {
      const welcome = await this.#options.welcome({ role, publicKey, info, isRepeat: redemption.isRepeat });
      return { isWelcome: true, ...welcome };
    } catch (error) {
      // What went wrong inside the head is not for a machine outside.
      return refuse(error instanceof IonoError ? error.message : "the head could not take the machine in");
    }
  }
}

function refuse(message: string): JoinAnswer {
  return { isWelcome: false, code: "JoinRefused", message };
}

function reasonOf(refusal: TokenRefusal, sinceMs: number, role: JoinRole): string {
  switch (refusal) {
    case "wrong":
      return "the head does not know this token: it was withdrawn, or is of another cluster";
    case "expired":
      return `the token expired ${formatDuration(Math.max(1, Math.round(sinceMs / 1000)) * 1000)} ago`;
    case "usedUp":
      return "the token has been used as often as it may be";
    case "wrongRole":
      return `the token is not for joining as a ${role}`;
  }
}
