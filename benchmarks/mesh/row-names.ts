/** Names of the rows, for those who only choose among them; the programs' own are the same. */
export const farRowNames = [
  "tasks to another node sync",
  "tasks to another node async",
  "actor calls to another node sync",
  "actor calls to another node async",
] as const;

/** Ray's. */
export const clientRowNames = [
  "client: get calls",
  "client: tasks and get batch",
  "client: put calls",
  "client: tasks and put batch",
  "client: put gigabytes",
  "client: 1:1 actor calls sync",
  "client: 1:1 actor calls async",
  "client: 1:1 actor calls concurrent",
] as const;
