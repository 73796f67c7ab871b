/** Options of `map`. */
import { badOption } from "../errors.ts";
import { limits } from "../limits.ts";
import * as read from "./read.ts";

export interface ProgressOptions {
  /** Stands before the bar; default "map". */
  label?: string;
  /** How many items there are, where the source does not say. */
  total?: number;
}

/** "throw" ends the map, "skip" leaves the item out, a function's answer takes its place (it may throw). */
export type OnError<Item, Out> =
  | "throw"
  | "skip"
  | ((error: unknown, item: Item, index: number) => Out | Promise<Out>);

export interface MapOptions<
  Item = unknown,
  Out = unknown,
  S extends read.AbortSignalLike = read.AbortSignalLike,
> {
  /** Items per call; the function then takes and returns arrays of that length. Left out: one item a call. */
  batch?: number;
  /** Calls under way at a time (with an actor: actors); default 2 × CPUs. */
  concurrency?: number;
  /** Results in the order of the items (default), or as they come. */
  ordered?: boolean;
  onError?: OnError<Item, Out>;
  signal?: S;
  progress?: boolean | ProgressOptions;
}

export interface CompiledMapOptions<
  Item = unknown,
  Out = unknown,
  S extends read.AbortSignalLike = read.AbortSignalLike,
> {
  /** 0: no batches. */
  readonly batch: number;
  readonly concurrency: number;
  readonly ordered: boolean;
  readonly onError: OnError<Item, Out>;
  readonly signal: S | undefined;
  readonly progress: boolean;
  readonly progressLabel: string;
  /** -1: unknown. */
  readonly progressTotal: number;
}

const schema: read.OptionSchema = {
  where: "map option ",
  keys: ["batch", "concurrency", "ordered", "onError", "signal", "progress"],
  later: {},
};

/**
 * @param cpus CPUs of the cluster, for the default of `concurrency`.
 * @throws IonoError BadOption naming the field, the value and what would be right.
 */
export function compileMapOptions<Item, Out, S extends read.AbortSignalLike>(
  options: MapOptions<Item, Out, S> | undefined,
  cpus: number,
): CompiledMapOptions<Item, Out, S> {
  const given: Partial<MapOptions<Item, Out, S>> = read.readKeys(schema, options);
  const { where } = schema;
  const usual = Math.min(limits.mapWindow.value, Math.max(1, Math.ceil(2 * cpus)));
  const progress = readProgress(given.progress, `${where}progress`);
  return Object.freeze({
    batch: given.batch === undefined ? 0 : read.readInteger(given.batch, `${where}batch`, 1),
    concurrency: read.readInteger(
      given.concurrency ?? usual,
      `${where}concurrency`,
      1,
      limits.mapWindow.value,
    ),
    ordered: read.readBoolean(given.ordered ?? true, `${where}ordered`),
    onError: readOnError(given.onError, `${where}onError`),
    signal: read.readSignal(given.signal, `${where}signal`),
    progress: progress !== undefined,
    progressLabel: progress?.label ?? "map",
    progressTotal: progress?.total ?? -1,
  });
}

function readOnError<Item, Out>(value: OnError<Item, Out> | undefined, field: string): OnError<Item, Out> {
  if (value === undefined) return "throw";
  if (value === "throw" || value === "skip" || typeof value === "function") return value;
  throw badOption(field, value, '"throw", "skip" or a function (error, item, index) => result');
}

function readProgress(
  value: boolean | ProgressOptions | undefined,
  field: string,
): ProgressOptions | undefined {
  if (value === undefined || value === false) return undefined;
  if (value === true) return {};
  if (typeof value !== "object" || value === null)
    throw badOption(field, value, "true, false or { label, total }");
  const given: ProgressOptions = read.readKeys(
    { where: `${field}.`, keys: ["label", "total"], later: {} },
    value,
  );
  if (given.label !== undefined) read.readName(given.label, `${field}.label`);
  if (given.total !== undefined) read.readInteger(given.total, `${field}.total`, 0);
  return given;
}
