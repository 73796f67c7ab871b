import type { CodeAnswer, CodeReply, CodeRequest, ModuleReply } from "@iono/core";

type Answer = Exclude<CodeReply, ModuleReply>;

/**
 * What a program's machine has answered, within a limit of bytes: a module's text is kept once, however it was asked for,
 * and what was used longest ago goes first. Only what stays true while the program runs is kept.
 */
export class ModuleCache {
  readonly #maxBytes: number;
  /** By URL; the order is that of their last use. */
  readonly #modules = new Map<string, ModuleReply>();
  /** By question: the URL of a module, or another answer. */
  readonly #answers = new Map<string, string | Answer>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  find(request: CodeRequest): CodeReply | undefined {
    if (request.t === "load") return this.module(request.url);
    const known = this.#answers.get(keyOf(request));
    // The URL of a module is its own answer.
    return known === undefined || typeof known === "string" ? this.module(known ?? request.specifier) : known;
  }

  module(url: string): ModuleReply | undefined {
    const found = this.#modules.get(url);
    if (found === undefined) return undefined;
    this.#modules.delete(url);
    this.#modules.set(url, found);
    return found;
  }

  keep(request: CodeRequest, reply: CodeReply): void {
    if (reply.t !== "module" && reply.t !== "package" && reply.t !== "builtin") return;
    if (reply.t === "module") this.#keepModule(reply);
    if (request.t === "resolve") this.#keepAnswer(request, reply.t === "module" ? reply.url : reply);
  }

  /** Keeps an answer of another machine, with what it brings beside the reply. */
  keepAll(request: CodeRequest, { reply, modules, answers }: CodeAnswer): void {
    for (const module of modules) this.#keepModule(module);
    for (const [next, named] of answers) this.#keepAnswer(next, named);
    this.keep(request, reply);
  }

  #keepAnswer(request: CodeRequest, named: string | Answer): void {
    if (this.#answers.size >= maxAnswers) this.#answers.clear();
    this.#answers.set(keyOf(request), named);
  }

  #keepModule(module: ModuleReply): void {
    const before = this.#modules.get(module.url);
    if (before !== undefined) this.#drop(before);
    this.#modules.set(module.url, module);
    this.#bytes += sizeOf(module);
    for (const oldest of this.#modules.values()) {
      if (this.#bytes <= this.#maxBytes || oldest === module) break;
      this.#drop(oldest);
    }
  }

  #drop(module: ModuleReply): void {
    this.#modules.delete(module.url);
    this.#bytes -= sizeOf(module);
  }
}

const maxAnswers = 20_000;

function sizeOf({ url, source }: ModuleReply): number {
  return source.byteLength + url.length;
}

/** Equal for equal questions. */
export function keyOf(request: CodeRequest): string {
  return request.t === "load"
    ? request.url
    : [request.kind, request.folder, request.specifier, ...request.conditions.toSorted()].join("\n");
}
