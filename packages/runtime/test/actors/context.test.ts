import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { get, init, nodes, remote, runtimeContext, shutdown } from "../../src/index.ts";

beforeAll(async () => {
  await init({ numCpus: 2, resources: { seat: 2 }, namespace: "context" });
});
afterAll(shutdown);

/** What of a context can travel. */
const here = () => {
  const { jobId, nodeId, taskId, actorId, attempt, resources, gpuIds, namespace, signal } = runtimeContext();
  return { jobId, nodeId, taskId, actorId, attempt, resources, gpuIds, namespace, aborted: signal.aborted };
};

class Actor {
  readonly constructed = here();
  inConstructor(): ReturnType<typeof here> {
    return this.constructed;
  }
  inMethod(): ReturnType<typeof here> {
    return here();
  }
  async later(): Promise<ReturnType<typeof here>> {
    await new Promise((resolve) => setImmediate(resolve));
    return here();
  }
}

describe("runtimeContext", () => {
  it("of the driver (R8)", async () => {
    const [node] = await nodes();
    expect(here().jobId).toMatch(/^job-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(here().jobId).toBe(here().jobId);
    expect(here()).toMatchObject({
      nodeId: node.id,
      taskId: undefined,
      actorId: undefined,
      attempt: 0,
      gpuIds: [],
      namespace: "context",
      aborted: false,
    });
  });

  it("of a task: its own resources, its id, its program's job and namespace (R8)", async () => {
    const task = remote(() => here());
    const [first, second, third] = await get([
      task.remote(),
      task.options({ numCpus: 0.5, resources: { seat: 1.5 }, memory: "64MiB" }).remote(),
      task.options({ numCpus: 0 }).remote(),
    ]);
    expect(first).toMatchObject({
      jobId: here().jobId,
      nodeId: "local",
      actorId: undefined,
      attempt: 0,
      resources: { CPU: 1 },
      gpuIds: [],
      namespace: "context",
    });
    expect(first.taskId).toMatch(/^task-1-[0-9a-z]+$/);
    expect(second.taskId).not.toBe(first.taskId);
    expect(second.resources).toEqual({ CPU: 0.5, seat: 1.5, memory: 64 * 1024 ** 2 });
    expect(third.resources).toEqual({});
  });

  it("of an actor: its id and what it holds, in the constructor too (R8)", async () => {
    const actor = remote(Actor, { resources: { seat: 1 } }).remote();
    const [constructed, inMethod, later] = await get([
      actor.inConstructor.remote(),
      actor.inMethod.remote(),
      actor.later.remote(),
    ]);
    expect(constructed).toMatchObject({
      actorId: expect.stringMatching(/^actor-1-[0-9a-z]+$/),
      taskId: undefined,
      resources: { seat: 1 },
      namespace: "context",
    });
    expect(inMethod).toMatchObject({
      actorId: constructed.actorId,
      taskId: expect.stringMatching(/^task-/),
      resources: { seat: 1 },
    });
    expect(later).toMatchObject({ actorId: constructed.actorId, taskId: expect.stringMatching(/^task-/) });
    expect(later.taskId).not.toBe(inMethod.taskId);
    const other = remote(Actor).remote();
    expect((await get(other.inMethod.remote())).actorId).not.toBe(constructed.actorId);
  });

  it("of a task that another submitted (R8)", async () => {
    const inner = remote(() => here());
    const outer = remote(async () => [here(), await get(inner.remote())]);
    const [a, b] = await get(outer.remote());
    expect(b.taskId).not.toBe(a.taskId);
    expect(b).toMatchObject({ namespace: "context", resources: { CPU: 1 } });
  });
});
