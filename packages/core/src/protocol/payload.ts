/**
 * What a resolved ref holds, as it travels.
 *
 *   form 0 plain   value bytes
 *   form 1 full    u32 reference count, that many references; u32 part count, u32 lengths; u32 byte count, bytes; parts
 *   form 2 stored  location; u32 reference count, that many references
 *
 * A reference: u8 kind; object ref: u32 owner, f64 sequence, u32 address length + UTF-8, u8 state, state's payload
 * (u8 form, u32 length, bytes). Actor handle: u32 length + msgpack of its descriptor.
 */
export const payloadForms = { plain: 0, full: 1, stored: 2 } as const;

export const referenceKinds = { object: 0, actor: 1 } as const;

export const referenceStates = { pending: 0, value: 1, error: 2 } as const;

/** A block of the object store of `node` (0 in a local cluster). */
export interface StoreLocation {
  readonly node: number;
  readonly offset: number;
  readonly size: number;
  readonly block: number;
  readonly generation: number;
}
