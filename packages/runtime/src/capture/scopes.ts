import inspector from "node:inspector";
import { CannotTravelError } from "@iono/core";

/** One scope of a function: its variables by name, read through V8 by reference. Reading a variable in its dead zone throws. */
export interface VariableScope {
  readonly kind: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** Where V8 keeps a function's text, and the scopes it closes over, innermost first, without the global one. */
export interface FunctionScopes {
  readonly scriptId: string;
  /** 0-based; of the parameter list for `function` and methods, of the first character for arrows and classes. */
  readonly line: number;
  readonly column: number;
  readonly scopes: readonly VariableScope[];
}

interface RemoteObject {
  readonly objectId?: string;
  readonly value?: unknown;
}

interface InternalProperty {
  readonly name: string;
  readonly value?: RemoteObject;
}

interface Holder {
  fn: Function | undefined;
  scopes: ArrayLike<{ readonly description: string; readonly object: object }> | undefined;
}

const objectGroup = "iono-capture";
/** Functions whose handles the inspector keeps (and with them what they capture) before one call lets them go. */
const releaseEvery = 32;
const meetingPoint: unique symbol = Symbol.for("iono.capture.holder");

/**
 * Reads `[[Scopes]]` and `[[FunctionLocation]]` through a same-thread inspector session, which answers synchronously.
 * Neither the Runtime nor the Debugger domain is enabled, so running code is not slowed.
 * Three messages a function, 45–60 µs: V8 offers no cheaper way to a closure's variables.
 */
export class ScopeReader {
  readonly #session: inspector.Session;
  readonly #holder: Holder = { fn: undefined, scopes: undefined };
  readonly #holderId: string;
  readonly #takeFunction: object;
  #unreleased = 0;

  /** @throws CannotTravelError when this Node has no inspector. */
  constructor() {
    try {
      this.#session = new inspector.Session();
      this.#session.connect();
    } catch (cause) {
      throw new CannotTravelError(
        [],
        "functions cannot be captured without Node's inspector, which this process does not offer (it was built without it, or runs with --permission)",
        { cause },
      );
    }
    // The builtin module is one object in every context of the process, so both sides can meet there, also under vm.
    const place = inspector as typeof inspector & { [meetingPoint]?: Holder };
    place[meetingPoint] = this.#holder;
    try {
      const { result } = this.#post<{ result: RemoteObject }>("Runtime.evaluate", {
        expression: `process.getBuiltinModule("node:inspector")[Symbol.for("iono.capture.holder")]`,
      });
      this.#holderId = result.objectId ?? "";
    } finally {
      place[meetingPoint] = undefined;
    }
    this.#takeFunction = {
      objectId: this.#holderId,
      functionDeclaration: "function () { return this.fn; }",
      objectGroup,
      serializationOptions: { serialization: "idOnly" },
    };
  }

  /** @returns undefined for native and bound functions, which have no place in any text. */
  read(fn: Function): FunctionScopes | undefined {
    this.#holder.fn = fn;
    try {
      const { result } = this.#post<{ result: RemoteObject }>("Runtime.callFunctionOn", this.#takeFunction);
      const { internalProperties } = this.#post<{ internalProperties?: InternalProperty[] }>(
        "Runtime.getProperties",
        {
          objectId: result.objectId,
          ownProperties: true,
        },
      );
      const location = property(internalProperties, "[[FunctionLocation]]")?.value as
        | { scriptId: string; lineNumber: number; columnNumber: number }
        | undefined;
      if (location === undefined) return undefined;
      const scopes = property(internalProperties, "[[Scopes]]");
      return {
        scriptId: location.scriptId,
        line: location.lineNumber,
        column: location.columnNumber,
        scopes: scopes?.objectId === undefined ? [] : this.#takeScopes(scopes.objectId),
      };
    } finally {
      this.#holder.fn = undefined;
      this.#release();
    }
  }

  #takeScopes(objectId: string): VariableScope[] {
    this.#post("Runtime.callFunctionOn", {
      objectId,
      functionDeclaration: "function (holder) { holder.scopes = this; }",
      arguments: [{ objectId: this.#holderId }],
      objectGroup,
    });
    const list = this.#holder.scopes;
    this.#holder.scopes = undefined;
    const scopes: VariableScope[] = [];
    for (let index = 0; list !== undefined && index < list.length; index++) {
      const entry = list[index];
      if (entry === undefined || entry.description === "Global") continue;
      scopes.push({ kind: entry.description, variables: entry.object as Record<string, unknown> });
    }
    return scopes;
  }

  #release(): void {
    this.#unreleased++;
    if (this.#unreleased >= releaseEvery) this.#releaseNow();
    else if (this.#unreleased === 1) setImmediate(() => this.#releaseNow()).unref();
  }

  #releaseNow(): void {
    this.#unreleased = 0;
    this.#post("Runtime.releaseObjectGroup", { objectGroup });
  }

  #post<Result>(method: string, parameters: object): Result {
    return postSync<Result>(this.#session, method, parameters);
  }
}

/** Sends one inspector command and returns its answer; a same-thread session answers before `post` returns. */
export function postSync<Result>(session: inspector.Session, method: string, parameters: object): Result {
  let failure: Error | null = null;
  let answer: object | undefined;
  session.post(method, parameters, (error, result) => {
    failure = error;
    answer = result;
  });
  if (failure !== null || answer === undefined) {
    throw new CannotTravelError([], `the inspector refused ${method}`, { cause: failure });
  }
  return answer as Result;
}

function property(list: readonly InternalProperty[] | undefined, name: string): RemoteObject | undefined {
  return list?.find((entry) => entry.name === name)?.value;
}
