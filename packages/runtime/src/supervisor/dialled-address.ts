/** The address of this machine that others dial when it listens at all of them. */
import { isIPv6 } from "node:net";
import { networkInterfaces } from "node:os";

/** `host` itself, unless that means every address: then the first one that others may reach, IPv4 before IPv6. */
export function dialledAddress(host: string, interfaces = networkInterfaces()): string {
  if (host !== "0.0.0.0" && host !== "::") return host;
  const own = Object.values(interfaces)
    .flatMap((each) => each ?? [])
    .filter(({ internal, address }) => !internal && !/^fe80:/i.test(address))
    .map(({ address }) => address);
  const wanted = host === "::" ? own : own.filter((address) => !isIPv6(address));
  return wanted.find((address) => !isIPv6(address)) ?? wanted[0] ?? (host === "::" ? "::1" : "127.0.0.1");
}
