/** What helper.ts re-exports, and classes that the program extends. */
export class Shape {
  static made = 0;
  readonly sides: number;
  #label = "shape";
  constructor(sides: number) {
    this.sides = sides;
    Shape.made++;
  }
  get label(): string {
    return `${this.#label} of ${this.sides}`;
  }
}

export function area(width: number, height: number): number {
  return width * height;
}
