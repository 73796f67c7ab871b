/** The two hot paths that the gate guards. */
import { get, remote } from "iono";
import type { ObjectRef } from "iono";
import { startProbe, stopProbe } from "./probe.ts";
import type { Usage } from "./probe.ts";

/** Something that is submitted over and over to one worker, which can be measured. */
export interface Load {
  name: string;
  submit(): ObjectRef<string>;
  start(): Promise<number>;
  stop(): Promise<Usage>;
}

const Probed = remote(
  class {
    smallValue(): string {
      return "ok";
    }
    start(): number {
      return startProbe();
    }
    stop(): Usage {
      return stopProbe();
    }
  },
  { numCpus: 0 },
);

/** Tasks on the one worker of a node with one CPU. */
export function tasksLoad(): Load {
  const smallValue = remote(() => "ok");
  const start = remote(startProbe);
  const stop = remote(stopProbe);
  return {
    name: "tasks async",
    submit: () => smallValue.remote(),
    start: () => get(start.remote()),
    stop: () => get(stop.remote()),
  };
}

/** Calls of one actor. */
export function actorLoad(): Load {
  const actor = Probed.remote();
  return {
    name: "1:1 actor calls async",
    submit: () => actor.smallValue.remote(),
    start: () => get(actor.start.remote()),
    stop: () => get(actor.stop.remote()),
  };
}
