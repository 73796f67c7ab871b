/**
 * Reads the real MNIST, puts its 60,000 training images into the object store once, and classifies the
 * 10,000 test images by their nearest neighbours on all cores. Every worker reads the training set in
 * place: the matrix product runs on the shared memory itself.
 */
import { map, put } from "iono";
import { readTestSet, readTrainingSet } from "./mnist.ts";
import { nearestDigits } from "./neighbours.ts";
import { parseOptions } from "./options.ts";
import { printReport, summarize } from "./report.ts";

const { k, limit, batch, json } = parseOptions(process.argv.slice(2));

const trainingSet = readTrainingSet();
const test = readTestSet(limit);
const training = put(trainingSet);

const started = performance.now();
const answers = await map(test.images, (images: Uint8Array[]) => nearestDigits(training, images, k), {
  batch,
  progress: true,
}).toArray();

const summary = summarize({
  k,
  trainingSet,
  test,
  answers,
  classifyMs: performance.now() - started,
  totalMs: performance.now(), // counted from the start of the process
});
if (json) console.log(JSON.stringify(summary, null, 2));
else printReport(summary);
