import { describe, expect, it } from "vitest";
import { PIXELS, squaredNormsOf } from "./mnist.ts";
import { classify, createClassifier, vote } from "./neighbours.ts";

/** A repeatable stream of bytes (Numerical Recipes' linear congruential generator). */
function* bytes(seed: number): Generator<number, never> {
  for (let state = seed; ;) yield (state = (state * 1664525 + 1013904223) >>> 0) >>> 24;
}

describe("vote", () => {
  it("takes the majority, and the nearest of equals", () => {
    expect(vote([7, 1, 1])).toBe(1);
    expect(vote([7, 1, 2])).toBe(7);
    expect(vote([3, 1, 1, 3, 2])).toBe(3);
    expect(vote([5])).toBe(5);
  });
});

describe("classify", () => {
  it("agrees with distances computed one by one", async () => {
    const random = bytes(1);
    const rows = 200;
    const pixels = Float32Array.from({ length: rows * PIXELS }, () => random.next().value);
    const digits = Uint8Array.from({ length: rows }, () => random.next().value % 10);
    const images = Array.from({ length: 7 }, () =>
      Uint8Array.from({ length: PIXELS }, () => random.next().value),
    );
    const k = 5;

    const expected = images.map((image) => {
      const distances = Array.from(digits, (digit, row) => {
        let distance = 0;
        for (let i = 0; i < PIXELS; i++) distance += (image[i] - pixels[row * PIXELS + i]) ** 2;
        return { distance, digit };
      });
      const nearest = distances.toSorted((a, b) => a.distance - b.distance).slice(0, k);
      return vote(nearest.map(({ digit }) => digit));
    });

    const classifier = await createClassifier({ pixels, squaredNorms: squaredNormsOf(pixels), digits });
    expect(await classify(classifier, images, k)).toEqual(expected);
  });
});
