import { CodeTable } from "./encode-code.ts";
import type { Encoder } from "./encode.ts";
import { Place } from "./path.ts";
import type { RegisteredType } from "./registry.ts";
import { TAG_REGISTERED, TAG_REGISTERED_AGAIN } from "./tags.ts";

/** Writes an instance as its type's data; the type itself travels with the first of them. */
export function writeInstanceOfRegisteredType(encoder: Encoder, value: object, type: RegisteredType): void {
  const code = (encoder.code ??= new CodeTable());
  const writer = encoder.writer;
  const index = encoder.objects.latestIndex();
  const waiting = encoder.deferral.waiting;
  const known = code.typeNumber(type);
  if (known >= 0) {
    writer.byte(TAG_REGISTERED_AGAIN);
    writer.count(known);
  } else {
    writer.byte(TAG_REGISTERED);
    writer.string(type.name ?? "");
    encoder.inPlace(index, new Place("(class)"), () => encoder.write(type.class));
    encoder.inPlace(index, new Place("(encode)"), () => encoder.write(type.encode));
    encoder.inPlace(index, new Place("(decode)"), () => encoder.write(type.decode));
  }
  let data: unknown;
  try {
    data = type.encode(value);
  } catch (cause) {
    encoder.refuse(`encode() of the registered type ${type.class.name} threw ${String(cause)}`, { cause });
  }
  code.unpacking.add(value);
  encoder.inPlace(index, new Place("(encoded)"), () => encoder.write(data));
  encoder.deferral.write(waiting);
  writer.byte(0);
  code.unpacking.delete(value);
}
