/**
 * The one error table: every error the system itself raises has a code of this table.
 * Errors that user code throws are not here; they reach the caller as instances of the user's own class.
 */

interface ErrorRow {
  /** True when trying again, unchanged, may succeed. */
  readonly retryable: boolean;
  /** What the reader can do about it. */
  readonly remedy: string;
}

export const errorTable = {
  ActorDied: { retryable: false, remedy: "Create the actor again; read `cause` for why it ended." },
  ActorUnavailable: {
    retryable: true,
    remedy: "The actor is restarting or cannot be reached; call it again later.",
  },
  BadOption: { retryable: false, remedy: "Correct the option that the message names." },
  CannotTravel: {
    retryable: false,
    remedy:
      "Do not capture or pass the value at the named path; build it inside the function, or use registerType.",
  },
  ClusterLost: {
    retryable: false,
    remedy: "The cluster this program used is gone; start the program again.",
  },
  GetTimeout: { retryable: true, remedy: "The task goes on; get the ref again, or give a longer timeout." },
  Infeasible: { retryable: false, remedy: "Ask for resources that some node has." },
  Internal: {
    retryable: false,
    remedy: "A rule of iono's own was broken: report it with the message and the stack.",
  },
  InvalidCall: { retryable: false, remedy: "Correct the call as the message says." },
  JoinRefused: {
    retryable: false,
    remedy:
      "Get a new token from the head (`iono token`), and use it with the address that is printed with it.",
  },
  NameTaken: { retryable: false, remedy: "Choose another name, or pass getIfExists: true." },
  NoSuchActor: {
    retryable: false,
    remedy: "Check the name and the namespace; listNamedActors() shows what exists.",
  },
  NodeDied: {
    retryable: true,
    remedy: "The machine is gone; raise retries if the task may run again elsewhere.",
  },
  NotInitialized: { retryable: false, remedy: "Call init() or submit a task first." },
  ObjectFreed: { retryable: false, remedy: "The object was freed explicitly; keep it longer." },
  ObjectLost: { retryable: false, remedy: "Compute or put the object again." },
  ObjectStoreFull: { retryable: true, remedy: "Release refs, or raise objectStore in init()." },
  OutOfDisk: { retryable: true, remedy: "Free disk space, or set spillDir to a larger disk." },
  OutOfMemory: { retryable: false, remedy: "Give the task more memory, or run fewer at once." },
  OwnerDied: {
    retryable: false,
    remedy: "The process that created the ref is gone; create the object again.",
  },
  PendingCallsLimit: { retryable: true, remedy: "Wait for some calls to finish, or raise maxPendingCalls." },
  QueueEmpty: { retryable: true, remedy: "Wait for an item, or give a longer timeout." },
  QueueFull: { retryable: true, remedy: "Wait for room, or give a longer timeout." },
  QueueShutDown: { retryable: false, remedy: "The queue was shut down; make a new one." },
  RuntimeEnvFailed: {
    retryable: false,
    remedy: "Do what the message says: it tells what is missing, and on which node.",
  },
  ShutDown: { retryable: false, remedy: "The runtime was shut down; call init() again." },
  SubmittedWhileImporting: {
    retryable: false,
    remedy: "Move the .remote() call out of the module's top level, into a function.",
  },
  TaskCancelled: {
    retryable: false,
    remedy: "The task was cancelled; submit it again if that was not meant.",
  },
  TaskFailed: {
    retryable: false,
    remedy: "What the task threw could not travel as it was; read the message and `remote.stack`.",
  },
  TaskTimeout: { retryable: false, remedy: "Give the task a longer timeout." },
  TooManyPending: { retryable: true, remedy: "Await some of the refs before submitting more." },
  Unreachable: { retryable: true, remedy: "Check the address and the network." },
  VersionMismatch: { retryable: false, remedy: "Install the same version of iono everywhere." },
  WorkerDied: {
    retryable: true,
    remedy: "Read the exit code or signal in the message; raise retries if the task may run again.",
  },
  WrongResultCount: { retryable: false, remedy: "Return as many values as numReturns says." },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

/** Where and how a remote error happened. */
export interface RemoteOrigin {
  /** Name of the task or `Class.method`. */
  readonly task: string;
  readonly node: string;
  readonly pid: number;
  /** 0 for the first run. */
  readonly attempt: number;
  /** The stack where it was thrown, in the user's source. */
  readonly stack: string;
}

/** An error of the system itself. `code` is one of `errorTable`. */
export class IonoError extends Error {
  readonly code: ErrorCode;
  declare remote?: RemoteOrigin;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.name = `${code}Error`;
  }

  get retryable(): boolean {
    return errorTable[this.code].retryable;
  }

  get remedy(): string {
    return errorTable[this.code].remedy;
  }
}

/** A value that cannot be sent to another process. `path` leads to it, outermost first. */
export class CannotTravelError extends IonoError {
  readonly path: readonly string[];

  constructor(path: readonly string[], reason: string, options?: { cause?: unknown }) {
    super("CannotTravel", `${path.length > 0 ? `${path.join(" → ")}: ` : ""}${reason}`, options);
    this.path = path;
  }
}

/** True for an error that came from a task or actor, or from the system on its behalf. */
export function isTaskError(error: unknown): error is Error & { remote: RemoteOrigin } {
  if (!(error instanceof Error) || !("remote" in error)) return false;
  return typeof error.remote === "object" && error.remote !== null;
}

/** True for an error of the system with that code, from whichever process it came. */
export function hasCode(error: unknown, code: ErrorCode): error is IonoError {
  return error instanceof Error && "code" in error && error.code === code;
}

const shownChars = 80;

/** A value as an error message shows it: short, on one line, never throwing. */
export function describeValue(value: unknown): string {
  if (typeof value === "string") {
    return JSON.stringify(value.length > shownChars ? `${value.slice(0, shownChars)}…` : value);
  }
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return value.name === "" ? "a function" : `function ${value.name}`;
  if (typeof value !== "object" || value === null) return Object.is(value, -0) ? "-0" : String(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) {
    const keys = Object.keys(value);
    return `{ ${keys.slice(0, 5).join(", ")}${keys.length > 5 ? ", …" : ""} }`;
  }
  const { constructor } = prototype;
  return `an instance of ${typeof constructor === "function" && constructor.name !== "" ? constructor.name : "a class"}`;
}

/** The error for a wrong option: names the field, what would be right, and what was given. */
export function badOption(field: string, value: unknown, right: string): IonoError {
  return new IonoError("BadOption", `${field} must be ${right}; got ${describeValue(value)}`);
}

/** The table as the page docs/errors.md shows it. */
export function errorsMarkdown(): string {
  const lines = [
    "# Errors",
    "",
    "An error that a task or actor throws reaches the caller as an instance of its own class, with `error.remote` telling",
    "where it happened. Everything the system itself has to say is an `IonoError`: recognise it by `error.code`, never by its",
    "text. `error.name` is the code followed by `Error`.",
    "",
    "| code | trying again may help | what to do |",
    "|---|---|---|",
  ];
  for (const [code, row] of Object.entries(errorTable)) {
    lines.push(`| \`${code}\` | ${row.retryable ? "yes" : "no"} | ${row.remedy.replaceAll("|", "\\|")} |`);
  }
  return `${lines.join("\n")}\n`;
}
