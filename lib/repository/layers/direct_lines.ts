/**
 * Leaves out lines of a layer without decoding them.
 *
 * To list one folder of a large tree, most of the lines of a frame are of what
 * lies deeper. Such a line is known by its first bytes, which our writer always
 * gives the same form; a line of another form is left in, and decoded.
 */

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const SLASH = 0x2f;

const encoder = new TextEncoder();

/** The beginnings of lines of entries, and of tombstones. */
const OPENINGS = ['{"path":"', '{"gone":"'];

/**
 * Returns the lines of a frame but for those of what lies in folders of one
 * folder.
 *
 * @param plain Whole lines.
 * @param folder The folder; `""` for the root.
 */
export function directLines(plain: Uint8Array, folder: string): Uint8Array {
  const name = folder === "" ? "" : `${JSON.stringify(folder).slice(1, -1)}/`;
  const openings = OPENINGS.map((text) => encoder.encode(text + name));
  const kept = new Uint8Array(plain.length);
  let length = 0;
  for (let start = 0; start < plain.length;) {
    const end = plain.indexOf(NEWLINE, start);
    const next = end < 0 ? plain.length : end + 1;
    if (!openings.some((opening) => isDeeper(plain, start, next, opening))) {
      kept.set(plain.subarray(start, next), length);
      length += next - start;
    }
    start = next;
  }
  return kept.subarray(0, length);
}

/** Returns whether a line has this opening, and then a name with a `/`. */
function isDeeper(
  plain: Uint8Array,
  start: number,
  end: number,
  opening: Uint8Array,
): boolean {
  let at = start;
  for (const byte of opening) {
    if (plain[at++] !== byte) return false;
  }
  // A quote within the name ends this early, and the line is decoded.
  for (; at < end && plain[at] !== QUOTE; at++) {
    if (plain[at] === SLASH) return true;
  }
  return false;
}
