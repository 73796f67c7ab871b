/** Pending tasks are owed: meanwhile the event loop is kept alive, and what looks after them is called again and again. */
const tickMs = 5;

export class Debts {
  readonly #process: { owed(isOwed: boolean): void };
  readonly #pending: { readonly size: number };
  readonly #tickers: Iterable<() => boolean>;
  #owing = false;
  #ticking = false;

  constructor(
    process: { owed(isOwed: boolean): void },
    pending: { readonly size: number },
    tickers: Iterable<() => boolean>,
  ) {
    this.#process = process;
    this.#pending = pending;
    this.#tickers = tickers;
  }

  begin(): void {
    if (!this.#owing) {
      this.#owing = true;
      this.#process.owed(true);
    }
    if (this.#ticking) return;
    this.#ticking = true;
    setTimeout(this.#tick, tickMs).unref();
  }

  end(): void {
    if (!this.#owing) return;
    this.#owing = false;
    this.#process.owed(false);
  }

  readonly #tick = (): void => {
    let goesOn = this.#pending.size > 0;
    for (const ticker of this.#tickers) if (ticker()) goesOn = true;
    if (!goesOn) this.#ticking = false;
    else setTimeout(this.#tick, tickMs).unref();
  };
}
