/** Values that are immutable and small: a settled ref keeps them decoded. */
import { TAG_UTF16 } from "../values/tags.ts";

/** Whether value bytes that begin with `tag` are a primitive (undefined, null, boolean, number, bigint, string). */
export function isImmediate(tag: number): boolean {
  return tag <= TAG_UTF16;
}
