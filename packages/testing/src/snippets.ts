/** The TypeScript programs in a Markdown page, with what each says it prints. */

export interface Snippet {
  /** The first line of its code, counted from 1 in the page. */
  readonly line: number;
  readonly source: string;
  /** The lines that `// → …` comments promise, in order. `…` stands for any text. */
  readonly prints: readonly string[];
}

/** Every fence marked `ts`, in order. */
export function snippetsOf(markdown: string): Snippet[] {
  const snippets: Snippet[] = [];
  const lines = markdown.split("\n");
  for (let at = 0; at < lines.length; at += 1) {
    if (lines[at].trim() !== "```ts") continue;
    const end = lines.indexOf("```", at);
    if (end < 0) throw new Error(`line ${at + 1}: the fence is not closed`);
    const code = lines.slice(at + 1, end);
    snippets.push({ line: at + 2, source: `${code.join("\n")}\n`, prints: printedLines(code) });
    at = end;
  }
  return snippets;
}

function printedLines(code: readonly string[]): string[] {
  return code.flatMap((line) => {
    const promised = /\/\/ → ?(.*)$/.exec(line);
    return promised ? [promised[1].trimEnd()] : [];
  });
}

/** True when `printed` is what was promised, `…` standing for any text. */
export function matchesPromise(printed: string, promised: string): boolean {
  const pattern = promised
    .split("…")
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join(".*");
  return new RegExp(`^${pattern}$`).test(printed);
}
