import { nodePath } from "../bytes/node.ts";
import type { OpenFile } from "./folder.ts";
import { openFolder } from "./open_folder.ts";

/** The maximum size of a file that is read whole, in bytes. */
export const MAX_WHOLE_BYTES = 1 << 20;

/**
 * Opens a file for reading, by its path.
 *
 * @param place The path, in the syntax of the operating system. The file itself
 * must not be a symlink. Folders above it can be symlinks, which are followed.
 * @throws The system's error, with its `code`, if the file cannot be opened.
 */
export function openFile(place: string): OpenFile {
  // In Bun, the functions of `node:path` replace bytes that are not valid
  // UTF-8, so a path with such bytes is split here.
  const slash = place.isWellFormed() ? -1 : place.lastIndexOf("/");
  const [above, name] = slash < 0
    ? [nodePath.dirname(place), nodePath.basename(place)]
    : [place.slice(0, slash) || "/", place.slice(slash + 1)];
  const folder = openFolder(above);
  try {
    return folder.openFile(name);
  } finally {
    folder.close();
  }
}

/**
 * Returns the first `size` bytes of a file, or the whole file if it is shorter.
 *
 * @param file The open file, or its path. A path that is a symlink is refused.
 * @param size The maximum number of bytes to read.
 * @param buffer The buffer to read into, of at least `size` bytes. Default: a
 * new buffer. Allocating a buffer takes longer than reading a small file.
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
 * Yields the first `size` bytes of a file, or the whole file if it is shorter.
 * Each part has at most 1 MiB or, if `buffer` is given, at most the length of
 * `buffer`.
 *
 * @param file The open file, or its path. A path that is a symlink is refused.
 * A file that is given by its path is closed when the loop ends.
 * @param size The maximum number of bytes to read.
 * @param buffer The buffer to read into. Each part is then valid until the next
 * part is read. By default, each part has its own memory.
 */
export function* readPieces(
  file: Pick<OpenFile, "read"> | string,
  size = Infinity,
  buffer?: Uint8Array,
): Generator<Uint8Array> {
  const own = typeof file === "string" ? openFile(file) : undefined;
  const opened = own ?? file as Pick<OpenFile, "read">;
  try {
    for (let at = 0; at < size;) {
      const piece = buffer ??
        new Uint8Array(Math.min(size - at, MAX_WHOLE_BYTES));
      const most = Math.min(size - at, piece.length);
      const got = opened.read(piece.subarray(0, most), at);
      if (got === 0) return;
      at += got;
      yield piece.subarray(0, got);
    }
  } finally {
    own?.close();
  }
}
