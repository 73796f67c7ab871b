export {
  badOption,
  CannotTravelError,
  describeValue,
  errorsMarkdown,
  errorTable,
  hasCode,
  IonoError,
  isTaskError,
} from "./errors.ts";
export type { ErrorCode, RemoteOrigin } from "./errors.ts";
export {
  actorNumber,
  actorsPerProcess,
  creatorOf,
  formatNumberedId,
  formatOwnedId,
  formatRefId,
  mostNodes,
  nodeId,
  nodeOf,
  parseNumberedId,
  parseOwnedId,
  parseRefId,
  processNumber,
  processesPerNode,
} from "./ids.ts";
export type { NumberedKind, OwnedId, OwnedKind } from "./ids.ts";
export {
  formatLabelCondition,
  formatLabelConditions,
  matchesLabels,
  parseLabels,
  parseLabelSelector,
} from "./labels.ts";
export type { LabelCondition, Labels, LabelSelector } from "./labels.ts";
export { limits } from "./limits.ts";
export type { LimitName, LimitRow, LimitUnit } from "./limits.ts";
export { compileActorOptions } from "./options/actor.ts";
export type {
  ActorClassInfo,
  ActorOptions,
  CompiledActorOptions,
  CompiledConcurrencyGroup,
  ConcurrencyGroup,
} from "./options/actor.ts";
export { closestName } from "./options/did-you-mean.ts";
export { compileGetOptions, compileWaitOptions } from "./options/get.ts";
export type { CompiledGetOptions, CompiledWaitOptions, GetOptions, WaitOptions } from "./options/get.ts";
export { compileInitOptions, localInitOptions } from "./options/init.ts";
export type { CompiledInitOptions, InitOptions, LogLevel, MachineTotals } from "./options/init.ts";
export { compileMapOptions } from "./options/map.ts";
export type { CompiledMapOptions, MapOptions, OnError, ProgressOptions } from "./options/map.ts";
export { compileMethodOptions } from "./options/method.ts";
export type { CompiledMethodOptions, MethodOptions } from "./options/method.ts";
export type { AbortSignalLike } from "./options/read.ts";
export { shouldRetry } from "./options/retry.ts";
export type { ErrorClass, RetryOn } from "./options/retry.ts";
export {
  compileScheduling,
  hybridStrategy,
  nearStrategy,
  parseStrategyKey,
  strategyKey,
} from "./options/scheduling.ts";
export type { Scheduling, SchedulingStrategy } from "./options/scheduling.ts";
export { compileTaskOptions } from "./options/task.ts";
export type { CompiledTaskOptions, TaskOptions } from "./options/task.ts";
export {
  addResources,
  fits,
  gpuUnits,
  makeVector,
  missingResource,
  noResources,
  parseResources,
  parseShapeKey,
  resourceAmount,
  resourceAmounts,
  resourceUnits,
  shapeKey,
  subtractResources,
  unitsPerResource,
} from "./resources.ts";
export type { ResourceOptions, ResourceVector } from "./resources.ts";
export { formatDuration, formatSize, parseDuration, parseSize } from "./units.ts";
export type { Duration, DurationUnit, Size, SizeUnit } from "./units.ts";
export {
  dataLaneBit,
  FrameError,
  frameHeaderBytes,
  frameKinds,
  FrameParser,
  maxFrameBytes,
  writeFrameHeader,
} from "./protocol/frame.ts";
export type { FrameKind, FrameSink } from "./protocol/frame.ts";
export {
  channels,
  datagramHeaderBytes,
  datagramVersion,
  headNode,
  maxDatagramBytes,
  readDatagramHeader,
  writeDatagramHeader,
} from "./protocol/mesh.ts";
export type { Channel, DatagramHeader } from "./protocol/mesh.ts";
export {
  connectionIdleMs,
  hop,
  hopRefusals,
  isNodeNumber,
  isPublicKey,
  maxJoinAnswerBytes,
  maxJoinBytes,
  maxPingBytes,
  readToGateway,
} from "./protocol/gateway.ts";
export type { AllowedNode, FromGateway, GatewayCounters, HopRefusal, ToGateway } from "./protocol/gateway.ts";
export {
  claim,
  linkPage,
  noClaimSlot,
  resultEntryHeaderBytes,
  resultStatus,
  taskEntryHeaderBytes,
  taskFlags,
  wholeResult,
} from "./protocol/owner-worker.ts";
export {
  mostFailedSources,
  objectMessagesPerList,
  pieceBytes,
  pieceHeaderBytes,
  readObjectMessage,
  readPieceHeader,
  writePieceHeader,
} from "./protocol/objects.ts";
export type { ObjectMessage, ObjectName, PieceHeader } from "./protocol/objects.ts";
export type { BlockName } from "./machines/store-events.ts";
export { TransferMachine } from "./machines/transfer.ts";
export type {
  FetchFailure,
  TransferEvent,
  TransferInstruction,
  TransferOptions,
  TransferStats,
} from "./machines/transfer-events.ts";
export { payloadForms, referenceKinds, referenceStates } from "./protocol/payload.ts";
export type { StoreLocation } from "./protocol/payload.ts";
export { LeaseMachine } from "./machines/lease.ts";
export { LinkMachine } from "./machines/link.ts";
export type { LinkEvent, LinkInstruction, LinkSettings } from "./machines/link.ts";
export { SessionMachine } from "./machines/session.ts";
export { resetFor, sessionSettings } from "./machines/session-events.ts";
export type {
  SessionEnd,
  SessionEvent,
  SessionInstruction,
  SessionSettings,
  Transmit,
} from "./machines/session-events.ts";
export {
  readSessionHeader,
  sessionHeaderBytes,
  sessionTypes,
  writeSessionHeader,
} from "./machines/session-header.ts";
export type { SessionHeader } from "./machines/session-header.ts";
export type { LeaseEvent, LeaseInstruction, LeaseSettings, WorkKind } from "./machines/lease-events.ts";
export { leaseKey, leaseTickMs, sanitizeResources } from "./machines/lease-events.ts";
export { circuitEnd, circuitHeaderBytes, writeCircuitFrame, writePairs } from "./protocol/circuit.ts";
export type { CircuitHello } from "./protocol/circuit.ts";
export type {
  JobInfo,
  LeftNode,
  NodeInfo,
  NodeMessage,
  NodeReport,
  Welcome,
} from "./protocol/agent-agent.ts";
export type { FromHead, ToHead } from "./protocol/agent-head.ts";
export { deathReasonWaitMs } from "./protocol/owner-agent.ts";
export type { ActorMethod, ActorSpec, FromAgent, ToAgent } from "./protocol/owner-agent.ts";
export { CancelInbox, TaskCancellation } from "./machines/cancel.ts";
export type {
  CancelClaim,
  CancelEvent,
  CancelInboxEvent,
  CancelInboxInstruction,
  CancelInstruction,
  CancelPlace,
} from "./machines/cancel.ts";
export { StreamConsumer, StreamProducer } from "./machines/generator.ts";
export type {
  ConsumerEvent,
  ConsumerInstruction,
  ProducerEvent,
  ProducerInstruction,
} from "./machines/generator.ts";
export { ActorQueue, actorQueueEvent, actorQueueInstruction } from "./machines/actor-queue.ts";
export type { ActorQueueEvent, ActorQueueInstruction } from "./machines/actor-queue.ts";
export { compileGetActor, compileListNamedActors } from "./options/actor-names.ts";
export type { GetActorOptions, ListNamedActorsOptions } from "./options/actor-names.ts";
export { ActorDirectory } from "./machines/actor-directory.ts";
export type { ActorEvent, ActorInstruction, ActorState } from "./machines/actor-directory.ts";
export { StoreMachine } from "./machines/store.ts";
export { storePageBytes } from "./machines/store-events.ts";
export type {
  DiskPlace,
  RefusalReason,
  StoreEvent,
  StoreInstruction,
  StoreOptions,
  StoreStats,
} from "./machines/store-events.ts";
export { Borrower, Lender } from "./machines/borrow.ts";
export type {
  BorrowerEvent,
  BorrowerInstruction,
  LenderEvent,
  LenderInstruction,
} from "./machines/borrow.ts";
export { GatewayRoutes } from "./machines/gateway-routes.ts";
export type {
  BoundConnection,
  DropReason,
  GatewayEvent,
  GatewayInstruction,
  Route,
} from "./machines/gateway-routes.ts";
export { Rate, Rates } from "./machines/gateway-routes-rate.ts";
export type { RateSettings } from "./machines/gateway-routes-rate.ts";
export { defaultTokenMs, maxTokens, maxTokenUses, TokenMachine } from "./machines/tokens.ts";
export type { JoinRole, Redemption, TokenClaim, TokenRecord, TokenRefusal } from "./machines/tokens.ts";
export {
  maxAhead,
  maxSpecifierChars,
  readCodeAnswer,
  readCodeReply,
  readCodeRequest,
} from "./protocol/code.ts";
export type {
  BuiltinReply,
  CodeAnswer,
  CodeReply,
  CodeRequest,
  LoadRequest,
  ModuleFormat,
  ModuleReply,
  PackageReply,
  ResolveRequest,
} from "./protocol/code.ts";
export { NodeTable } from "./machines/node-table.ts";
export type { NodeEvent, NodeInstruction, NodeState, NodeTableSettings } from "./machines/node-table.ts";
export { place } from "./scheduling/pick.ts";
export type { Placement, PlacementRequest } from "./scheduling/pick.ts";
export type { Infeasible } from "./scheduling/feasible.ts";
export { readNodeChange, readViewDelta } from "./scheduling/node-view.ts";
export type { NodeChange, NodeFacts, NodeView, ViewDelta } from "./scheduling/node-view.ts";
export { ClusterView } from "./scheduling/view.ts";
export type { Applied, ClusterViewSettings } from "./scheduling/view.ts";
export { DemandRouter } from "./scheduling/router.ts";
export { routerTickMs } from "./scheduling/router-events.ts";
export type { RouterEvent, RouterInstruction, RouterSettings } from "./scheduling/router-events.ts";
