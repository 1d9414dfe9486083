import { Buffer, fs } from "../bytes/node.ts";
import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256, sha256 } from "../bytes/sha256.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import { WHOLE_LIMIT } from "./read_file.ts";

const ZEROS = new Uint8Array(WHOLE_LIMIT);

/** What a file's content has to be. */
export interface ExpectedContent {
  /** Its length in bytes. */
  size: number;
  /** Its SHA-256 in hexadecimal. */
  sha256: string;
}

/** Writes a file at once, and gives what it has then. */
export function writeWhole(
  place: string,
  bytes: Uint8Array,
  expected: ExpectedContent | undefined,
  durable: boolean,
): ExpectedContent {
  const fd = fs.openSync(place, "wx", 0o600);
  try {
    for (let at = 0; at < bytes.length;) {
      at += fs.writeSync(fd, bytes, at, bytes.length - at);
    }
    if (durable) fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  const sum = expected === undefined ? "" : toHex(sha256(bytes));
  return { size: bytes.length, sha256: sum };
}

/** Writes a file piece by piece, with holes for zeros; gives what it has. */
export async function writePieces(
  place: string,
  source: ByteSource,
  durable: boolean,
): Promise<ExpectedContent> {
  const fd = fs.openSync(place, "wx", 0o600);
  const sum = createSha256();
  let size = 0;
  try {
    for await (const piece of chunks(source)) {
      sum.update(piece);
      // Zeros are left out, which makes a hole where the disk has holes.
      for (let at = 0; at < piece.length && !isZero(piece);) {
        at += fs.writeSync(fd, piece, at, piece.length - at, size + at);
      }
      size += piece.length;
    }
    fs.ftruncateSync(fd, size);
    if (durable) fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  return { size, sha256: toHex(sum.digest()) };
}

/**
 * Refuses content that is not what was stored.
 *
 * @throws {DeltarError} `mismatch`.
 */
export function checkContent(
  path: string,
  got: ExpectedContent,
  expected: ExpectedContent | undefined,
): void {
  if (expected === undefined) return;
  if (got.size !== expected.size || got.sha256 !== expected.sha256) {
    throw new DeltarError(
      "mismatch",
      `its content is not what was stored: ${got.size} bytes with SHA-256 ` +
        `${got.sha256}, where ${expected.size} with ${expected.sha256} were ` +
        "expected",
      { path },
    );
  }
}

function isZero(piece: Uint8Array): boolean {
  for (let at = 0; at < piece.length; at += ZEROS.length) {
    const part = piece.subarray(at, at + ZEROS.length);
    if (part[0] !== 0) return false;
    if (Buffer.compare(part, ZEROS.subarray(0, part.length)) !== 0) {
      return false;
    }
  }
  return true;
}
