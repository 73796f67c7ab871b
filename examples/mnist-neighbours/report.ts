import { PIXELS } from "./mnist.ts";
import type { TestSet, TrainingSet } from "./mnist.ts";
import type { Answer } from "./neighbours.ts";
import { readInPlace } from "./shared-pages.ts";

/** What the run measured. */
export interface Summary {
  k: number;
  images: number;
  /** Share of the images classified right, 0 to 1. */
  accuracy: number;
  imagesPerSecond: number;
  /** Tasks by the pid of the worker that ran them. */
  tasksPerWorker: Record<string, number>;
  /** Bytes the workers read in place from the object store: measured on Linux, else computed. */
  sharedBytes: number;
  sharedMeasured: boolean;
  /** Bytes that were copied: into the store once, and to the workers as arguments. */
  copied: { putBytes: number; argumentBytes: number };
  classifySeconds: number;
  totalSeconds: number;
}

interface Run {
  k: number;
  trainingSet: TrainingSet;
  test: TestSet;
  answers: Answer[];
  classifyMs: number;
  totalMs: number;
}

/** Counts what the answers tell; call it while the workers still hold the training set. */
export function summarize({ k, trainingSet, test, answers, classifyMs, totalMs }: Run): Summary {
  const tasks = new Map(answers.map(({ taskId, pid }) => [taskId, pid]));
  const tasksPerWorker: Record<string, number> = {};
  for (const pid of tasks.values()) tasksPerWorker[pid] = (tasksPerWorker[pid] ?? 0) + 1;
  const pids = Object.keys(tasksPerWorker).map(Number);
  const { pixels, squaredNorms, digits } = trainingSet;
  const measured = readInPlace(pids, pixels.byteLength);
  return {
    k,
    images: answers.length,
    accuracy: answers.filter(({ digit }, i) => digit === test.digits[i]).length / answers.length,
    imagesPerSecond: answers.length / (classifyMs / 1000),
    tasksPerWorker,
    sharedBytes: measured ?? pixels.byteLength * pids.length,
    sharedMeasured: measured !== undefined,
    copied: {
      putBytes: pixels.byteLength + squaredNorms.byteLength + digits.byteLength,
      argumentBytes: test.images.length * PIXELS,
    },
    classifySeconds: classifyMs / 1000,
    totalSeconds: totalMs / 1000,
  };
}

/** Prints the summary for people. */
export function printReport(summary: Summary): void {
  const workers = Object.entries(summary.tasksPerWorker);
  const tasks = workers.reduce((sum, [, count]) => sum + count, 0);
  const { putBytes, argumentBytes } = summary.copied;
  const lines = [
    [
      "accuracy",
      `${(100 * summary.accuracy).toFixed(2)} % of ${count(summary.images)} images, k = ${summary.k}`,
    ],
    ["speed", `${count(summary.imagesPerSecond)} images/s`],
    [
      "tasks",
      `${tasks} on ${workers.length} workers (${workers.map(([pid, n]) => `pid ${pid}: ${n}`).join(", ")})`,
    ],
    [
      "shared",
      `${mebibytes(summary.sharedBytes)} read in place${summary.sharedMeasured ? "" : " (computed)"}`,
    ],
    ["copied", `${mebibytes(argumentBytes)} to the workers, ${mebibytes(putBytes)} into the store, once`],
    [
      "time",
      `${summary.classifySeconds.toFixed(1)} s of classifying, ${summary.totalSeconds.toFixed(1)} s in all`,
    ],
  ];
  for (const [label, text] of lines) console.log(`${label.padEnd(10)}${text}`);
}

const count = (value: number): string => Math.round(value).toLocaleString("en");
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
