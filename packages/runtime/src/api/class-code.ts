/** The class behind `remote(Class)`: the class itself, or its code as it came from another process. */
import { IonoError, type ActorMethod } from "@iono/core";
import type { Member } from "../member/member.ts";
import { companionsOf, type Companion } from "../owner/companions.ts";
import type { ClassReference, Payload } from "../owner/payload.ts";
import type { Received } from "../owner/references.ts";
import { CodeSize } from "./code-size.ts";

type Source =
  | { readonly target: Function }
  | { readonly reference: ClassReference; readonly received: Received | null };

export interface EncodedClass {
  readonly key: string;
  readonly payload: Payload;
  readonly holds: readonly object[];
  /** Definitions that it names and does not bring. */
  readonly companions: readonly Companion[];
}

/** Classes whose code is being encoded further out: a class that makes actors of itself. */
const encoding = new Set<ClassCode>();

export class ClassCode {
  readonly name: string;
  readonly methods: Record<string, ActorMethod>;
  readonly #source: Source;
  readonly #codeSize = new CodeSize();
  readonly #numbers = new WeakMap<Member, number>();

  constructor(source: Source) {
    this.#source = source;
    if ("target" in source) {
      this.name = source.target.name === "" ? "anonymous" : source.target.name;
      this.methods = methodsOf(source.target);
    } else {
      this.name = source.reference.name;
      this.methods = source.reference.methods;
    }
  }

  /** The plain class. @throws IonoError NotInitialized when it is not in this process. */
  get local(): Function {
    if ("target" in this.#source) return this.#source.target;
    throw new IonoError(
      "NotInitialized",
      `${this.name} came from another process: its plain class is not here; call .remote()`,
    );
  }

  /** Captures the class as it is now. @throws CannotTravelError naming the path. */
  encode(member: Member): EncodedClass {
    const key = this.#key(member);
    const { payload, holds } = this.#payload(member);
    member.learnDefinition(key, payload);
    const companions = companionsOf(payload, key, (each) => member.definitionPayload(each));
    return { key, payload, holds, companions };
  }

  /** How it travels inside a value. */
  leave(member: Member, options: object): ClassReference {
    const common = {
      kind: "class" as const,
      key: this.#key(member),
      options,
      name: this.name,
      methods: this.methods,
    };
    // It is being sent already, further out.
    if (encoding.has(this)) return common;
    const { payload, companions } = this.encode(member);
    return { ...common, payload, companions };
  }

  #key(member: Member): string {
    if (!("target" in this.#source)) return this.#source.reference.key;
    let number = this.#numbers.get(member);
    if (number === undefined) this.#numbers.set(member, (number = member.nextFunctionNumber()));
    return `${member.number}:${number}`;
  }

  #payload(member: Member): { payload: Payload; holds: readonly object[] } {
    if (!("target" in this.#source)) {
      const { received, reference } = this.#source;
      const payload = received?.payload ?? member.definitionPayload(reference.key);
      if (payload === null) throw new IonoError("ObjectLost", `the code of ${this.name} did not arrive`);
      return { payload, holds: received === null ? [] : [received] };
    }
    encoding.add(this);
    try {
      const encoded = member.owner.codec.encode(this.#source.target, [this.name]);
      this.#codeSize.check(member, this.name, encoded.payload);
      return encoded;
    } finally {
      encoding.delete(this);
    }
  }
}

/** Public methods along the prototype chain, with how their calls travel. */
function methodsOf(target: Function): Record<string, ActorMethod> {
  const methods: Record<string, ActorMethod> = {};
  for (
    let prototype: object | null = target.prototype as object | null;
    prototype !== null && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype) as object | null
  ) {
    for (const name of Object.getOwnPropertyNames(prototype)) {
      if (name === "constructor" || Object.hasOwn(methods, name)) continue;
      const member = Object.getOwnPropertyDescriptor(prototype, name)?.value as unknown;
      if (typeof member !== "function") continue;
      const kind = member.constructor.name;
      methods[name] = { generator: kind.endsWith("GeneratorFunction"), async: kind.startsWith("Async") };
    }
  }
  return methods;
}
