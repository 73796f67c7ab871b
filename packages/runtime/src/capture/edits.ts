import type { Token } from "./analyze.ts";
import { reline } from "./reline.ts";
import type { LocatedFunction } from "./source.ts";
import { placeIn } from "./source.ts";

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly name: string;
}

/**
 * Replaces parts of a function's source by names that are no longer than what they replace, filled up with blanks,
 * so that every position in the source stays.
 */
export class SourceEdits {
  readonly #located: LocatedFunction;
  readonly #edits: Edit[] = [];

  constructor(located: LocatedFunction) {
    this.#located = located;
  }

  /** Replaces a span by a name like `wish` that occurs nowhere in the text. @returns the name. */
  replace(start: number, end: number, wish: string): string {
    const name = this.#unusedName(wish, end - start);
    this.#edits.push({ start, end, name });
    return name;
  }

  /**
   * `import.meta` and `import()` are syntax of the defining file's module; outside it they become names.
   * @returns the new name of each.
   */
  replaceModuleSyntax(): Map<"import.meta" | "import()", string> {
    const names = new Map<"import.meta" | "import()", string>();
    for (const { kind, start, end } of this.#located.record.moduleSyntax) {
      const known = names.get(kind);
      if (known !== undefined) this.#edits.push({ start, end, name: known });
      else names.set(kind, this.replace(start, end, kind === "import.meta" ? "import$meta" : "Import"));
    }
    return names;
  }

  /** The source with its replacements made and, for compiled code, on the lines of the file the user wrote. */
  apply(): string {
    const { record, script, line, text } = this.#located;
    const source = this.#replaced();
    if (script?.mapping === undefined || script.analysis.tokens === undefined) return source;
    const { mapping, lineStarts } = script;
    const tokens = script.analysis.tokens
      .filter((token) => token.start >= record.start && token.end <= record.end && !this.#covers(token))
      .map((token) => ({ ...token, start: token.start - record.start, end: token.end - record.start }));
    return reline(source, tokens, line, (token) => {
      const offset = token.start + record.start;
      const { line: runningLine, column } = placeIn(lineStarts, offset);
      const indent = /[ \t]*$/.exec(text.slice(offset - column, offset))?.[0].length;
      return mapping.exact(runningLine, column, indent);
    });
  }

  #covers(token: Token): boolean {
    return this.#edits.some((edit) => token.start > edit.start && token.start < edit.end);
  }

  #replaced(): string {
    const { record, text } = this.#located;
    let source = "";
    let at = record.start;
    for (const { start, end, name } of this.#edits.toSorted((a, b) => a.start - b.start)) {
      const filling = text.slice(start, end).replaceAll(/[^\n]/g, " ");
      const tail = filling.slice(Math.min(name.length, filling.length));
      const lostLines = filling.slice(0, name.length).replaceAll(" ", "");
      source += text.slice(at, start) + name + lostLines + tail;
      at = end;
    }
    return source + text.slice(at, record.end);
  }

  /** A name like the wish that occurs nowhere in the text, cut to length. */
  #unusedName(wish: string, maxLength: number): string {
    const { text } = this.#located;
    const isTaken = (name: string): boolean =>
      text.includes(name) || keywords.has(name) || this.#edits.some((edit) => edit.name === name);
    for (let serial = 0; ; serial++) {
      const suffix = serial === 0 ? "" : serial.toString(36);
      const name = wish.slice(0, Math.max(1, maxLength - suffix.length)) + suffix;
      if (!isTaken(name)) return name;
    }
  }
}

/** What cutting a wish short, and numbering it, could make that is no name. */
const keywords: ReadonlySet<string> = new Set(["super"]);
