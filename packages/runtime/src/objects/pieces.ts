import { crc32 } from "node:zlib";
import {
  IonoError,
  pieceHeaderBytes,
  readPieceHeader,
  writePieceHeader,
  type StoreLocation,
  type TransferInstruction,
} from "@iono/core";
import type { LocalStore } from "./local-store.ts";

type Piece = Extract<TransferInstruction, { kind: "piece" }>;

/** Pieces of objects as they travel: several in one payload, each with its checksum (core/protocol/objects.ts). */
export class PieceWriter {
  readonly #payload: Buffer;
  readonly #view: DataView;
  #used = 0;

  constructor(bytes: number) {
    this.#payload = Buffer.allocUnsafeSlow(bytes);
    this.#view = new DataView(this.#payload.buffer, this.#payload.byteOffset, bytes);
  }

  /** Bytes that so many pieces with so many bytes need. */
  static bytesFor(pieces: readonly Piece[]): number {
    return pieces.reduce((sum, piece) => sum + pieceHeaderBytes + piece.bytes, 0);
  }

  add(store: LocalStore, location: StoreLocation, { pull, offset, bytes }: Piece): void {
    const from = this.#used + pieceHeaderBytes;
    const target = this.#payload.subarray(from, from + bytes);
    store.read(location, offset, target);
    writePieceHeader(this.#view, this.#used, { pull, length: bytes, offset, checksum: crc32(target) });
    this.#used = from + bytes;
  }

  get payload(): Buffer {
    return this.#payload.subarray(0, this.#used);
  }
}

export interface ArrivedPiece {
  readonly pull: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly isIntact: boolean;
}

/** The pieces of a payload, as views of it. Throws when it is none. */
export function* readPieces(payload: Uint8Array): Generator<ArrivedPiece> {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  for (let at = 0; at < payload.byteLength;) {
    const header = readPieceHeader(view, at);
    if (header === undefined) throw new IonoError("Internal", "a malformed piece of an object arrived");
    const { pull, offset, length, checksum } = header;
    const bytes = payload.subarray(at + pieceHeaderBytes, at + pieceHeaderBytes + length);
    yield { pull, offset, bytes, isIntact: crc32(bytes) === checksum };
    at += pieceHeaderBytes + length;
  }
}
