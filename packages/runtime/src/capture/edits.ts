import type { LocatedFunction } from "./source.ts";

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
   * @returns what each new name stands for.
   */
  replaceModuleSyntax(): Map<string, "import.meta" | "import()"> {
    const names = new Map<string, "import.meta" | "import()">();
    for (const { kind, start, end } of this.#located.record.moduleSyntax) {
      names.set(this.replace(start, end, kind === "import.meta" ? "import$meta" : "Import"), kind);
    }
    return names;
  }

  apply(): string {
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

  #unusedName(wish: string, maxLength: number): string {
    const { text } = this.#located;
    const known = this.#edits.find((edit) => edit.name.length <= maxLength && edit.name.startsWith(wish.slice(0, maxLength - 1)));
    if (known !== undefined && wish !== "superclass") return known.name;
    for (let serial = 0; ; serial++) {
      const suffix = serial === 0 ? "" : serial.toString(36);
      const name = wish.slice(0, Math.max(1, maxLength - suffix.length)) + suffix;
      if (!reserved.has(name) && !text.includes(name)) return name;
    }
  }
}

/** Names that cutting a wish short could give. */
const reserved = new Set(["import", "super", "su", "Import$"]);
