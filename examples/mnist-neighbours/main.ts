/**
 * Reads the real MNIST, puts its 60,000 training images into the object store once, and classifies the
 * 10,000 test images by their nearest neighbours on all cores of all nodes. Every worker reads the training
 * set in place: the matrix product runs on the shared memory of its node itself.
 */
import { init, map, nodes, put, shutdown } from "iono";
import { readTestSet, readTrainingSet } from "./mnist.ts";
import { nearestDigits } from "./neighbours.ts";
import { startNodes } from "./nodes.ts";
import { parseOptions } from "./options.ts";
import { printReport, summarize } from "./report.ts";

const { k, limit, batch, json, nodes: count, address, token } = parseOptions(process.argv.slice(2));

const cluster = count > 1 ? await startNodes(count) : undefined;
if (cluster !== undefined) await init({ address: cluster.address, token: cluster.token });
else if (address !== undefined) await init({ address, ...(token === undefined ? {} : { token }) });

const trainingSet = readTrainingSet();
const test = readTestSet(limit);
const training = put(trainingSet);
const before = await nodes();

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
  nodes: { before, after: await nodes() },
  classifyMs: performance.now() - started,
  totalMs: performance.now(), // counted from the start of the process
});
if (json) console.log(JSON.stringify(summary, null, 2));
else printReport(summary);

await shutdown();
await cluster?.stop();
