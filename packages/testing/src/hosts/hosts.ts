/**
 * Real separate hosts on one Linux machine: network namespaces at one switch, which is a namespace too, so that all of
 * it is gone with its names and nothing is seen outside. Root only; ask `hostsAvailable` first.
 *
 * A host behind NAT keeps its address, but no connection to it can be opened: packets that would are swallowed, as by
 * a router. TCP only for such a host.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostsAvailable } from "./available.ts";
import { ip, run, tc } from "./commands.ts";
import { Host } from "./host.ts";
import type { HostNetwork } from "./host.ts";
import type { Connection } from "./machine.ts";
import { directoryPrefix, namespaceName, removeAbandoned, removeNamespace } from "./namespaces.ts";
import { checkLink, filterLines, linkLines, treeLines } from "./shape.ts";
import type { LinkSettings } from "./shape.ts";

export interface HostsOptions {
  /** Of lower-case letters, digits and hyphens. */
  readonly names: readonly string[];
  /** Of every host, until it is changed. */
  readonly links?: LinkSettings;
  /** Names of those that nobody can connect to. */
  readonly nat?: readonly string[];
}

export interface Hosts extends AsyncDisposable {
  readonly all: readonly Host[];
  /** @throws RangeError when there is none of this name. */
  host(name: string): Host;
  /** Packets from the one host do not reach the other; nobody is told. The other direction goes on. */
  cutOneWay(from: string, to: string): Promise<void>;
  /** The two do not reach each other. */
  cut(a: string, b: string): Promise<void>;
  /** Every link is up, no two are cut apart, and each link is as `links` said. */
  heal(): Promise<void>;
  /** Kills what runs on the hosts and removes them. */
  close(): Promise<void>;
}

interface Port {
  readonly host: Host;
  /** Its device in the switch. */
  readonly device: string;
  link: LinkSettings;
  readonly cutFrom: Set<string>;
  forgotten: readonly Connection[];
  /** The devices that have filters now. */
  readonly filtered: Set<string>;
}

const switchName = "switch";
const mostHosts = 200;
let sets = 0;
/** Removes what is open, for processes that end without closing. */
const open = new Set<() => void>();

function removeAllOpen(): void {
  for (const remove of open) remove();
}

/**
 * @throws Error where hosts cannot be made, saying why.
 * @throws RangeError for names and settings that cannot be.
 */
export async function createHosts(options: HostsOptions): Promise<Hosts> {
  const available = hostsAvailable();
  if (!available.ok) throw new Error(`hosts cannot be made here: ${available.why}`);
  check(options, available.delay);
  removeAbandoned();
  if (open.size === 0) process.once("exit", removeAllOpen);
  const network = new SwitchedHosts(options);
  try {
    await network.build();
  } catch (error) {
    await network.close();
    throw error;
  }
  return network;
}

function check({ names, links = {}, nat = [] }: HostsOptions, delay: boolean): void {
  if (names.length === 0 || names.length > mostHosts)
    throw new RangeError(`names: ${names.length} is not a number of hosts from 1 to ${mostHosts}`);
  for (const name of names)
    if (!/^[a-z][a-z0-9-]{0,19}$/.test(name) || name === switchName)
      throw new RangeError(`names: ${name} is not 1 to 20 lower-case letters, digits and hyphens`);
  if (new Set(names).size < names.length) throw new RangeError("names: one is there twice");
  for (const name of nat)
    if (!names.includes(name)) throw new RangeError(`nat: ${name} is not one of the names`);
  checkDelay("links", links, delay);
}

function checkDelay(where: string, link: LinkSettings, delay: boolean): void {
  checkLink(where, link);
  if (!delay && (link.delayMs ?? 0) > 0)
    throw new RangeError(`${where}: delayMs: this kernel has no netem; put a relay before the port`);
}

class SwitchedHosts implements Hosts, HostNetwork {
  readonly #options: HostsOptions;
  readonly #switch: string;
  readonly #directory: string;
  readonly #ports = new Map<string, Port>();
  /** Changes happen one after the other. */
  #changes: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly #remove = (): void => {
    for (const { host } of this.#ports.values()) removeNamespace(host.namespace);
    removeNamespace(this.#switch);
    rmSync(this.#directory, { recursive: true, force: true });
  };

  constructor(options: HostsOptions) {
    this.#options = options;
    const set = ++sets;
    this.#switch = namespaceName(set, switchName);
    this.#directory = mkdtempSync(join(tmpdir(), `${directoryPrefix}${process.pid}-`));
    const hostsFile = join(this.#directory, "hosts");
    options.names.forEach((name, index) => {
      const host = new Host({
        name,
        address: `10.77.0.${index + 1}`,
        namespace: namespaceName(set, name),
        directory: join(this.#directory, name),
        hostsFile,
        nat: options.nat?.includes(name) ?? false,
        network: this,
      });
      mkdirSync(host.directory, { mode: 0o700 });
      const link = options.links ?? {};
      this.#ports.set(name, {
        host,
        device: `p${index + 1}`,
        link,
        cutFrom: new Set(),
        forgotten: [],
        filtered: new Set(),
      });
    });
    const lines = this.all.map(({ address, name }) => `${address} ${name}`);
    writeFileSync(hostsFile, ["127.0.0.1 localhost", "::1 localhost", ...lines, ""].join("\n"));
    open.add(this.#remove);
  }

  get all(): readonly Host[] {
    return [...this.#ports.values()].map(({ host }) => host);
  }

  host(name: string): Host {
    return this.#port(name).host;
  }

  /** Not for users. */
  async build(): Promise<void> {
    await run("ip", ["netns", "add", this.#switch]);
    for (const { namespace } of this.all) await run("ip", ["netns", "add", namespace]);
    await ip(this.#switch, [
      "link add name br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
      "link set dev br0 addrgenmode none up",
      ...[...this.#ports.values()].flatMap(({ device, host }) => [
        `link add name ${device} type veth peer name eth0 netns ${host.namespace}`,
        `link set dev ${device} addrgenmode none master br0 up`,
      ]),
    ]);
    for (const [index, host] of this.all.entries()) {
      await ip(host.namespace, [
        "link set dev lo up",
        `link set dev eth0 addrgenmode none address ${macOf(index)}`,
        "link set dev eth0 gso_max_segs 1", // Packets are lost and timed one by one, not 64 KiB at a time.
        `addr add ${host.address}/24 dev eth0`,
        "link set dev eth0 up",
        // Known for ever: in a blackout nobody should learn that a neighbour does not answer.
        ...this.all.flatMap(({ address }, other) =>
          other === index ? [] : [`neigh replace ${address} lladdr ${macOf(other)} dev eth0 nud permanent`],
        ),
      ]);
    }
    for (const port of this.#ports.values()) await this.#shape(port, treeLines);
    await Promise.all(this.all.map((host) => host.boot()));
  }

  setLink(name: string, settings: LinkSettings): Promise<void> {
    const available = hostsAvailable();
    checkDelay(name, settings, available.ok && available.delay);
    return this.#change(async () => {
      const port = this.#port(name);
      port.link = settings;
      await this.#shape(port, linkLines);
    });
  }

  setPort(name: string, up: boolean): Promise<void> {
    // Out of the bridge, but not down: the host still sees its cable plugged in.
    const lines = [`link set dev ${this.#port(name).device} ${up ? "master br0" : "nomaster"}`];
    return this.#change(() => ip(this.#switch, lines));
  }

  forget(name: string, connections: readonly Connection[]): Promise<void> {
    const port = this.#port(name);
    return this.#change(async () => {
      port.forgotten = [...port.forgotten, ...connections];
      await this.#filter(port);
    });
  }

  cutOneWay(from: string, to: string): Promise<void> {
    const [sender, receiver] = [this.#port(from), this.#port(to)];
    return this.#change(async () => {
      receiver.cutFrom.add(sender.host.address);
      await this.#filter(receiver);
    });
  }

  async cut(a: string, b: string): Promise<void> {
    await Promise.all([this.cutOneWay(a, b), this.cutOneWay(b, a)]);
  }

  async heal(): Promise<void> {
    for (const { host } of this.#ports.values()) await host.linkUp();
    await this.#change(async () => {
      for (const port of this.#ports.values()) {
        port.link = this.#options.links ?? {};
        port.cutFrom.clear();
        port.forgotten = [];
        await this.#shape(port, linkLines);
      }
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#changes.catch(() => {}); // Whoever asked for the change has been told.
    open.delete(this.#remove);
    if (open.size === 0) process.off("exit", removeAllOpen);
    await Promise.all(this.all.flatMap((host) => [host.ended(), host.halt()]));
    this.#remove();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #port(name: string): Port {
    const port = this.#ports.get(name);
    if (port === undefined)
      throw new RangeError(`${name} is not one of the hosts ${[...this.#ports.keys()].join(", ")}`);
    return port;
  }

  #change(work: () => Promise<void>): Promise<void> {
    if (this.#closed) return Promise.reject(new Error("the hosts are closed"));
    const done = this.#changes.catch(() => {}).then(work);
    this.#changes = done;
    return done;
  }

  /** Both ends of a link send through the same tree: one is the way from the host, the other the way to it. */
  async #shape(port: Port, linesFor: typeof linkLines): Promise<void> {
    await tc(port.host.namespace, linesFor("eth0", port.link));
    await tc(this.#switch, linesFor(port.device, port.link));
    await this.#filter(port);
  }

  async #filter({ host, device, link, cutFrom, forgotten, filtered }: Port): Promise<void> {
    const { lossPercent = 0 } = link;
    const from = filterLines("eth0", {
      lossPercent,
      cutConnections: forgotten.map(
        ({ localPort: source, remoteAddress: address, remotePort: destination }) => ({
          source,
          address,
          end: "dst",
          destination,
        }),
      ),
    });
    const to = filterLines(device, {
      lossPercent,
      cutFrom: [...cutFrom],
      cutConnections: forgotten.map(
        ({ localPort: destination, remoteAddress: address, remotePort: source }) => ({
          source,
          address,
          end: "src",
          destination,
        }),
      ),
      outboundOnly: host.nat,
    });
    for (const [namespace, name, lines] of [
      [host.namespace, "eth0", from],
      [this.#switch, device, to],
    ] as const) {
      const batch = [...(filtered.has(name) ? [`filter del dev ${name} parent 1:`] : []), ...lines];
      if (batch.length > 0) await tc(namespace, batch);
      if (lines.length > 0) filtered.add(name);
      else filtered.delete(name);
    }
  }
}

function macOf(index: number): string {
  return `02:00:0a:4d:00:${(index + 1).toString(16).padStart(2, "0")}`;
}
