/** A worker process: runs tasks, or one actor. Started by its agent, which is connected to it by descriptor 3. */
import { frameKinds } from "@iono/core";
import * as net from "node:net";
import "../index.ts";
import { introduce, setMember } from "../api/runtime.ts";
import { installEntryGuard } from "../capture/index.ts";
import { Executor } from "../executor/executor.ts";
import { UnixLink } from "../links/unix.ts";
import type { Hello } from "../member/hello.ts";
import { Member } from "../member/member.ts";
import { packMessage } from "../owner/payload.ts";
import { platform } from "../platform/index.ts";
import { forwardOutput } from "./console.ts";
import { actorIdOf, hostActor } from "./host-actor.ts";
import { ThreadSetting } from "./threads.ts";
import type { WorkerCode } from "../code/index.ts";
import { readWorkerOptions } from "./options.ts";

const options = readWorkerOptions();
platform().dieWithParent("SIGKILL", options.parentPid);
process.title = "iono worker";
process.on("SIGINT", () => {});
process.on("SIGHUP", () => {});

const threads = new ThreadSetting();
let flushOutput = (): void => {};

const socket =
  options.agentPath === "" ? new net.Socket({ fd: 3 }) : net.connect({ path: options.agentPath });
const link = new UnixLink(socket, {
  frame: (_kind, chunk, start, end) => member.agent.receive(chunk, start, end),
  closed: () => process.exit(1),
});

const member: Member = new Member({
  processNumber: options.number,
  entryUrl: options.entry === "" ? undefined : options.entry,
  namespace: options.namespace,
  job: options.job,
  resources: options.resources,
  owed: () => {},
  warn: (message) => process.emitWarning(message, "IonoWarning"),
  stop: (reason) => end(reason),
  onFlush: () => {
    flushOutput();
    member.agent.notify({ t: "flushed" });
  },
  onHost: ({ actor }) => {
    process.title = `iono actor ${actor.className}`;
    member.actorId = actorIdOf(actor.actor);
    member.taskResources = actor.running;
    hostActor(member, executor, actor, (error, message) =>
      member.agent.notify({ t: "actor constructed", error, message }),
    );
  },
});

const executor: Executor = new Executor(member.owner, {
  blocked: (blocked) => member.agent.notify({ t: "blocked", blocked }),
  retire: (reason) => end(reason),
  learnDefinition: (key, payload) => member.learnDefinition(key, payload),
  threads: (count) => threads.set(count),
});
member.gpuIds = options.gpuIds;
member.execute(executor, true);
if (options.agentPath !== "") {
  const hello: Hello = { secret: options.secret, process: options.number, page: null };
  link.send("control", frameKinds.hello, packMessage(hello));
}
member.agent.attach(link);
member.peers.secret = options.secret;
member.useStore(options.storePath, options.agentPid);
// Handles and remote functions may arrive before any user code has loaded the API.
introduce(member);
setMember(member, null);
if (options.code !== null) await useForeignProgram(options.code);
if (options.entry !== "") installEntryGuard(options.entry);
flushOutput = forwardOutput(member.agent);

/** Modules of the program come from its own machine. A worker for which they cannot be had ends: Node remembers failures. */
async function useForeignProgram(code: WorkerCode): Promise<void> {
  const { importFromElsewhere } = await import("../code/index.ts");
  importFromElsewhere(code, options.number, options.secret, (error) => end(error.message));
}

let ending = false;
/** Ends this process once its results are out: the exit waits for what is written to reach the kernel. */
function end(reason: string): void {
  if (ending) return;
  ending = true;
  member.agent.notify({ t: "retire", reason });
  executor.drain(() => process.exit(0));
}

void member.peers.listen().then((path) => member.agent.notify({ t: "listening", path, pid: process.pid }));
