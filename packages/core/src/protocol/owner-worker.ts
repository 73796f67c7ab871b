/**
 * The hot link: an owner (driver or worker) sends task entries, an executor (worker or actor) sends result entries.
 * Both are fixed headers followed by bytes, many in one frame, little endian.
 *
 *   task entry    u32 sequence, u32 function, u8 flags, u8 attempt, u16 claim slot, u32 byte count, bytes
 *   result entry  u32 sequence, u8 status, u8 form, u8 attempt, u8 zero, f32 duration µs, u32 byte count, bytes
 *
 * Arguments without flag `composite` are plain values back to back. With it, each is `u32 length, u8 form, payload`
 * (payload.ts), the length counting form and payload. A stream item's payload is preceded by its u32 index.
 */

export const taskEntryHeaderBytes = 16;
export const resultEntryHeaderBytes = 16;

export const taskFlags = {
  /** Arguments are payloads: some come from refs, or carry refs or large parts. */
  composite: 1,
  /** The result is a stream of items. */
  stream: 2,
  /** `function` numbers a method of the actor this executor hosts. */
  actorCall: 4,
  /** An actor call that was cancelled before it was sent: takes its turn, runs nothing. */
  skip: 16,
} as const;

export const resultStatus = { value: 0, error: 1, item: 2, end: 3, cancelled: 4, skipped: 5 } as const;

/** Claim word of a queued entry in the shared page of the link (compare-and-swap from both sides). */
export const claim = {
  free: 0,
  queued: 1,
  running: 2,
  /** Taken back by the owner: to cancel it or to give it to another worker. */
  taken: 3,
  /** Running, and waiting in `get`. */
  blocked: 4,
  done: 5,
} as const;

/** Slot of an entry without a claim word: it is run without asking, and cannot be taken back. */
export const noClaimSlot = 0xffff;

/** The shared page of a link: words (u32), then the claim ring, then the results not yet written to the socket. */
export const linkPage = {
  /** Entries consumed from the link (run or skipped), modulo 2^32. */
  wordConsumed: 0,
  /** Bytes of whole result entries that lie in the results area. */
  wordResultBytes: 1,
  /** Odd while the results area is being handed over; even otherwise. */
  wordResultEpoch: 2,
  claimsAt: 64,
  claims: 1024,
  resultsAt: 64 + 1024 * 4,
  resultsBytes: 64 * 1024,
  totalBytes: 64 + 1024 * 4 + 64 * 1024,
} as const;

/** In `resultReceived` (u32 sequence, u32 item): the result as a whole rather than an item of a stream. */
export const wholeResult = 0xffffffff;
