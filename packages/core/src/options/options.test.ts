import { describe, expect, it } from "vitest";
import { compileActorOptions } from "./actor.ts";
import { closestName } from "./did-you-mean.ts";
import { compileGetOptions, compileWaitOptions } from "./get.ts";
import { compileInitOptions } from "./init.ts";
import { compileMapOptions } from "./map.ts";
import { compileMethodOptions } from "./method.ts";
import { shouldRetry } from "./retry.ts";
import { compileTaskOptions } from "./task.ts";

const machine = { cpus: 4, gpus: 2, memoryBytes: 1000 * 1024 * 1024 };

/** Given as plain JavaScript would give it: unchecked. */
const task = (options: unknown, overrides?: unknown) =>
  compileTaskOptions(options as never, overrides as never);
const actor = (options: unknown, overrides?: unknown, info?: object) =>
  compileActorOptions(options as never, overrides as never, info);
const init = (options: unknown) => compileInitOptions(options as never, machine);
const map = (options: unknown) => compileMapOptions(options as never, 4);

const refusal = (message: string | RegExp) =>
  expect.objectContaining({
    code: "BadOption",
    message: typeof message === "string" ? message : expect.stringMatching(message),
  });

describe("task options", () => {
  it("are complete, flat and frozen", () => {
    const compiled = compileTaskOptions();
    expect(compiled).toEqual({
      name: "",
      cpuUnits: 10_000,
      gpuUnits: 0,
      memoryBytes: 0,
      resources: { CPU: 10_000 },
      shape: "CPU=1",
      strategy: { policy: "hybrid", node: "", soft: false, near: 0, required: [], preferred: [] },
      strategyKey: "",
      retries: 3,
      retryOn: null,
      retryDelayMs: 0,
      timeoutMs: 0,
      cancelGraceMs: 5000,
      numReturns: 1,
      backpressure: 0,
      maxCalls: 0,
    });
    expect(Object.isFrozen(compiled)).toBe(true);
  });

  it("take what is given", () => {
    class Flaky extends Error {}
    const compiled = compileTaskOptions({
      numCpus: 0.5,
      numGpus: 2,
      memory: "1KiB",
      resources: { disk: 1 },
      scheduling: "spread",
      retries: -1,
      retryOn: [Flaky],
      retryDelay: "1s",
      timeout: "2m",
      cancelGrace: 0,
      numReturns: 0,
      backpressure: 1,
      name: "sq",
    });
    expect(compiled).toMatchObject({
      shape: "CPU=0.5,GPU=2,disk=1,memory=1024",
      gpuUnits: 20_000,
      retries: -1,
      retryOn: [Flaky],
      retryDelayMs: 1000,
      timeoutMs: 120_000,
      cancelGraceMs: 0,
      numReturns: 0,
      backpressure: 1,
      maxCalls: 1,
      name: "sq",
    });
    expect(compileTaskOptions({ timeout: Infinity }).timeoutMs).toBe(0);
  });

  it("of .options() win over those of remote(), and undefined is as left out", () => {
    const compiled = compileTaskOptions(
      { numCpus: 2, retries: 0, name: "a" },
      { numGpus: 1, retries: undefined, name: "b" },
    );
    expect(compiled).toMatchObject({ shape: "CPU=2,GPU=1", retries: 0, name: "b" });
  });

  it.each([
    [{ num_cpus: 1 }, "task option num_cpus is unknown; did you mean numCpus?"],
    [{ NumGPUs: 1 }, "task option NumGPUs is unknown; did you mean numGpus?"],
    [{ timeuot: 1 }, "task option timeuot is unknown; did you mean timeout?"],
    [{ zzz: 1 }, /^task option zzz is unknown; known: numCpus, /],
    [{ constructor: 1 }, /^task option constructor is unknown/],
    [5, "task options must be an object; got 5"],
    [null, "task options must be an object; got null"],
    [[], "task options must be an object; got an array of 0"],
    [{ retries: -2 }, "task option retries must be a whole number ≥ 0, or -1 for no limit; got -2"],
    [{ retries: 1.5 }, "task option retries must be a whole number ≥ 0, or -1 for no limit; got 1.5"],
    [
      { retries: Infinity },
      "task option retries must be a whole number ≥ 0, or -1 for no limit; got Infinity",
    ],
    [
      { retryOn: "always" },
      'task option retryOn must be true, a list of error classes, or a function (error) => boolean; got "always"',
    ],
    [{ retryOn: RangeError }, /put a class into a list, \[RangeError\]; got function RangeError$/],
    [{ retryOn: [Error, Map] }, "task option retryOn[1] must be an error class; got function Map"],
    [
      { retryDelay: Infinity },
      'task option retryDelay must be finite: milliseconds or a text like "5s"; got Infinity',
    ],
    [{ timeout: 0 }, "task option timeout must be more than 0, or left out for no limit; got 0"],
    [{ timeout: "5" }, /^task option timeout must be milliseconds/],
    [{ cancelGrace: -1 }, /^task option cancelGrace must be milliseconds/],
    [{ numReturns: -1 }, "task option numReturns must be a whole number from 0 to 10000; got -1"],
    [{ numReturns: "2" }, 'task option numReturns must be a whole number from 0 to 10000; got "2"'],
    [{ backpressure: 0 }, "task option backpressure must be a whole number ≥ 1; got 0"],
    [{ maxCalls: 0.5 }, "task option maxCalls must be a whole number ≥ 0; got 0.5"],
    [{ name: "" }, /^task option name must be a non-empty text of at most 256 characters/],
    [{ name: "a\nb" }, /^task option name must be a non-empty text/],
    [{ numCpus: -1 }, /^task option numCpus must be a number ≥ 0/],
    [{ scheduling: "pack" }, /^task option scheduling must be "hybrid", "spread", .*; got "pack"$/],
    [{ scheduling: {} }, /^task option scheduling must be "hybrid"/],
    [{ scheduling: { node: "" } }, /^task option scheduling\.node must be the name or id of a node/],
    [{ scheduling: { node: "a b" } }, /^task option scheduling\.node must be .*; got "a b"$/],
    [{ scheduling: { node: 3 } }, /^task option scheduling\.node must be .*; got 3$/],
    [{ scheduling: { node: "a", soft: 1 } }, "task option scheduling.soft must be true or false; got 1"],
    [{ scheduling: { node: "a", sofd: true } }, "task option scheduling.sofd is unknown; did you mean soft?"],
    [{ scheduling: { node: "a", labels: {} } }, /^task option scheduling: node and labels are given/],
    [{ scheduling: { labels: { gpu: "in(" } } }, /^task option scheduling\.labels\["gpu"\] must be "x"/],
    [
      { scheduling: { placementGroup: {} } },
      /^task option scheduling\.placementGroup is not in this version/,
    ],
    [{ labels: { gpu: 1 } }, /^task option labels\["gpu"\] must be "x"/],
    [{ labels: "gpu" }, /^task option labels must be an object/],
    [{ runtimeEnv: {} }, /^task option runtimeEnv is not in this version/],
  ])("refuse %j", (options, message) => {
    expect(() => task(options)).toThrow(refusal(message));
    if (!Object.hasOwn(Object(options), "maxCalls")) {
      expect(() => task({}, options)).toThrow(refusal(message));
    }
  });

  it("refuse maxCalls in .options()", () => {
    expect(task({ maxCalls: 2 }).maxCalls).toBe(2);
    expect(() => task({}, { maxCalls: 2 })).toThrow(
      "task option maxCalls cannot be changed by .options(); give it to remote()",
    );
    expect(task({ maxCalls: 2 }, { maxCalls: undefined }).maxCalls).toBe(2);
  });
});

describe("retryOn", () => {
  it("decides by class, predicate, or always", () => {
    expect(shouldRetry(null, new Error("x"))).toBe(false);
    expect(shouldRetry(true, 5)).toBe(true);
    expect(shouldRetry([RangeError], new RangeError("x"))).toBe(true);
    expect(shouldRetry([RangeError], new TypeError("x"))).toBe(false);
    expect(shouldRetry((error) => error === 5, 5)).toBe(true);
    expect(
      shouldRetry(() => {
        throw new Error("predicate");
      }, 5),
    ).toBe(false);
    expect(compileTaskOptions({ retryOn: [] }).retryOn).toBeNull();
    expect(compileTaskOptions({ retryOn: false }).retryOn).toBeNull();
  });
});

describe("actor options", () => {
  it("hold nothing by default and need a CPU to be placed", () => {
    const compiled = compileActorOptions();
    expect(compiled).toMatchObject({
      shape: "",
      placementShape: "CPU=1",
      restarts: 0,
      taskRetries: 0,
      maxConcurrency: 1,
      concurrencyGroups: [],
      name: "",
      namespace: "",
      getIfExists: false,
      detached: false,
      maxPendingCalls: -1,
      methods: {},
    });
    expect(Object.isFrozen(compiled)).toBe(true);
    expect(compileActorOptions({ numCpus: 0 }).placementShape).toBe("");
    expect(compileActorOptions({ numCpus: 2 })).toMatchObject({ shape: "CPU=2", placementShape: "CPU=2" });
    expect(compileActorOptions({}, {}, { hasAsyncMethods: true }).maxConcurrency).toBe(1000);
    expect(compileActorOptions({ maxConcurrency: 3 }, {}, { hasAsyncMethods: true }).maxConcurrency).toBe(3);
  });

  it("take groups and methods", () => {
    const compiled = compileActorOptions(
      {
        concurrencyGroups: { io: { limit: 2, methods: ["read"] }, cpu: { limit: 1 } },
        methods: { slow: { timeout: "1m", concurrencyGroup: "cpu" } },
      },
      { name: "a", lifetime: "detached", getIfExists: true, maxPendingCalls: 5 },
      { methodNames: ["read", "slow"] },
    );
    expect(compiled.concurrencyGroups).toEqual([
      { name: "io", limit: 2, methods: ["read"] },
      { name: "cpu", limit: 1, methods: [] },
    ]);
    expect(compiled.methods["slow"]).toMatchObject({ timeoutMs: 60_000, concurrencyGroup: "cpu" });
    expect(compiled).toMatchObject({ name: "a", detached: true, getIfExists: true, maxPendingCalls: 5 });
  });

  it("accept what later versions will do when it asks for nothing", () => {
    expect(actor({ restarts: 0, taskRetries: 0, exactlyOnce: false })).toMatchObject({
      restarts: 0,
      taskRetries: 0,
    });
  });

  it.each([
    [{ restarts: 2 }, /^actor option restarts: 2 is not in this version/],
    [{ restarts: -1 }, /^actor option restarts: -1 is not in this version/],
    [{ restarts: "x" }, /^actor option restarts must be a whole number/],
    [{ taskRetries: 1 }, /^actor option taskRetries: 1 is not in this version/],
    [{ exactlyOnce: true }, /^actor option exactlyOnce: true is not in this version/],
    [{ exactlyOnce: 1 }, "actor option exactlyOnce must be true or false; got 1"],
    [{ checkpointEvery: 5 }, /^actor option checkpointEvery is not in this version/],
    [{ labels: { "a b": "x" } }, /^actor option labels: "a b" is not a label name/],
    [{ runtimeEnv: {} }, /not in this version/],
    [{ scheduling: { placementGroup: {}, bundle: 0 } }, /not in this version/],
    [{ maxConcurrency: 0 }, "actor option maxConcurrency must be a whole number ≥ 1; got 0"],
    [
      { maxPendingCalls: 0 },
      "actor option maxPendingCalls must be a whole number ≥ 1, or -1 for no limit; got 0",
    ],
    [
      { maxPendingCalls: 1.5 },
      "actor option maxPendingCalls must be a whole number ≥ 1, or -1 for no limit; got 1.5",
    ],
    [{ lifetime: "forever" }, 'actor option lifetime must be "handle" or "detached"; got "forever"'],
    [{ getIfExists: true }, "actor option getIfExists needs a name"],
    [{ getIfExists: "yes", name: "a" }, 'actor option getIfExists must be true or false; got "yes"'],
    [{ name: 5 }, /^actor option name must be a non-empty text/],
    [{ retries: 2 }, /^actor option retries is unknown; /],
    [{ concurrencyGroups: [] }, /^actor option concurrencyGroups must be an object like/],
    [{ concurrencyGroups: { io: 2 } }, /^actor option concurrencyGroups\.io must be an object like/],
    [
      { concurrencyGroups: { io: {} } },
      "actor option concurrencyGroups.io.limit must be a whole number ≥ 1; got undefined",
    ],
    [
      { concurrencyGroups: { io: { limit: 1, size: 2 } } },
      /^actor option concurrencyGroups\.io\.size is unknown/,
    ],
    [
      { concurrencyGroups: { io: { limit: 1, methods: "read" } } },
      /methods must be a list of method names; got "read"$/,
    ],
    [
      { concurrencyGroups: { a: { limit: 1, methods: ["read"] }, b: { limit: 1, methods: ["read"] } } },
      "actor option concurrencyGroups.b.methods: read is in the group a already",
    ],
    [
      { concurrencyGroups: { a: { limit: 1, methods: ["raed"] } } },
      "actor option concurrencyGroups.a.methods: the class has no method raed; did you mean read?",
    ],
    [{ methods: { slwo: {} } }, "actor option methods: the class has no method slwo; did you mean slow?"],
    [{ methods: { other: {} } }, "actor option methods: the class has no method other; it has read, slow"],
    [{ methods: { slow: { timeout: "x" } } }, /^actor option methods\.slow\.timeout must be milliseconds/],
    [{ methods: { slow: { numReturns: 2 } } }, /^actor option methods\.slow\.numReturns: give it per call/],
    [
      { methods: { slow: { concurrencyGroup: "io" } } },
      /must be one of concurrencyGroups \(none is declared\); got "io"$/,
    ],
    [{ methods: 5 }, /^actor option methods must be an object like/],
  ])("refuse %j", (options, message) => {
    expect(() => actor(options, undefined, { methodNames: ["read", "slow"] })).toThrow(refusal(message));
  });

  it("refuse concurrencyGroups in .options()", () => {
    expect(() => actor({}, { concurrencyGroups: {} })).toThrow(
      /concurrencyGroups cannot be changed by \.options\(\)/,
    );
  });
});

describe("method options", () => {
  it("are complete", () => {
    expect(compileMethodOptions({ timeout: "1s" }, { numReturns: 2 })).toEqual({
      name: "",
      timeoutMs: 1000,
      cancelGraceMs: 5000,
      numReturns: 2,
      backpressure: 0,
      concurrencyGroup: "",
    });
    expect(() => compileMethodOptions({ taskRetries: 1 } as never)).toThrow("not in this version");
    expect(() => compileMethodOptions({ backpressure: 0 })).toThrow("method option backpressure must be");
  });
});

describe("init options", () => {
  it("are completed from the machine", () => {
    const compiled = compileInitOptions(undefined, machine);
    expect(compiled).toMatchObject({
      cpuUnits: 40_000,
      gpuUnits: 20_000,
      objectStoreBytes: 314_572_800,
      memoryBytes: 734_003_200,
      resources: { CPU: 40_000, GPU: 20_000, memory: 734_003_200 },
      labels: {},
      spillDir: "",
      maxWorkers: 256,
      inline: false,
      logLevel: "warn",
      namespace: "",
    });
  });

  it("take what is given", () => {
    const compiled = compileInitOptions(
      {
        numCpus: 0,
        numGpus: 0,
        resources: { disk: 2 },
        labels: { zone: "a" },
        objectStore: "64MiB",
        inline: true,
      },
      machine,
    );
    expect(compiled).toMatchObject({ objectStoreBytes: 67_108_864, labels: { zone: "a" }, inline: true });
    expect(compiled.resources).toEqual({ disk: 20_000, memory: machine.memoryBytes - 67_108_864 });
    expect(compileInitOptions({ objectStore: "50%" }, machine).objectStoreBytes).toBe(
      machine.memoryBytes / 2,
    );
  });

  it.each([
    [{ address: "iono://x:1" }, /^init option token must be the token that `iono start --head`/],
    [{ token: "t" }, /^init option address must be the address of the cluster/],
    [
      { address: "iono://x:1", token: "t", inline: true },
      /^init option inline must be false with an address/,
    ],
    [
      { address: "iono://x:1", token: "t", numCpus: 2 },
      "init option numCpus must be absent with an address: the cluster has its own; got 2",
    ],
    [{ address: 5 }, 'init option address must be "iono://host:port"; got 5'],
    [{ dashboard: true }, /^init option dashboard is not in this version/],
    [{ runtimeEnv: {} }, /^init option runtimeEnv is not in this version/],
    [{ num_cpus: 2 }, "init option num_cpus is unknown; did you mean numCpus?"],
    [{ numCpus: -1 }, /^init option numCpus must be a number/],
    [{ numGpus: 0.5 }, "init option numGpus must be a whole number ≥ 0; got 0.5"],
    [{ resources: { CPU: 1 } }, /is given by the option numCpus; use that$/],
    [{ labels: { a: 1 } }, /^init option labels\["a"\] must be/],
    [
      { labels: Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`l${at}`, "x"])) },
      /at most 64 labels/,
    ],
    [{ objectStore: "95%" }, /^init option objectStore must be a share up to "90%"/],
    [{ objectStore: "x%" }, /^init option objectStore must be a share/],
    [{ objectStore: 0.3 }, /^init option objectStore must be whole bytes/],
    [{ objectStore: 100 }, /^init option objectStore must be at least "1MiB"/],
    [{ spillDir: "" }, 'init option spillDir must be a directory\'s path; got ""'],
    [{ maxWorkers: 0 }, "init option maxWorkers must be a whole number ≥ 1; got 0"],
    [{ inline: 1 }, "init option inline must be true or false; got 1"],
    [
      { logLevel: "loud" },
      'init option logLevel must be "debug" or "info" or "warn" or "error" or "silent"; got "loud"',
    ],
    [{ namespace: "" }, /^init option namespace must be a non-empty text/],
  ])("refuse %j", (options, message) => {
    expect(() => init(options)).toThrow(refusal(message));
  });
});

describe("get and wait options", () => {
  const { signal } = new AbortController();

  it("wait without limit by default", () => {
    expect(compileGetOptions()).toEqual({ timeoutMs: Infinity, signal: undefined });
    expect(compileGetOptions({ timeout: 0, signal })).toEqual({ timeoutMs: 0, signal });
    expect(compileWaitOptions(undefined, 3)).toEqual({ timeoutMs: Infinity, signal: undefined, count: 1 });
    expect(compileWaitOptions({ count: 3, timeout: "1s" }, 3)).toMatchObject({ timeoutMs: 1000, count: 3 });
    expect(compileWaitOptions(undefined, 0).count).toBe(0);
  });

  it.each([
    [{ timeout: "x" }, /^get option timeout must be milliseconds/],
    [{ signal: {} }, "get option signal must be an AbortSignal; got {  }"],
    [{ signal: null }, "get option signal must be an AbortSignal; got null"],
    [{ count: 1 }, /^get option count is unknown/],
  ])("refuse %j", (options, message) => {
    expect(() => compileGetOptions(options as never)).toThrow(refusal(message));
  });

  it.each([
    [{ count: 4 }, "wait option count must be at most 3, the number of refs; got 4"],
    [{ count: 0 }, "wait option count must be a whole number ≥ 1; got 0"],
    [{ num_returns: 1 }, /^wait option num_returns is unknown/],
  ])("refuse %j to wait", (options, message) => {
    expect(() => compileWaitOptions(options as never, 3)).toThrow(refusal(message));
  });
});

describe("map options", () => {
  it("are complete", () => {
    expect(compileMapOptions(undefined, 4)).toEqual({
      batch: 0,
      concurrency: 8,
      ordered: true,
      onError: "throw",
      signal: undefined,
      progress: false,
      progressLabel: "map",
      progressTotal: -1,
    });
    expect(compileMapOptions({ progress: { label: "embed", total: 5 } }, 0)).toMatchObject({
      concurrency: 1,
      progress: true,
      progressLabel: "embed",
      progressTotal: 5,
    });
  });

  it.each([
    [{ batch: 0 }, "map option batch must be a whole number ≥ 1; got 0"],
    [{ concurrency: 0 }, "map option concurrency must be a whole number from 1 to 100000; got 0"],
    [{ ordered: "no" }, 'map option ordered must be true or false; got "no"'],
    [
      { onError: "ignore" },
      'map option onError must be "throw", "skip" or a function (error, item, index) => result; got "ignore"',
    ],
    [{ signal: 1 }, "map option signal must be an AbortSignal; got 1"],
    [{ progress: "bar" }, 'map option progress must be true, false or { label, total }; got "bar"'],
    [{ progress: { total: -1 } }, "map option progress.total must be a whole number ≥ 0; got -1"],
    [{ progress: { lable: "x" } }, "map option progress.lable is unknown; did you mean label?"],
    [{ batchSize: 1 }, /^map option batchSize is unknown/],
  ])("refuse %j", (options, message) => {
    expect(() => map(options)).toThrow(refusal(message));
  });
});

it("guesses what was meant, and only then", () => {
  const names = ["numCpus", "retries", "retryOn", "retryDelay"];
  expect(closestName("num-cpus", names)).toBe("numCpus");
  expect(closestName("retires", names)).toBe("retries");
  expect(closestName("retrydelay", names)).toBe("retryDelay");
  expect(closestName("x", names)).toBeUndefined();
  expect(closestName("batchSize", names)).toBeUndefined();
  expect(closestName("", names)).toBeUndefined();
});
