/** What runs in the workers: the nearest neighbours of a slice of images, and their vote. */
import { get, runtimeContext } from "iono";
import type { ObjectRef } from "iono";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { PIXELS } from "./mnist.ts";
import type { TrainingSet } from "./mnist.ts";
import { nearestRowsModel } from "./onnx-model.ts";
import { readInPlace } from "./shared-pages.ts";

/** What a task says about one image. */
export interface Answer {
  /** 0 to 9. */
  digit: number;
  /** The task, the node and the process that classified it. */
  taskId: string;
  nodeId: string;
  pid: number;
  /** Bytes of the training set that this process reads in place; undefined where that cannot be measured. */
  inPlaceBytes: number | undefined;
}

interface Classifier {
  session: InferenceSession;
  training: Tensor;
  squaredNorms: Tensor;
  digits: Uint8Array;
}

// A session and a view of the training set outlive the task that made them: one of each a worker process.
let current: { refId: string; classifier: Promise<Classifier>; inPlaceBytes?: number } | undefined;

/**
 * The digit on each image, by a vote of the `k` nearest training images.
 *
 * @param training in the object store; read in place
 * @param images 784 bytes each
 */
export async function nearestDigits(
  training: ObjectRef<TrainingSet>,
  images: Uint8Array[],
  k: number,
): Promise<Answer[]> {
  if (current?.refId !== training.id) current = { refId: training.id, classifier: load(training) };
  const { training: pixels } = await current.classifier;
  const digits = await classify(await current.classifier, images, k);
  // Measured once: by now every row has been read.
  const inPlaceBytes = (current.inPlaceBytes ??= readInPlace(pixels.size * 4));
  const { taskId, nodeId } = runtimeContext();
  return digits.map((digit) => ({
    digit,
    taskId: String(taskId),
    nodeId,
    pid: process.pid,
    inPlaceBytes,
  }));
}

async function load(training: ObjectRef<TrainingSet>): Promise<Classifier> {
  return createClassifier(await get(training));
}

/** A classifier whose tensors are the training set's own memory. */
export async function createClassifier(training: TrainingSet): Promise<Classifier> {
  const rows = training.digits.length;
  return {
    // One thread: the cores are already shared out among the workers.
    session: await InferenceSession.create(nearestRowsModel(PIXELS), {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
    }),
    training: new Tensor("float32", training.pixels, [rows, PIXELS]),
    squaredNorms: new Tensor("float32", training.squaredNorms, [rows]),
    digits: training.digits,
  };
}

/** The digit on each image of 784 bytes. */
export async function classify(classifier: Classifier, images: Uint8Array[], k: number): Promise<number[]> {
  const { session, training, squaredNorms, digits } = classifier;
  const { nearest } = await session.run({
    queries: new Tensor("uint8", Buffer.concat(images), [images.length, PIXELS]),
    training,
    squaredNorms,
    k: new Tensor("int64", BigInt64Array.of(BigInt(k)), [1]),
  });
  const rows = nearest.data as BigInt64Array;
  return images.map((_, i) =>
    vote(Array.from(rows.subarray(i * k, (i + 1) * k), (row) => digits[Number(row)])),
  );
}

/** The most frequent digit; of several, the one whose first vote is nearest. */
export function vote(nearestFirst: number[]): number {
  const counts = new Map<number, number>();
  for (const digit of nearestFirst) counts.set(digit, (counts.get(digit) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return nearestFirst.find((digit) => counts.get(digit) === most)!;
}
