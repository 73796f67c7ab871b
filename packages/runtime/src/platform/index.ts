export { currentPlatform as platform } from "./current.ts";
export { linuxPlatform } from "./linux.ts";
export { plainPlatform } from "./plain.ts";
export { PeerGoneError, SystemCallError } from "./platform.ts";
export type {
  BlockingSocket,
  Mapping,
  Platform,
  Segment,
  SegmentView,
  SharedPage,
  SharedPages,
} from "./platform.ts";
export { createSharedPage, openSharedPage } from "./shared-page.ts";
