import { nodePath } from "../bytes/node.ts";
import type { OpenFile } from "./folder.ts";
import { openFolder } from "./open_folder.ts";

/** Files up to this many bytes are read in one piece, larger ones in pieces. */
export const WHOLE_LIMIT = 1 << 20;

/**
 * Opens a file by its path.
 *
 * @param place A path of the operating system; symlinks are followed on the way
 * to the file, but not the file itself.
 */
export function openFile(place: string): OpenFile {
  const folder = openFolder(nodePath.dirname(place));
  try {
    return folder.openFile(nodePath.basename(place));
  } finally {
    folder.close();
  }
}

/**
 * The first `size` bytes of a file, or fewer if it is shorter.
 *
 * @param file The file, or its path; then a symlink is refused.
 * @param size How many bytes to read at most.
 * @param buffer Where to read to; a new one costs more than small files do.
 */
export function readWhole(
  file: OpenFile | string,
  size: number,
  buffer: Uint8Array = new Uint8Array(size),
): Uint8Array {
  const opened = typeof file === "string" ? openFile(file) : file;
  try {
    let at = 0;
    while (at < size) {
      const got = opened.read(buffer.subarray(at, size), at);
      if (got === 0) break;
      at += got;
    }
    return buffer.subarray(0, at);
  } finally {
    if (opened !== file) opened.close();
  }
}

/**
 * A file's bytes up to `size`, in pieces of 1 MiB.
 *
 * @param file The file, or its path; then a symlink is refused, and the file is
 * open while the loop runs.
 * @param size How many bytes to read at most.
 * @param buffer Where to read to: a piece is then valid until the next is
 * pulled, and as long as this at most. Default: each has memory of its own.
 */
export function* readPieces(
  file: OpenFile | string,
  size = Infinity,
  buffer?: Uint8Array,
): Generator<Uint8Array> {
  const opened = typeof file === "string" ? openFile(file) : file;
  try {
    for (let at = 0; at < size;) {
      const piece = buffer ?? new Uint8Array(Math.min(size - at, WHOLE_LIMIT));
      const most = Math.min(size - at, piece.length);
      const got = opened.read(piece.subarray(0, most), at);
      if (got === 0) return;
      at += got;
      yield piece.subarray(0, got);
    }
  } finally {
    if (opened !== file) opened.close();
  }
}
