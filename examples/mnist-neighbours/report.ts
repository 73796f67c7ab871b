import type { nodes } from "iono";
import { PIXELS } from "./mnist.ts";
import type { TestSet, TrainingSet } from "./mnist.ts";
import type { Answer } from "./neighbours.ts";

/** What the run measured. */
export interface Summary {
  k: number;
  images: number;
  /** Share of the images classified right, 0 to 1. */
  accuracy: number;
  imagesPerSecond: number;
  /** Tasks by node, and there by the pid of the worker that ran them. */
  tasksPerWorker: Record<string, Record<string, number>>;
  /** Bytes the workers read in place from their node's object store: measured on Linux, else computed. */
  sharedBytes: number;
  sharedMeasured: boolean;
  /** Bytes of objects that nodes have received from others: one copy of the training set each. */
  movedBytes: number;
  /** Bytes that were copied: into the store once, and to the workers as arguments. */
  copied: { putBytes: number; argumentBytes: number };
  classifySeconds: number;
  totalSeconds: number;
}

type Nodes = Awaited<ReturnType<typeof nodes>>;

interface Run {
  k: number;
  trainingSet: TrainingSet;
  test: TestSet;
  answers: Answer[];
  /** What the nodes said before and after. */
  nodes: { before: Nodes; after: Nodes };
  classifyMs: number;
  totalMs: number;
}

/** Counts what the answers tell. */
export function summarize({ k, trainingSet, test, answers, nodes, classifyMs, totalMs }: Run): Summary {
  const tasks = new Map(answers.map((answer) => [answer.taskId, answer]));
  const workers = new Map(answers.map((answer) => [`${answer.nodeId} ${answer.pid}`, answer]));
  const nameOf = (id: string): string => nodes.after.find((node) => node.id === id)?.name ?? id;
  const tasksPerWorker: Summary["tasksPerWorker"] = {};
  for (const { nodeId, pid } of tasks.values()) {
    const ofNode = (tasksPerWorker[nameOf(nodeId)] ??= {});
    ofNode[pid] = (ofNode[pid] ?? 0) + 1;
  }
  const { pixels, squaredNorms, digits } = trainingSet;
  const measured = [...workers.values()].map(({ inPlaceBytes }) => inPlaceBytes);
  const sharedMeasured = !measured.includes(undefined);
  const received = (of: Nodes): number => of.reduce((sum, { moved }) => sum + moved.receivedBytes, 0);
  return {
    k,
    images: answers.length,
    accuracy: answers.filter(({ digit }, i) => digit === test.digits[i]).length / answers.length,
    imagesPerSecond: answers.length / (classifyMs / 1000),
    tasksPerWorker,
    sharedBytes: measured.reduce<number>((sum, bytes) => sum + (bytes ?? pixels.byteLength), 0),
    sharedMeasured,
    movedBytes: received(nodes.after) - received(nodes.before),
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
  const nodes = Object.entries(summary.tasksPerWorker).toSorted(([a], [b]) => a.localeCompare(b));
  const total = (workers: Record<string, number>): number =>
    Object.values(workers).reduce((sum, n) => sum + n, 0);
  const tasks = nodes.reduce((sum, [, workers]) => sum + total(workers), 0);
  const byPid = (workers: Record<string, number>): string =>
    Object.entries(workers)
      .map(([pid, n]) => `pid ${pid}: ${n}`)
      .join(", ");
  const { putBytes, argumentBytes } = summary.copied;
  const lines = [
    [
      "accuracy",
      `${(100 * summary.accuracy).toFixed(2)} % of ${count(summary.images)} images, k = ${summary.k}`,
    ],
    ["speed", `${count(summary.imagesPerSecond)} images/s`],
    ...(nodes.length === 1
      ? nodes.map(([, workers]) => ["tasks", `${tasks} (${byPid(workers)})`])
      : [["tasks", `${tasks} on ${nodes.length} nodes`]]),
    ...(nodes.length === 1
      ? []
      : nodes.map(([name, workers]) => [`  ${name}`, `${total(workers)} (${byPid(workers)})`])),
    [
      "shared",
      `${mebibytes(summary.sharedBytes)} read in place${summary.sharedMeasured ? "" : " (computed)"}`,
    ],
    ...(nodes.length === 1
      ? []
      : [["moved", `${mebibytes(summary.movedBytes)} of objects between nodes, one copy for each`]]),
    ["copied", `${mebibytes(argumentBytes)} to the workers, ${mebibytes(putBytes)} into the store, once`],
    [
      "time",
      `${summary.classifySeconds.toFixed(1)} s of classifying, ${summary.totalSeconds.toFixed(1)} s in all`,
    ],
  ];
  const width = Math.max(...lines.map(([label]) => label.length)) + 2;
  for (const [label, text] of lines) console.log(`${label.padEnd(width)}${text}`);
}

const count = (value: number): string => Math.round(value).toLocaleString("en");
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
