/**
 * Borrowing of refs that are pending when they leave their owner (refs that have their value take it along).
 *
 *   borrower  --watch-->  owner          once, when the ref arrives
 *   owner     --noted-->  borrower       the owner keeps the ref from now on: the borrower may answer its sender
 *   owner     --answer--> borrower       when the ref has its outcome
 *   borrower  --done-->   owner          the borrower holds the outcome itself (its block is pinned for it)
 *
 * The sender keeps what it sent until the receiver has answered it, and the receiver answers only when all its watches
 * are noted: so from the sending on, the ref always has a holder. Every message may come twice; the end of a process
 * ends what it lent and what it borrowed.
 *
 * Rules kept by `check()` of the lender: (B1) a ref is kept exactly while someone borrows it; (B2) a borrower is answered
 * once, and only when the ref is settled. Of the borrower: (B3) a ref is waited for until its outcome or the end of its
 * owner, never longer; (B4) what is not noted holds back the answer to its sender.
 */

/** A process of the cluster; numbers are never reused. */
type Process = number;
/** A ref's sequence within its owner. */
type Sequence = number;

export type LenderEvent =
  | {
      readonly type: "watch";
      readonly ref: Sequence;
      readonly borrower: Process;
      readonly state: "unknown" | "pending" | "settled";
    }
  | { readonly type: "settled"; readonly ref: Sequence }
  | { readonly type: "done"; readonly ref: Sequence; readonly borrower: Process }
  | { readonly type: "borrower ended"; readonly borrower: Process };

export type LenderInstruction =
  | { readonly type: "noted"; readonly ref: Sequence; readonly borrower: Process }
  | { readonly type: "answer"; readonly ref: Sequence; readonly borrower: Process }
  | { readonly type: "unknown"; readonly ref: Sequence; readonly borrower: Process }
  /** Hold the ref, whatever its own process does with it. */
  | { readonly type: "keep"; readonly ref: Sequence }
  | { readonly type: "let go"; readonly ref: Sequence };

interface Loan {
  settled: boolean;
  readonly borrowers: Set<Process>;
}

/** The owner's side. */
export class Lender {
  readonly #loans = new Map<Sequence, Loan>();

  handle(event: LenderEvent): LenderInstruction[] {
    switch (event.type) {
      case "watch":
        return this.#watch(event.ref, event.borrower, event.state);
      case "settled":
        return this.#settled(event.ref);
      case "done":
        return this.#done(event.ref, event.borrower);
      case "borrower ended":
        return [...this.#loans.keys()].flatMap((ref) => this.#done(ref, event.borrower));
    }
  }

  get loans(): number {
    return this.#loans.size;
  }

  borrows(ref: Sequence, borrower: Process): boolean {
    return this.#loans.get(ref)?.borrowers.has(borrower) === true;
  }

  check(): void {
    for (const [ref, loan] of this.#loans)
      if (loan.borrowers.size === 0) throw new Error(`B1: ref ${ref} is kept for nobody`);
  }

  #watch(ref: Sequence, borrower: Process, state: "unknown" | "pending" | "settled"): LenderInstruction[] {
    if (state === "unknown") return [{ type: "unknown", ref, borrower }];
    const out: LenderInstruction[] = [];
    let loan = this.#loans.get(ref);
    if (loan === undefined) {
      this.#loans.set(ref, (loan = { settled: state === "settled", borrowers: new Set() }));
      out.push({ type: "keep", ref });
    }
    loan.borrowers.add(borrower);
    loan.settled ||= state === "settled";
    out.push({ type: loan.settled ? "answer" : "noted", ref, borrower });
    return out;
  }

  #settled(ref: Sequence): LenderInstruction[] {
    const loan = this.#loans.get(ref);
    if (loan === undefined || loan.settled) return [];
    loan.settled = true;
    return [...loan.borrowers].map((borrower) => ({ type: "answer", ref, borrower }));
  }

  #done(ref: Sequence, borrower: Process): LenderInstruction[] {
    const loan = this.#loans.get(ref);
    if (loan === undefined || !loan.borrowers.delete(borrower) || loan.borrowers.size > 0) return [];
    this.#loans.delete(ref);
    return [{ type: "let go", ref }];
  }
}

export type BorrowerEvent =
  | { readonly type: "arrived"; readonly owner: Process; readonly ref: Sequence }
  | { readonly type: "noted"; readonly owner: Process; readonly ref: Sequence }
  /** The outcome, or `known: false`: the owner has no such ref. */
  | { readonly type: "answered"; readonly owner: Process; readonly ref: Sequence; readonly known: boolean }
  | { readonly type: "owner ended"; readonly owner: Process };

export type BorrowerInstruction =
  | { readonly type: "watch"; readonly owner: Process; readonly ref: Sequence }
  /** Take the outcome that came with the answer, then tell the owner. */
  | { readonly type: "take"; readonly owner: Process; readonly ref: Sequence }
  | {
      readonly type: "lost";
      readonly owner: Process;
      readonly ref: Sequence;
      readonly why: "owner ended" | "unknown";
    }
  /** Nothing is unnoted any more: held-back answers may go out. */
  | { readonly type: "all noted" };

/** The borrower's side. */
export class Borrower {
  /** Refs waited for, and whether their owner has noted it. */
  readonly #waiting = new Map<string, { readonly owner: Process; readonly ref: Sequence; noted: boolean }>();
  #unnoted = 0;

  handle(event: BorrowerEvent): BorrowerInstruction[] {
    switch (event.type) {
      case "arrived": {
        const key = keyOf(event.owner, event.ref);
        if (this.#waiting.has(key)) return [];
        this.#waiting.set(key, { owner: event.owner, ref: event.ref, noted: false });
        this.#unnoted++;
        return [{ type: "watch", owner: event.owner, ref: event.ref }];
      }
      case "noted":
        return this.#note(keyOf(event.owner, event.ref));
      case "answered": {
        const { owner, ref, known } = event;
        const key = keyOf(owner, ref);
        if (!this.#waiting.has(key)) return [];
        const noted = this.#note(key);
        this.#waiting.delete(key);
        return [
          known ? { type: "take", owner, ref } : { type: "lost", owner, ref, why: "unknown" },
          ...noted,
        ];
      }
      case "owner ended": {
        const out: BorrowerInstruction[] = [];
        const noted: BorrowerInstruction[] = [];
        for (const [key, { owner, ref }] of this.#waiting) {
          if (owner !== event.owner) continue;
          noted.push(...this.#note(key));
          this.#waiting.delete(key);
          out.push({ type: "lost", owner, ref, why: "owner ended" });
        }
        return [...out, ...noted];
      }
    }
  }

  /** Watches that their owners have not noted. */
  get unnoted(): number {
    return this.#unnoted;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  check(): void {
    let unnoted = 0;
    for (const each of this.#waiting.values()) if (!each.noted) unnoted++;
    if (unnoted !== this.#unnoted)
      throw new Error(`B4: ${unnoted} watches are not noted, ${this.#unnoted} are counted`);
  }

  #note(key: string): BorrowerInstruction[] {
    const waiting = this.#waiting.get(key);
    if (waiting === undefined || waiting.noted) return [];
    waiting.noted = true;
    return --this.#unnoted === 0 ? [{ type: "all noted" }] : [];
  }
}

function keyOf(owner: Process, ref: Sequence): string {
  return `${owner}-${ref}`;
}
