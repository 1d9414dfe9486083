import { toHex } from "../bytes/hex.ts";
import { createSha256 } from "../bytes/sha256.ts";
import type { OpenFile } from "./folder.ts";
import { MAX_WHOLE_BYTES, readPieces, readWhole } from "./read_file.ts";
import { CondensedFile, findData } from "./sparse.ts";
import type { ExpectedContent } from "./write_content.ts";

/**
 * Returns whether an open file has the given content. The SHA-256 is computed
 * from all bytes of the file or, if a sparse file is expected, from the
 * condensed form. If the content has more than 1 MiB, the function yields after
 * each part of the file that it reads, so that the caller can let other tasks
 * run.
 *
 * @param file The open file.
 * @param content The expected content.
 * @param buffer A buffer of more than 1 MiB. Default: a new buffer.
 * @throws The error of the system, with its `code`, if the file cannot be read.
 */
export function* hasContent(
  file: OpenFile,
  { size, sha256, sparse }: ExpectedContent,
  buffer?: Uint8Array,
): Generator<void, boolean> {
  const sum = createSha256();
  if (sparse !== undefined) {
    if (file.stat().size !== size) return false;
    const part = (buffer ?? new Uint8Array(MAX_WHOLE_BYTES))
      .subarray(0, MAX_WHOLE_BYTES);
    const ranges = yield* findData(file, size, part);
    for (const piece of new CondensedFile(file, size, ranges).pieces(part)) {
      sum.update(piece);
      yield;
    }
  } else if (size <= MAX_WHOLE_BYTES) {
    // One byte more than the size is read, to detect a file that has grown.
    sum.update(readWhole(file, size + 1, buffer));
  } else {
    for (const piece of readPieces(file)) {
      sum.update(piece);
      yield;
    }
  }
  return toHex(sum.digest()) === sha256;
}
