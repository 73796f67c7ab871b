/** Every limit of the system in one table: nothing is unbounded (I6), and what happens at each limit is written down. */

export type LimitUnit = "bytes" | "ms" | "count";

export interface LimitRow {
  readonly value: number;
  readonly unit: LimitUnit;
  /** What happens at it. */
  readonly atLimit: string;
}

const KiB = 1024;
const MiB = 1024 * KiB;

export const limits = {
  actorName: count(256, "BadOption: the name has too many characters."),
  actorQueueWarning: count(
    5000,
    "A warning names the actor and its queued calls; the next comes at twice as many.",
  ),
  asyncActorConcurrency: count(
    1000,
    "Further calls wait in the actor's queue (default of an actor with async methods).",
  ),
  batchBytes: bytes(32 * KiB, "The batch of tasks is written to the worker at once."),
  batchEntries: count(128, "The batch of tasks is written to the worker at once."),
  cancelGrace: ms(5000, "The worker of a cancelled task that still runs is replaced."),
  copiedObject: bytes(512 * KiB, "Larger objects are mapped on read instead of copied."),
  frame: bytes(16 * MiB, "The link is closed: the peer broke the rules."),
  functionCode: bytes(8 * MiB, "CannotTravel: code and captured values together are too large."),
  functionWarning: bytes(1 * MiB, "A warning names the function and the size of what it captured."),
  getWarning: ms(60_000, "A get that waits this long says once what it waits for."),
  inlineArguments: bytes(1 * MiB, "The largest arguments of the task move to the object store."),
  inlineValue: bytes(100 * KiB, "Larger values live in the object store instead of the owner's memory."),
  knownFunctions: count(
    10_000,
    "The code that a process received longest ago is forgotten; it comes anew with its next definition.",
  ),
  labels: count(64, "BadOption: too many labels."),
  localityBytes: bytes(1 * MiB, "Arguments of so much make a task rather run on the node that has them."),
  mapWindow: count(100_000, "BadOption: concurrency of map is too high."),
  moduleAnswer: ms(
    20_000,
    "Unreachable: the machine of the program does not say what an import names; importing again asks again.",
  ),
  moduleCache: bytes(
    64 * MiB,
    "The modules of programs elsewhere that a node used longest ago are asked for anew.",
  ),
  moduleSource: bytes(8 * MiB, "RuntimeEnvFailed: the module is too large to travel to another machine."),
  numReturns: count(10_000, "BadOption: numReturns is too high."),
  objectPiece: bytes(1 * MiB, "A larger object travels between nodes in several pieces."),
  objectsReceived: count(
    256,
    "Further objects of other nodes wait until some are here; what running tasks wait for comes before the arguments of others.",
  ),
  objectsSent: count(
    4096,
    "A node that asks for more at once is refused: its fetch fails with ObjectStoreFull.",
  ),
  ownerMemory: bytes(512 * MiB, "Small values move to the object store, oldest first."),
  pendingTasks: count(4_000_000, ".remote() throws TooManyPending."),
  queueItems: count(1_000_000, "A Queue without maxSize is full: put waits, putNowait throws QueueFull."),
  queueWaits: count(
    256,
    "Further waits of one process on one Queue stay in that process until earlier ones end.",
  ),
  resultFlush: ms(1, "The worker writes its results at once."),
  resultFlushBytes: bytes(64 * KiB, "The worker writes its results at once."),
  segment: bytes(64 * MiB, "A larger object gets a segment of its own."),
  streamItems: count(100_000_000, "The generator task fails with TaskFailed."),
  taskRetries: count(3, "The task fails with WorkerDied (default of retries)."),
  timer: ms(2_147_483_647, "BadOption: the duration is longer than a timer can hold."),
  unansweredCalls: count(100_000, "Further calls of an actor wait at their caller."),
  workerShare: ms(2, "The worker turns to its sockets before it runs the next task."),
  workerWindow: ms(5, "The owner sends the worker nothing further until some tasks are done."),
  workers: count(256, "Tasks and actors of the node wait for a worker (default of maxWorkers)."),
} as const satisfies Record<string, LimitRow>;

export type LimitName = keyof typeof limits;

function bytes(value: number, atLimit: string): LimitRow {
  return { value, unit: "bytes", atLimit };
}

function ms(value: number, atLimit: string): LimitRow {
  return { value, unit: "ms", atLimit };
}

function count(value: number, atLimit: string): LimitRow {
  return { value, unit: "count", atLimit };
}
