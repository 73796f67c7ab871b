/**
 * What every kind of value does when it travels. The tests hold each row to its verdict;
 * docs/values.md is this table.
 */

export interface ValueRow {
  readonly verdict: "exact" | "refused";
  /** What a user should know: limits of "exact", or why it is refused and what to do instead. */
  readonly note: string;
}

export const valueTable = {
  "undefined, null, booleans": { verdict: "exact", note: "" },
  numbers: { verdict: "exact", note: "−0, NaN and infinities included." },
  bigints: { verdict: "exact", note: "Of any size." },
  strings: { verdict: "exact", note: "Lone surrogates included." },
  "registered and well-known symbols": {
    verdict: "exact",
    note: "Symbol.for(key) and Symbol.iterator and its like, as values and as keys.",
  },
  "unique symbols": { verdict: "refused", note: "Symbol() is unique to its process; use Symbol.for()." },
  "plain objects": {
    verdict: "exact",
    note: "Key order, `__proto__` as an own key, symbol keys, hidden and read-only properties.",
  },
  "objects without a prototype": { verdict: "exact", note: "" },
  "objects made from another object": {
    verdict: "exact",
    note: "Object.create(base): the base travels too and is shared by all that were made from it.",
  },
  "getters and setters": {
    verdict: "refused",
    note: "On objects and instances themselves; those of a class travel with it. One defined on an array index is read and its value travels.",
  },
  "frozen, sealed and non-extensible objects": {
    verdict: "exact",
    note: "They arrive frozen, sealed, non-extensible.",
  },
  arrays: { verdict: "exact", note: "Holes, huge sparse ones, extra properties." },
  "cycles and shared references": {
    verdict: "exact",
    note: "What was one object is one object again, within one value. Depth has no limit for objects, arrays, Maps, Sets and functions.",
  },
  "Map and Set": { verdict: "exact", note: "Order, identity of keys, extra properties." },
  Date: { verdict: "exact", note: "Invalid ones included." },
  RegExp: { verdict: "exact", note: "With lastIndex." },
  URL: { verdict: "exact", note: "Its searchParams stays tied to it; put the URL before its searchParams." },
  URLSearchParams: { verdict: "exact", note: "" },
  "boxed primitives": { verdict: "exact", note: "Object(1) stays an object." },
  ArrayBuffer: { verdict: "exact", note: "All of it travels." },
  "typed arrays": {
    verdict: "exact",
    note:
      "Their elements. Of the buffer below travels what the views in the same value cover together, so `buffer` and `byteOffset` may be smaller than they were; " +
      "views of one buffer share it again. From 4 KiB on the bytes are not copied into the message, and the arrived array may be a view of larger memory. " +
      "A hidden string property put on one of more than 24 elements goes unseen.",
  },
  Buffer: { verdict: "exact", note: "It stays a Buffer; the pool it lies in stays behind." },
  DataView: { verdict: "exact", note: "As typed arrays." },
  "resizable ArrayBuffer": { verdict: "refused", note: "Copy it with slice()." },
  "detached ArrayBuffer": { verdict: "refused", note: "Its memory is elsewhere." },
  SharedArrayBuffer: {
    verdict: "refused",
    note: "Other processes would get a copy that shares nothing; copy it with slice().",
  },
  "Error and its built-in subclasses": {
    verdict: "exact",
    note: "Message, stack, cause, errors and own fields. A chain of more than about 390 causes is refused.",
  },
  DOMException: { verdict: "exact", note: "" },
  functions: {
    verdict: "exact",
    note: "With what they captured and their own enumerable properties; a function met twice is one function.",
  },
  classes: {
    verdict: "exact",
    note: "With what they captured and their superclass. What was put on the prototype of a `class` after its definition stays behind.",
  },
  "instances of classes": {
    verdict: "exact",
    note: "Own fields and the class, also when it extends Map, Set, Array, Error … The constructor does not run again.",
  },
  "instances of classes with #private members": {
    verdict: "refused",
    note: "Nothing outside the class can read them; teach the class with registerType.",
  },
  "instances of registered types": {
    verdict: "exact",
    note: "As exact as encode and decode make them. They travel along; an instance reached again from its own encoded form is refused, and integrity (frozen …) is up to decode.",
  },
  "refs and handles": {
    verdict: "exact",
    note: "ObjectRef, ActorHandle and their like travel by reference.",
  },
  "built-in functions and prototypes": {
    verdict: "exact",
    note: "Math.floor, Array.prototype: by name; the receiver's own.",
  },
  imports: {
    verdict: "exact",
    note: "A function or class of a module by its URL and name, as capture decides.",
  },
  promises: { verdict: "refused", note: "Await them first." },
  "WeakMap, WeakSet, WeakRef": { verdict: "refused", note: "Their contents cannot be listed." },
  "generators and iterators in flight": { verdict: "refused", note: "Collect their values into an array." },
  Proxy: { verdict: "refused", note: "What its traps do would be lost." },
  "sockets, servers and streams": {
    verdict: "refused",
    note: "They belong to their process; open them where they are used.",
  },
  timers: { verdict: "refused", note: "They belong to their process." },
  "AbortController, AbortSignal, EventTarget, EventEmitter": {
    verdict: "refused",
    note: "Their listeners belong to their process.",
  },
  "ports, workers and child processes": { verdict: "refused", note: "They belong to their process." },
  "open files": { verdict: "refused", note: "Pass the path." },
  "keys, hashes and other native objects": {
    verdict: "refused",
    note: "Instances of built-in classes that have no row of their own.",
  },
  "arguments objects": { verdict: "refused", note: "Use a rest parameter." },
  "module namespaces as values": { verdict: "refused", note: "Import the module where it is used." },
  "process and process.env": { verdict: "refused", note: "Copy what is needed: { ...process.env }." },
} as const satisfies Record<string, ValueRow>;

export type ValueKind = keyof typeof valueTable;

/** The table as the page docs/values.md shows it. */
export function valuesMarkdown(): string {
  const rows = Object.entries(valueTable).map(
    ([kind, { verdict, note }]) => `| ${kind} | ${verdict} | ${note.replaceAll("|", "\\|")} |`,
  );
  return [
    "# Values that travel",
    "",
    "Arguments, results, captured values and everything that is `put` is encoded at that moment. Each kind of value",
    "either arrives exactly as it was, or is refused with a `CannotTravelError` whose `path` leads to it:",
    "`argument 0 → cfg → db: a socket cannot travel`. Nothing is changed silently.",
    "",
    "| kind | | |",
    "|---|---|---|",
    ...rows,
    "",
    "A class that is refused can be taught:",
    "",
    "```ts",
    'import { registerType } from "iono";',
    "",
    "class Account {",
    "  #balance: number;",
    "  constructor(balance: number) { this.#balance = balance; }",
    "  get balance() { return this.#balance; }",
    "}",
    "registerType(Account, {",
    "  encode: (account) => account.balance,",
    "  decode: (balance: number) => new Account(balance),",
    "});",
    "```",
    "",
  ].join("\n");
}
