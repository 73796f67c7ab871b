/** Options of `getActor` and `listNamedActors`. */
import * as read from "./read.ts";

export interface GetActorOptions {
  /** Default the program's own. */
  namespace?: string;
}

export interface ListNamedActorsOptions {
  /** Default the program's own. */
  namespace?: string;
  /** Of every namespace. */
  allNamespaces?: boolean;
}

/** `namespace` is "" when not given. @throws IonoError BadOption naming the field, the value and what would be right. */
export function compileGetActor(
  name: unknown,
  options?: GetActorOptions,
): { readonly name: string; readonly namespace: string } {
  const where = "getActor option ";
  const given = read.readKeys({ where, keys: ["namespace"], later: {} }, options);
  return {
    name: read.readName(name, "getActor: the name"),
    namespace: given.namespace === undefined ? "" : read.readName(given.namespace, `${where}namespace`),
  };
}

/** The namespace to list: "" for the program's own, null for all. @throws IonoError BadOption. */
export function compileListNamedActors(options?: ListNamedActorsOptions): string | null {
  const where = "listNamedActors option ";
  const given = read.readKeys({ where, keys: ["namespace", "allNamespaces"], later: {} }, options);
  const namespace = given.namespace === undefined ? "" : read.readName(given.namespace, `${where}namespace`);
  return read.readBoolean(given.allNamespaces ?? false, `${where}allNamespaces`) ? null : namespace;
}
