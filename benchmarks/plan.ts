/** How one round of measurements is to be done. */
export interface Plan {
  /** A folder for what the measured programs write. */
  folder: string;
  /** Rounds count from 1. */
  round: number;
  /** Parts of names; empty: all. */
  only: string[];
  /** Shorter, and not for the record. */
  quick: boolean;
  /** How long each row lets the machine settle before it warms up. */
  settleSeconds: number;
}
