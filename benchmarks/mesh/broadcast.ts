/**
 * An object from one node to 8, each node on a host of its own whose link carries 10 MB/s each way. The hosts are network
 * namespaces of this machine (packages/testing/src/hosts), so this needs root.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
// oxlint-disable-next-line no-restricted-imports -- benchmarks do not depend on the package of tests.
import { createHosts, hostsAvailable, type Host } from "../../packages/testing/src/index.ts";
import type { Figure } from "../core/figure.ts";
import type { Bench } from "./bench.ts";
import { outputOf } from "./bench.ts";
import { names } from "./names.ts";
import { ionoCommand, Nodes, type Place } from "./nodes.ts";

const MiB = 2 ** 20;
const LINK_MBIT = 80;
const SINKS = 8;
const LIMIT_MS = 600_000;

interface Measured {
  one: { seconds: number; sent: number };
  all: { seconds: number; sent: number };
}

export async function broadcast({ installation, plan, home }: Bench): Promise<Figure[]> {
  const available = hostsAvailable();
  if (!available.ok) throw new Error(`hosts cannot be made here: ${available.why}`);
  const bytes = (plan.quick ? 64 : 256) * MiB;
  const sinks = Array.from({ length: SINKS }, (_, i) => `sink-${i + 1}`);
  const hosts = await createHosts({ names: ["head", "program", "source", ...sinks] });
  try {
    const nodes = new Nodes(installation, home);
    const start = async (name: string, cpus: number): Promise<void> => {
      const host = hosts.host(name);
      const keys = join(home, name);
      mkdirSync(keys, { recursive: true, mode: 0o700 });
      const place = placeOf(host, installation.cwd);
      await place.run([...ionoCommand(installation), "keys", "--dir", keys], { HOME: home });
      const args = [
        "--cpus",
        String(cpus),
        "--host",
        host.address,
        "--keys",
        keys,
        "--object-store",
        "768MiB",
      ];
      await nodes.start(name, args, place);
    };
    await start("head", 0);
    for (const name of ["source", ...sinks]) await start(name, 1);
    for (const name of ["source", ...sinks]) await hosts.host(name).setLink({ mbit: LINK_MBIT });
    const out = join(plan.folder, "broadcast.json");
    const args = ["--out", out, "--bytes", String(bytes), "--sinks", sinks.join(",")];
    const { argv, cwd, env } = nodes.program("mesh/programs/broadcast.ts", ...args);
    await placeOf(hosts.host("program"), cwd).run(argv, env ?? {});
    return figures(bytes, outputOf<Measured>(out));
  } finally {
    await hosts.close();
  }
}

function figures(bytes: number, { one, all }: Measured): Figure[] {
  const size = `${bytes / MiB} MiB`;
  const seconds = (value: number): string => `${value.toFixed(2)} s`;
  return [
    {
      name: names.broadcastTime,
      value: all.seconds / one.seconds,
      unit: "×",
      note: `${size}: to one ${seconds(one.seconds)}, to ${SINKS} ${seconds(all.seconds)}`,
    },
    {
      name: names.broadcastBytes,
      value: all.sent / bytes,
      unit: "×",
      note: `with all headers, of TCP too; to one ${(one.sent / bytes).toFixed(2)} ×`,
    },
  ];
}

function placeOf(host: Host, cwd: string): Place {
  return {
    run: async ([file, ...args], env) => {
      const { stdout, stderr, exitCode } = await host.run(file, args, { cwd, env, timeoutMs: LIMIT_MS });
      if (exitCode !== 0) throw new Error(`${args.join(" ")} ended with ${exitCode}\n${stdout}${stderr}`);
      return stdout;
    },
  };
}
