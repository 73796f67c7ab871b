export { startCluster } from "./cluster.ts";
export type { NodeProcesses, TestCluster, TestNode, TestNodeOptions } from "./cluster.ts";
export { describeLink } from "./conformance/link.ts";
export type { LinkEventsUnderTest, LinkUnderTest, MakePair } from "./conformance/link.ts";
export { hostsAvailable } from "./hosts/available.ts";
export type { HostsAvailable } from "./hosts/available.ts";
export type { Host, HostRunOptions, HostRunResult } from "./hosts/host.ts";
export { createHosts } from "./hosts/hosts.ts";
export type { Hosts, HostsOptions } from "./hosts/hosts.ts";
export { startRelay } from "./hosts/relay.ts";
export type { Relay, RelayOptions } from "./hosts/relay.ts";
export type { LinkSettings } from "./hosts/shape.ts";
export {
  abandoned,
  describeLeaks,
  findLeaks,
  leakedFiles,
  leakedProcesses,
  sharedMemoryFiles,
} from "./leaks.ts";
export type { LeakedProcess, Leaks, LeakSearch } from "./leaks.ts";
export { installedSizes, installNode, npmInstall, packagesWithInstallScripts, packPackages } from "./pack.ts";
export { linkedFolder, runProgram, sourceNodeArgs, workspaceRoot } from "./programs.ts";
export type { LinkedFolder, ProgramOptions, ProgramResult } from "./programs.ts";
export { startProxy } from "./proxy.ts";
export type {
  Address,
  Direction,
  DirectionCounters,
  Faults,
  ProxyConnection,
  ProxyCounters,
  ProxyOptions,
  Side,
  TcpProxy,
  Which,
} from "./proxy.ts";
export { seededRandom } from "./proxy-random.ts";
export type { Random } from "./proxy-random.ts";
export { matchesPromise, snippetsOf } from "./snippets.ts";
export type { Snippet } from "./snippets.ts";
