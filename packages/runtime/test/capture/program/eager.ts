/** Submits work while it is imported: allowed in the driver, refused in a worker. */
import { remote } from "iono";

const nothing = remote((): number => 0);
let outcome = "submitted";
try {
  nothing.remote();
} catch (error) {
  outcome = (error as { code: string }).code;
}

export function importOutcome(): string {
  return outcome;
}
