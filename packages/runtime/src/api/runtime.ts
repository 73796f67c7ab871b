/**
 * The runtime of this process: the one piece of module state (`globalThis[Symbol.for("iono")]`), so that several copies
 * of the code in one process find each other, and a second version is refused.
 */
import { IonoError } from "@iono/core";
import type { Member } from "../member/member.ts";
import { version } from "../version.ts";

interface Slot {
  readonly version: string;
  member: Member | null;
  /** Makes the member of a driver at the first use. */
  start: (() => Member) | null;
  /** After `shutdown`, until the next `init`: why calls are refused. */
  ended: IonoError | null;
  namespace: string;
}

const key = Symbol.for("iono");

function slot(): Slot {
  const holder = globalThis as { [key]?: Slot };
  const present = holder[key];
  if (present === undefined)
    return (holder[key] = { version, member: null, start: null, ended: null, namespace: "" });
  if (present.version !== version) {
    throw new IonoError(
      "VersionMismatch",
      `two versions of iono in one process: ${present.version} and ${version}; install one`,
    );
  }
  return present;
}

/** The member of this process; a driver starts its local cluster if it has none yet. */
export function currentMember(): Member {
  const { member, start, ended } = slot();
  if (member !== null) return member;
  if (ended !== null) throw ended;
  if (start === null)
    throw new IonoError("NotInitialized", "the runtime is not there yet: call init() first");
  return start();
}

export function memberIfAny(): Member | null {
  return slot().member;
}

export function setStarter(start: () => Member): void {
  slot().start ??= start;
}

export function setMember(member: Member | null, ended: IonoError | null): void {
  const state = slot();
  state.member = member;
  state.ended = ended;
}

let registerReferenceKinds: (member: Member) => void = () => {};

/** The modules of the API teach members how handles and remote functions travel. */
export function onNewMember(register: (member: Member) => void): void {
  const previous = registerReferenceKinds;
  registerReferenceKinds = (member) => {
    previous(member);
    register(member);
  };
}

export function introduce(member: Member): void {
  registerReferenceKinds(member);
}
