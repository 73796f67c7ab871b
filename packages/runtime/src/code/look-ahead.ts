import {
  maxAhead,
  type BuiltinReply,
  type CodeReply,
  type ModuleReply,
  type PackageReply,
  type ResolveRequest,
} from "@iono/core";

/** Modules beside the one that was asked for, and questions that they answer. */
interface Ahead {
  readonly modules: readonly ModuleReply[];
  readonly answers: readonly (readonly [ResolveRequest, string | PackageReply | BuiltinReply])[];
}

/** Bytes of text sent without having been asked for. */
const maxAheadBytes = 1024 * 1024;

/**
 * Follows what a module imports, and what that imports, nearest first: between distant machines a question takes long,
 * and a graph of modules would take as many one after the other as it is deep and wide.
 */
export async function lookAhead(
  first: ModuleReply,
  conditions: readonly string[],
  resolve: (request: ResolveRequest) => Promise<CodeReply>,
): Promise<Ahead> {
  const modules: ModuleReply[] = [];
  const answers: Ahead["answers"][number][] = [];
  const seen = new Set([first.url]);
  const asked = new Set<string>();
  let bytes = 0;
  const rest = [first];
  for (let module = rest.shift(); module !== undefined; module = rest.shift()) {
    const folder = new URL(".", module.url).href;
    for (const { specifier, kind } of importsOf(module)) {
      const key = `${kind} ${folder} ${specifier}`;
      if (asked.has(key)) continue;
      asked.add(key);
      if (answers.length >= maxAhead) return { modules, answers };
      const request: ResolveRequest = {
        t: "resolve",
        specifier,
        folder,
        kind,
        conditions: conditionsOf(kind, conditions),
      };
      const reply = await resolve(request);
      if (reply.t === "package" || reply.t === "builtin") answers.push([request, reply]);
      if (reply.t !== "module") continue;
      if (!seen.has(reply.url)) {
        bytes += reply.source.byteLength;
        if (bytes > maxAheadBytes || modules.length >= maxAhead) return { modules, answers };
        seen.add(reply.url);
        modules.push(reply);
        rest.push(reply);
      }
      answers.push([request, reply.url]);
    }
  }
  return { modules, answers };
}

const imports =
  /\b(?:(?<from>from)\s*|(?<load>import|require)\s*\(?\s*)(?<quote>["'])(?<specifier>[^"'\\\n]{1,1000})\k<quote>/g;

/** What a text seems to import. One too many costs a little, one too few a question. */
function* importsOf({ format, source }: ModuleReply): Generator<Pick<ResolveRequest, "specifier" | "kind">> {
  if (format === "json" || format === "wasm") return;
  const text = new TextDecoder().decode(source);
  for (const { groups } of text.matchAll(imports)) {
    const specifier = groups?.["specifier"] ?? "";
    if (/^(?:node|data|https?|file):|^\//.test(specifier)) continue;
    yield { specifier, kind: groups?.["load"] === "require" ? "require" : "import" };
  }
}

function conditionsOf(kind: ResolveRequest["kind"], conditions: readonly string[]): string[] {
  return conditions.map((each) => (each === "import" || each === "require" ? kind : each));
}
