import inspector from "node:inspector";
import v8 from "node:v8";
import vm from "node:vm";

/** Garbage collection on demand: the few bytes of a handle never make V8 collect, whatever they stand for. */

let gc: (() => void) | undefined;

/** A full collection, on this thread. Finalizers run later, in a turn of the event loop. */
export function collectGarbage(): void {
  if (gc === undefined) {
    v8.setFlagsFromString("--expose-gc");
    gc = vm.runInNewContext("gc") as () => void;
  }
  gc();
}

const exchange = "iono.liveObjects";

interface Exchange {
  prototype: object;
  objects: object[];
}

/**
 * Which objects with this prototype are alive, after a full collection. Finalizers need a turn of the event loop; this
 * does not, so that a synchronous loop learns what it has dropped. Takes 20 ms and more.
 */
export function liveObjects(prototype: object): object[] {
  const session = new inspector.Session();
  session.connect();
  const holder = globalThis as { [exchange]?: Exchange };
  holder[exchange] = { prototype, objects: [] };
  try {
    const name = `globalThis[${JSON.stringify(exchange)}]`;
    const { result } = post(session, "Runtime.evaluate", { expression: `${name}.prototype` });
    const found = post(session, "Runtime.queryObjects", { prototypeObjectId: result?.objectId });
    post(session, "Runtime.callFunctionOn", {
      objectId: found.objects?.objectId,
      functionDeclaration: `function () { ${name}.objects = this }`,
    });
    return holder[exchange].objects;
  } finally {
    delete holder[exchange];
    session.disconnect();
  }
}

interface Answer {
  readonly result?: { readonly objectId?: string };
  readonly objects?: { readonly objectId?: string };
}

/** A message to the inspector of this thread, which answers before `post` returns. */
function post(session: inspector.Session, method: string, parameters: object): Answer {
  const failures: Error[] = [];
  let answer: Answer = {};
  session.post(method, parameters, (error, result) => {
    if (error !== null) failures.push(error);
    answer = result ?? {};
  });
  for (const failure of failures) throw failure;
  return answer;
}
