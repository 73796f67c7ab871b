/** Whether hosts can be made on this machine. */
import { runSync } from "./commands.ts";
import { prepareScript, unshareCommand } from "./machine.ts";
import { namespaceName, removeNamespace } from "./namespaces.ts";

export type HostsAvailable =
  | {
      readonly ok: true;
      /** `delayMs` of links: only where the kernel has netem. Elsewhere a proxy before the port can do it. */
      readonly delay: boolean;
    }
  | { readonly ok: false; readonly why: string };

let answer: HostsAvailable | undefined;

/** Tries it out, the first time; needs root, and `ip`, `tc`, `nsenter` and `unshare`. */
export function hostsAvailable(): HostsAvailable {
  answer ??= tryOut();
  return answer;
}

function tryOut(): HostsAvailable {
  if (process.platform !== "linux") return { ok: false, why: "network namespaces are Linux'" };
  if (process.getuid?.() !== 0) return { ok: false, why: "making network namespaces needs root" };
  for (const [command, option] of [
    ["ip", "-V"],
    ["tc", "-V"],
    ["nsenter", "-V"],
    ["unshare", "-V"],
  ])
    if (!runSync(command, [option]).ok) return { ok: false, why: `the command ${command} is not there` };
  const name = namespaceName(0, "probe");
  try {
    for (const args of [
      ["ip", "netns", "add", name],
      ["ip", "-n", name, "link", "add", "name", "br0", "type", "bridge"],
      ["ip", "-n", name, "link", "add", "name", "p1", "type", "veth", "peer", "name", "eth0"],
      ["tc", "-n", name, "qdisc", "add", "dev", "p1", "root", "handle", "1:", "htb"],
      unshareCommand(name, prepareScript, ["/etc/hosts", "probe"]),
    ]) {
      const { ok, said } = runSync(args[0], args.slice(1));
      if (!ok) return { ok: false, why: `${args.join(" ")}: ${said}` };
    }
    const netem = ["-n", name, "qdisc", "add", "dev", "eth0", "root", "netem", "delay", "1ms"];
    return { ok: true, delay: runSync("tc", netem).ok };
  } finally {
    removeNamespace(name);
  }
}
