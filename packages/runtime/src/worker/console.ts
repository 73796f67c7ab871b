/** What tasks print goes to the driver's terminal, in order, with the task's name: written before the task's result is. */
import type { AgentLink } from "../member/agent-link.ts";
import { taskStorage } from "../executor/task-context.ts";

export function forwardOutput(agent: AgentLink): void {
  for (const stream of ["stdout", "stderr"] as const) {
    const decoder = new TextDecoder();
    const write = (chunk: string | Uint8Array, encoding?: unknown, callback?: unknown): boolean => {
      const text = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
      agent.notify({ t: "log", stream, label: taskStorage.getStore()?.definition.name ?? "worker", text });
      const done = typeof encoding === "function" ? encoding : callback;
      if (typeof done === "function") queueMicrotask(() => done());
      return true;
    };
    process[stream].write = write as typeof process.stdout.write;
  }
}
