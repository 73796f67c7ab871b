/** Node's flags that mean the same on every machine. Those that name files (loaders, env files, reports) do not. */
const portable: ReadonlySet<string> = new Set([
  ...["--conditions", "-C", "--enable-source-maps", "--preserve-symlinks"],
  ...["--max-old-space-size", "--max-semi-space-size", "--stack-size", "--stack-trace-limit", "--expose-gc"],
  ...["--experimental-strip-types", "--experimental-transform-types", "--experimental-wasm-modules"],
  ...["--no-warnings", "--disable-warning", "--no-deprecation", "--trace-warnings", "--trace-uncaught"],
  ...["--unhandled-rejections", "--dns-result-order", "--use-openssl-ca", "--max-http-header-size"],
]);

/**
 * The flags of a program's workers on another machine.
 * @param execArgv of its workers at home
 * @returns what is kept, and the names of what is not
 */
export function portableFlags(execArgv: readonly string[]): { flags: string[]; dropped: string[] } {
  const flags: string[] = [];
  const dropped: string[] = [];
  let isKept = false;
  for (const each of execArgv) {
    if (each.startsWith("-")) {
      const name = each.replace(/=.*$/s, "").replaceAll("_", "-");
      isKept = portable.has(name);
      if (!isKept) dropped.push(name);
    }
    // What does not begin with a dash is the value of the flag before it.
    if (isKept) flags.push(each);
  }
  return { flags, dropped };
}
