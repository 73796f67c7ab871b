/** What teaches the codec a class that it cannot take apart by itself. */
export interface TypeCodec<T, D> {
  /** A receiver that registered a type of this name uses its own class and `decode`. */
  readonly name?: string;
  /** The value as data that travels; encoded in its turn. */
  encode(value: T): D;
  /** A value like the one that `encode` was given. */
  decode(data: D): T;
}

/** A registered type without its static types. */
export interface RegisteredType {
  readonly name: string | undefined;
  readonly class: Function;
  readonly encode: (value: object) => unknown;
  readonly decode: (data: unknown) => unknown;
}

interface Registry {
  /** Weak, because a class that arrived with a message goes with it. */
  readonly byPrototype: WeakMap<object, RegisteredType>;
  readonly byName: Map<string, RegisteredType>;
}

const key = Symbol.for("iono.types");

/** The process's registered types. On globalThis, so that two copies of this module agree. */
function registry(): Registry {
  const holder = globalThis as { [key]?: Registry };
  return (holder[key] ??= { byPrototype: new WeakMap(), byName: new Map() });
}

/**
 * Teaches how instances of exactly this class travel; `encode` and `decode` travel with them, so
 * that the receiver need not know the class. Registering a class again replaces its codec.
 * @throws TypeError when an argument is not what it should be, or another class has the name.
 */
export function registerType<T extends object, D>(
  Class: abstract new (...args: never[]) => T,
  codec: TypeCodec<T, D>,
): void {
  if (typeof Class !== "function" || typeof Class.prototype !== "object" || Class.prototype === null) {
    throw new TypeError(`registerType: the first argument should be a class, not ${typeof Class}`);
  }
  if (typeof codec?.encode !== "function")
    throw new TypeError(`registerType(${Class.name}): encode should be a function`);
  if (typeof codec.decode !== "function")
    throw new TypeError(`registerType(${Class.name}): decode should be a function`);
  if (codec.name !== undefined && (typeof codec.name !== "string" || codec.name === "")) {
    throw new TypeError(`registerType(${Class.name}): name should be a non-empty string`);
  }
  const { byName, byPrototype } = registry();
  if (codec.name !== undefined) {
    const other = byName.get(codec.name);
    if (other !== undefined && other.class !== Class) {
      throw new TypeError(
        `registerType(${Class.name}): the name ${JSON.stringify(codec.name)} belongs to another class, ${other.class.name}`,
      );
    }
  }
  const type: RegisteredType = {
    name: codec.name,
    class: Class,
    encode: codec.encode as RegisteredType["encode"],
    decode: codec.decode as RegisteredType["decode"],
  };
  byPrototype.set(Class.prototype as object, type);
  if (type.name !== undefined) byName.set(type.name, type);
}

/** The type whose instances have this prototype. */
export function typeOfPrototype(prototype: object): RegisteredType | undefined {
  return registry().byPrototype.get(prototype);
}

/** The receiver's own type for one that arrived, if it has one; else the arrived one, remembered so that it can be sent on. */
export function adoptType(arrived: RegisteredType): RegisteredType {
  const { byName, byPrototype } = registry();
  const prototype: unknown = arrived.class.prototype;
  const own =
    (arrived.name !== undefined ? byName.get(arrived.name) : undefined) ??
    (isObject(prototype) ? byPrototype.get(prototype) : undefined);
  if (own !== undefined) return own;
  if (isObject(prototype)) byPrototype.set(prototype, arrived);
  return arrived;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
