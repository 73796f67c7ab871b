/** One method of one actor: `handle.add.remote(1)`, `handle.add.options({ timeout: "1s" }).remote(1)`. */
import { badOption, compileMethodOptions, type CompiledMethodOptions, type MethodOptions } from "@iono/core";
import type { Member } from "../member/member.ts";
import type { ActorClient } from "../owner/actor-client.ts";
import { Definition } from "../owner/definition.ts";

/** What an actor's options leave for its handles. */
export interface HandleOptions {
  /** Options of single methods as they were given; compiled where they are used, so that a call may override them. */
  readonly methods: Readonly<Record<string, MethodOptions>>;
  readonly maxPendingCalls: number;
}

const defaultBackpressure = 1024;

export class MethodCaller {
  /** Kept: who has a method of an actor has a handle of it. */
  readonly #handle: object;
  readonly #client: ActorClient;
  readonly #member: Member;
  readonly #method: string;
  readonly #overrides: MethodOptions | undefined;
  readonly #options: CompiledMethodOptions;
  #definition: Definition | null = null;

  /** @throws IonoError BadOption naming the option. */
  constructor(
    handle: object,
    client: ActorClient,
    member: Member,
    method: string,
    overrides: MethodOptions | undefined,
  ) {
    this.#handle = handle;
    this.#client = client;
    this.#member = member;
    this.#method = method;
    this.#overrides = overrides;
    const { options, groups } = client.descriptor;
    const { methods } = options as HandleOptions;
    this.#options = compileMethodOptions(
      Object.hasOwn(methods, method) ? methods[method] : undefined,
      overrides,
    );
    const { concurrencyGroup } = this.#options;
    if (concurrencyGroup !== "" && !groups.some(({ name }) => name === concurrencyGroup)) {
      const known = groups.map(({ name }) => name).join(", ") || "none is declared";
      throw badOption(
        "method option concurrencyGroup",
        concurrencyGroup,
        `one of the actor's concurrencyGroups (${known})`,
      );
    }
  }

  /** Submits a call. @throws IonoError PendingCallsLimit, CannotTravel. */
  remote(...args: unknown[]): unknown {
    const client = this.#client;
    const { maxPendingCalls } = client.descriptor.options as HandleOptions;
    if (maxPendingCalls >= 0) client.admit(maxPendingCalls);
    return this.#member.owner.submit((this.#definition ??= this.#define()), client, args);
  }

  /** The same method with other options; this one stays as it is. @throws IonoError BadOption naming the option. */
  options(overrides: MethodOptions): MethodCaller {
    return new MethodCaller(this.#handle, this.#client, this.#member, this.#method, {
      ...this.#overrides,
      ...overrides,
    });
  }

  /** Calls with the same options share a definition, and with it the number by which the actor knows it. */
  #define(): Definition {
    const { descriptor, definitions } = this.#client;
    const options = this.#options;
    const key = `${this.#method} ${JSON.stringify(options)}`;
    const known = definitions.get(key);
    if (known !== undefined) return known;
    const definition = new Definition({
      owner: this.#member.owner,
      number: this.#member.nextFunctionNumber(),
      key: `${descriptor.actor} ${key}`,
      options: {
        name: options.name === "" ? `${descriptor.className}.${this.#method}` : options.name,
        numReturns: options.numReturns,
        retries: 0,
        retryOn: null,
        retryDelayMs: 0,
        timeoutMs: options.timeoutMs,
        cancelGraceMs: options.cancelGraceMs,
        backpressure: options.backpressure || defaultBackpressure,
        maxCalls: 0,
        resources: descriptor.running,
      },
      generator: descriptor.methods[this.#method]?.generator === true,
      payload: null,
      method: this.#method,
      group: options.concurrencyGroup,
      holds: [],
    });
    if (definitions.size < mostDefinitions) definitions.set(key, definition);
    return definition;
  }
}

/** More definitions than this (a name a call, say) are not shared. */
const mostDefinitions = 1000;
