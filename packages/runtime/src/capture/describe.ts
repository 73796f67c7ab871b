/** How messages name a function: "function `sample`", "class `Net`", "an anonymous function". */
export function describeFunction(fn: Function): string {
  const kind = Function.prototype.toString.call(fn).startsWith("class") ? "class" : "function";
  const name = Object.getOwnPropertyDescriptor(fn, "name")?.value as unknown;
  return typeof name === "string" && name !== ""
    ? `${kind} \`${name}\``
    : kind === "class"
      ? "an anonymous class"
      : "an anonymous function";
}
