/** What the table compares with. */
import { names } from "../mesh/names.ts";

/** Times Ray, by Ray's name of the row. */
export const timesRay: Record<string, number> = {
  "single client get calls": 100,
  "single client put calls": 300,
  "multi client put calls": 300,
  "single client put gigabytes": 2,
  "multi client put gigabytes": 1,
  "single client tasks and get batch": 120,
  "single client get object containing 10k refs": 20,
  "single client wait 1k refs": 100,
  "single client tasks sync": 20,
  "single client tasks async": 150,
  "multi client tasks async": 100,
  "1:1 actor calls sync": 12,
  "1:1 actor calls async": 60,
  "1:1 actor calls concurrent": 60,
  "1:n actor calls async": 60,
  "n:n actor calls async": 60,
  "n:n actor calls with arg async": 100,
  "1:1 async-actor calls sync": 15,
  "1:1 async-actor calls async": 100,
  "1:1 async-actor calls with args async": 100,
  "1:n async-actor calls async": 100,
  "n:n async-actor calls async": 100,
  // On several nodes
  "tasks to another node sync": 3,
  "tasks to another node async": 40,
  "actor calls to another node sync": 1.5,
  "actor calls to another node async": 40,
};

/** Share of the plain copy of the same bytes that a large put reaches. */
export const shareOfCopy = 0.8;

/** Figures that are to stay at or below a value, in the figure's unit. */
export const atMost: Record<string, number> = {
  "cold start: printed first result": 0.3,
  "idle memory": 150,
  "killed worker: its task runs again": 0.1,
  "queued tasks: memory of one": 500,
  // On several nodes
  [names.transferByBare]: 1.25,
  [names.broadcastTime]: 2,
  [names.broadcastBytes]: 1.3,
  [names.join]: 0.5,
  [names.agentJoin]: 0.5,
  [names.agentsJoined]: 20,
};
