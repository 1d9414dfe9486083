import { fs } from "../bytes/node.ts";

/** Files up to this many bytes are read in one piece, larger ones in pieces. */
export const WHOLE_LIMIT = 1 << 20;

/**
 * Neither to follow a symlink that took the file's place meanwhile, nor to
 * wait for somebody to write into a pipe that did.
 */
const FLAGS = (fs?.constants.O_RDONLY ?? 0) | (fs?.constants.O_NOFOLLOW ?? 0) |
  (fs?.constants.O_NONBLOCK ?? 0);

/**
 * The first `size` bytes of a file, or fewer if it is shorter.
 *
 * @param place A path of the operating system; a symlink is refused.
 * @param size How many bytes to read at most.
 * @param buffer Where to read to; a new one costs more than small files do.
 */
export function readWhole(
  place: string,
  size: number,
  buffer: Uint8Array = new Uint8Array(size),
): Uint8Array {
  const fd = fs.openSync(place, FLAGS);
  try {
    let at = 0;
    while (at < size) {
      const got = fs.readSync(fd, buffer, at, size - at, null);
      if (got === 0) break;
      at += got;
    }
    return buffer.subarray(0, at);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * A file's bytes up to `size`, in pieces of 1 MiB. The file is open while the
 * loop runs.
 *
 * @param place A path of the operating system; a symlink is refused.
 * @param size How many bytes to read at most.
 * @param buffer Where to read to: a piece is then valid until the next is
 * pulled, and as long as this at most. Default: each has memory of its own.
 */
export function* readPieces(
  place: string,
  size = Infinity,
  buffer?: Uint8Array,
): Generator<Uint8Array> {
  const fd = fs.openSync(place, FLAGS);
  try {
    if (!fs.fstatSync(fd).isFile()) throw new Error(`${place}: not a file`);
    for (let left = size; left > 0;) {
      const piece = buffer ?? new Uint8Array(Math.min(left, WHOLE_LIMIT));
      const most = Math.min(left, piece.length);
      const got = fs.readSync(fd, piece, 0, most, null);
      if (got === 0) return;
      left -= got;
      yield piece.subarray(0, got);
    }
  } finally {
    fs.closeSync(fd);
  }
}
