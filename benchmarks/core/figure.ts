/** One figure that is no rate of Ray's microbenchmark. */
export interface Figure {
  name: string;
  value: number;
  unit: string;
  /** What else one should know to read it. */
  note?: string;
}

/** The middle value; the mean of the two middle ones. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** `min / median / max`, for a note. */
export function spread(values: number[], digits: number): string {
  const parts = [Math.min(...values), median(values), Math.max(...values)];
  return `${parts.map((value) => value.toFixed(digits)).join(" / ")} of ${values.length}`;
}
