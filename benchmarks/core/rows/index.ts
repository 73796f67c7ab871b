import type { Row } from "../row.ts";
import { actorRows } from "./actors.ts";
import { objectRows } from "./objects.ts";
import { putGigabytesRows } from "./put-gigabytes.ts";
import { taskRows } from "./tasks.ts";

/** Every row that Ray's microbenchmark has too, but placement groups; and the copies beside large puts. */
export const rows: Row[] = [...objectRows, ...putGigabytesRows, ...taskRows, ...actorRows];
