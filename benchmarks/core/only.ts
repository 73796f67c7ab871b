/** Whether a name holds one of the parts that were asked for; with none, every name does. */
export function isWanted(name: string, only: string[]): boolean {
  return only.length === 0 || only.some((part) => name.includes(part));
}
