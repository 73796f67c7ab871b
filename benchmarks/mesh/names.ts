/** Names of the figures of several nodes: goals and Ray's figures go by them. */
export const names = {
  transfer: "object between two nodes: rate",
  bare: "object between two nodes: rate of bare ZeroMQ with CURVE",
  transferByBare: "object between two nodes: time by that of bare ZeroMQ",
  broadcastTime: "object to 8 nodes, links of 10 MB/s: time by that to one",
  broadcastBytes: "object to 8 nodes, links of 10 MB/s: bytes the source sends, by the object",
  join: "a node joins: the command",
  agentJoin: "a node joins: its agent",
  agentsJoined: "100 agents: all have joined",
  agentsTasks: "100 agents: 100,000 tasks of 5 ms",
  headCpu: "head: CPU time for 1,000 tasks of others",
  headBytes: "head: bytes for 1,000 tasks of others",
} as const;
