/** Runs something synchronous that makes Node say "experimental" about a feature the user did not ask for. */
export function quietly<T>(action: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return action();
  } finally {
    process.emitWarning = emitWarning;
  }
}
