/** One row of the table: something that is done over and over for a while, and how many units each time does. */
export interface Row {
  /** Ray's name for it, without "(Plasma Store)". */
  name: string;
  /** What is counted: calls, tasks, gigabytes, … */
  unit: string;
  /** Units that one `once` does. */
  units: number;
  /** Makes what the row needs; its time is not counted. */
  prepare(): Prepared | Promise<Prepared>;
}

/** A row that is ready to be timed. */
export interface Prepared {
  once(): unknown;
  /** Lets go of what `prepare` made. */
  close?(): void;
}

/** What one row measured. */
export interface Measured {
  name: string;
  unit: string;
  /** Units a second over the windows: mean and standard deviation. */
  mean: number;
  sd: number;
}

/** A row that did not get that far. */
export interface Failed {
  name: string;
  error: string;
}
