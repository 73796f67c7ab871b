/**
 * Tokens with which machines join: who may still use which. A token's secret is kept as its hash only; the hash is the
 * key with which a joining machine proves that it knows the secret.
 *
 * - (T1) a token is used at most `uses` times, each time by another key: a key that comes again does not count again;
 * - (T2) after its expiry, or when it is withdrawn, nobody joins with it, those who joined before neither;
 * - (T3) at most `maxTokens` are kept; expired ones go first, with some time in which it is still said that they expired.
 *
 * Times are in ms of the wall clock of the head, and of it alone.
 */

/** What whoever joins becomes. A token for nodes is good for clients too. */
export type JoinRole = "node" | "client";

export interface TokenRecord {
  readonly id: string;
  /** Of the secret, in hex. */
  readonly hash: string;
  readonly role: JoinRole;
  /** `Infinity` without a limit. */
  readonly uses: number;
  readonly expiresMs: number;
  /** Public keys that have used it; empty when uses are not limited. */
  readonly usedBy: readonly string[];
}

export type TokenRefusal =
  /** No such token, or a wrong secret: which of the two is not said. */
  "wrong" | "expired" | "usedUp" | "wrongRole";

export type Redemption =
  | { readonly type: "accepted"; readonly isRepeat: boolean }
  | { readonly type: "refused"; readonly refusal: TokenRefusal; readonly atMs: number };

export interface TokenClaim {
  readonly id: string;
  /** The proof was made with the token's hash. */
  readonly isGenuine: boolean;
  readonly role: JoinRole;
  /** Of whoever joins. */
  readonly publicKey: string;
  readonly nowMs: number;
}

export const maxTokens = 10_000;
/** How long it is remembered that a token has expired. */
export const expiredTokenKeptMs = 24 * 60 * 60 * 1000;
export const defaultTokenMs = 15 * 60 * 1000;
export const maxTokenUses = 100_000;

interface Token {
  readonly id: string;
  readonly hash: string;
  readonly role: JoinRole;
  readonly uses: number;
  readonly expiresMs: number;
  readonly usedBy: Set<string>;
}

export class TokenMachine {
  readonly #tokens = new Map<string, Token>();

  /** With what `records()` gave. */
  constructor(records: readonly TokenRecord[] = []) {
    for (const each of records) this.#tokens.set(each.id, { ...each, usedBy: new Set(each.usedBy) });
  }

  get size(): number {
    return this.#tokens.size;
  }

  /** What to keep so that a head that restarts knows its tokens. */
  records(): TokenRecord[] {
    return Array.from(this.#tokens.values(), (each) => ({ ...each, usedBy: [...each.usedBy] }));
  }

  /** False when there are too many tokens. @throws RangeError for uses that are no positive whole number or `Infinity`. */
  create(token: Omit<TokenRecord, "usedBy">, nowMs: number): boolean {
    const { uses, id } = token;
    if (!(uses === Number.POSITIVE_INFINITY || (Number.isInteger(uses) && uses > 0 && uses <= maxTokenUses)))
      throw new RangeError(`uses of a token: ${uses}`);
    if (this.#tokens.has(id)) throw new RangeError(`there is a token ${id}`);
    this.#forget(nowMs);
    if (this.#tokens.size >= maxTokens) return false;
    this.#tokens.set(id, { ...token, usedBy: new Set() });
    return true;
  }

  /** False when there is no such token. */
  withdraw(id: string): boolean {
    return this.#tokens.delete(id);
  }

  /** With what a proof is checked. */
  hashOf(id: string): string | undefined {
    return this.#tokens.get(id)?.hash;
  }

  redeem({ id, isGenuine, role, publicKey, nowMs }: TokenClaim): Redemption {
    const token = this.#tokens.get(id);
    // Nothing is told of a token to those who do not know its secret.
    if (token === undefined || !isGenuine) return refuse("wrong", nowMs);
    if (nowMs >= token.expiresMs) return refuse("expired", token.expiresMs);
    if (token.role !== role && token.role !== "node") return refuse("wrongRole", nowMs);
    if (token.usedBy.has(publicKey)) return { type: "accepted", isRepeat: true };
    if (token.usedBy.size >= token.uses) return refuse("usedUp", nowMs);
    if (Number.isFinite(token.uses)) token.usedBy.add(publicKey);
    return { type: "accepted", isRepeat: false };
  }

  /** @throws Error naming the rule that is broken. */
  check(): void {
    if (this.#tokens.size > maxTokens) throw new Error("T3: too many tokens");
    for (const { id, usedBy, uses } of this.#tokens.values())
      if (usedBy.size > uses) throw new Error(`T1: token ${id} was used ${usedBy.size} times of ${uses}`);
  }

  #forget(nowMs: number): void {
    const isFull = this.#tokens.size >= maxTokens;
    for (const [id, { expiresMs }] of this.#tokens)
      if (nowMs - expiresMs > expiredTokenKeptMs || (isFull && nowMs >= expiresMs)) this.#tokens.delete(id);
  }
}

function refuse(refusal: TokenRefusal, atMs: number): Redemption {
  return { type: "refused", refusal, atMs };
}
