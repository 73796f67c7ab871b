/** The head process of a cluster of several machines. Started by a supervisor, to which it is connected by descriptor 3. */
import { headNode, IonoError, type NodeReport } from "@iono/core";
import { randomBytes } from "node:crypto";
import { serveControl } from "../agent/control-socket.ts";
import { ConnectedGateway } from "../mesh/gateway/client-connected.ts";
import { JoinDesk } from "../mesh/join-desk.ts";
import { createMesh } from "../mesh/mesh.ts";
import { platform } from "../platform/index.ts";
import { supervisorLink } from "../supervisor/messages.ts";
import { version } from "../version.ts";
import { Head } from "./head.ts";
import { readNodeReport } from "./node-report.ts";
import { readHeadOptions } from "./options.ts";

/** What is on its way to the nodes when the head ends gets this long. */
const lastWordsMs = 300;
/** How long a node may be away and join again without a new token. */
const againMs = 7 * 24 * 60 * 60 * 1000;
const statusMs = 1500;

const options = readHeadOptions();
platform().dieWithParent("SIGTERM", options.supervisorPid);
process.on("SIGINT", () => {});
process.on("SIGHUP", () => {});

const clusterId = randomBytes(12).toString("hex");
const gateway = new ConnectedGateway(options.gateway, { clusterId, serves: [headNode], guards: true });
const mesh = createMesh({
  node: headNode,
  network: gateway,
  events: {
    linked: (node, channel, link) => {
      if (channel === "control") head.linked(node, link);
      else link.destroy();
    },
    health: (node, health) => head.health(node, health),
  },
});
const endpoint = `tcp://${options.endpoint}`;
const head = new Head(
  {
    clusterId,
    endpoint,
    allow: (node, publicKey) => gateway.allow({ node, publicKey }),
    revoke: (node) => gateway.revoke(node),
  },
  mesh,
);
/** Of nodes that have joined: no business of people. */
const againTokens = new Set<string>();
const desk = new JoinDesk({
  version,
  serverPublicKey: options.keys.publicKey,
  welcome: ({ publicKey, info }) => {
    const report = readNodeReport(info);
    if (report === undefined) throw new IonoError("BadOption", "what it says of itself cannot be understood");
    const { node, name } = head.join(report, publicKey);
    return Promise.resolve({
      clusterId,
      node,
      endpoint: options.isAdvertised ? endpoint : "",
      details: { name, again: againToken(report) },
    });
  },
});

/** Good for whoever presents it first, which is the node that it is given to. */
function againToken({ kind }: NodeReport): string {
  if (kind !== "node") return "";
  const made = desk.createToken(options.joinPort, { uses: 1, lifeMs: againMs });
  againTokens.add(made.id);
  return made.token;
}

gateway.onJoin = (request) => desk.answer(request);

const supervisor = supervisorLink(
  (message) => {
    if (message.t === "gateway") gateway.moved(message.path);
    else if (message.t === "stop") stop(message.reason);
  },
  () => stop("the supervisor has ended"),
);

function stop(reason: string): void {
  head.stop(reason);
  setTimeout(() => void mesh.close().finally(() => process.exit(0)), lastWordsMs);
}
process.on("SIGTERM", () => stop("the head was asked to end"));

process.title = await serveControl("head", {
  status: () => head.status(statusMs),
  token: (request) => {
    const { role, uses, lifeMs } = request as { role?: "node" | "client"; uses?: number; lifeMs?: number };
    const made = desk.createToken(options.joinPort, {
      ...(role === undefined ? {} : { role }),
      ...(uses === undefined ? {} : { uses }),
      ...(lifeMs === undefined ? {} : { lifeMs }),
    });
    return { ...made, address: `iono://${options.endpoint}` };
  },
  tokens: () => ({
    tokens: desk
      .tokens()
      .filter(({ id }) => !againTokens.has(id))
      .map(({ hash: _hash, usedBy, ...rest }) => ({ ...rest, used: usedBy.length })),
  }),
  revoke: (request) => ({ revoked: desk.withdraw(String((request as { id?: unknown }).id)) }),
});
supervisor.tell({
  t: "head ready",
  token: desk.createToken(options.joinPort, { lifeMs: options.tokenMs }).token,
});
