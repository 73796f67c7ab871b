import type { NetworkInterfaceInfo } from "node:os";
import { expect, test } from "vitest";
import { dialledAddress } from "./dialled-address.ts";

function addresses(...all: [address: string, internal?: boolean][]): NetworkInterfaceInfo[] {
  return all.map(([address, internal = false]) => {
    const shared = { address, internal, netmask: "", mac: "", cidr: null };
    return address.includes(":") ? { ...shared, family: "IPv6", scopeid: 0 } : { ...shared, family: "IPv4" };
  });
}

test("a machine that listens everywhere is dialled at an address of its own", () => {
  const lo = addresses(["127.0.0.1", true], ["::1", true]);
  const eth0 = addresses(["fe80::1"], ["2001:db8::1"], ["10.0.0.7"]);
  expect(dialledAddress("10.9.9.9", { lo, eth0 })).toBe("10.9.9.9");
  expect(dialledAddress("0.0.0.0", { lo, eth0 })).toBe("10.0.0.7");
  expect(dialledAddress("::", { lo, eth0 })).toBe("10.0.0.7");
  expect(dialledAddress("::", { lo, eth0: addresses(["2001:db8::1"]) })).toBe("2001:db8::1");
  expect(dialledAddress("0.0.0.0", { lo })).toBe("127.0.0.1");
  expect(dialledAddress("::", { lo, none: undefined })).toBe("::1");
});
