/**
 * Removing lines of a layer without decoding them.
 *
 * When one folder of a large tree is listed, most lines of a frame can belong
 * to paths in subfolders of this folder. These lines are recognized by their
 * first bytes, which deltar always writes in the same form. Lines in another
 * form are kept.
 */

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const SLASH = 0x2f;

const encoder = new TextEncoder();

/**
 * The first characters of the lines of entries and tombstones, in the form that
 * deltar writes.
 */
const OPENINGS = ['{"path":"', '{"gone":"'];

/**
 * Returns the lines of a frame, except most of the lines of entries and
 * tombstones in the subfolders of a folder. The caller must still check the
 * path of each line, because lines that another program wrote in another form
 * are always returned.
 *
 * @param plain The decompressed frame, which consists of complete lines.
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

/**
 * Returns whether the line from the offset `start` to the offset `end` begins
 * with `opening` and has a `/` between `opening` and the next quote.
 */
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
  // An escaped quote in the path ends this search early. The line is then kept.
  for (; at < end && plain[at] !== QUOTE; at++) {
    if (plain[at] === SLASH) return true;
  }
  return false;
}
