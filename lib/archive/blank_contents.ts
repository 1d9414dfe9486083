import { ByteReader } from "../bytes/byte_reader.ts";
import { codeOf, DeltarError } from "../bytes/errors.ts";
import { chunks } from "../bytes/source.ts";
import type { Codec, CodecName } from "./codec.ts";
import { lengthened } from "./padding.ts";
import { decodeHeader } from "./tar_decode.ts";
import { BLOCK, padding } from "./tar_member.ts";

/** The new name of a member with blanked content. */
const BLANKED = "purged";
/** The maximum decompressed size of the frames to blank, in bytes. */
const MAX_PLAIN_BYTES = 64 << 20;
/**
 * The levels of compression to try, in order; `undefined` is the default level.
 * The levels of zstd above 19 take hundreds of megabytes of memory.
 */
const LEVELS: Record<CodecName, (number | undefined)[]> = {
  zstd: [undefined, 1, 5, 9, 12, 15, 19],
  gzip: [undefined, 9],
};
/**
 * The largest number of random bytes that is reached by adding one byte in each
 * attempt. Each later attempt uses twice as many random bytes as the attempt
 * before, until all bytes of the contents are random.
 */
const MAX_NOISE_STEP = 64;

/**
 * Blanks the contents of some members in whole frames of a volume: overwrites
 * these contents with random bytes and zeros, renames their members if
 * possible, and compresses the frames again to the same total length. All other
 * bytes and all positions stay the same, so references to the other contents
 * stay valid.
 *
 * @param frames One or more compressed frames, which hold whole tar members or
 *   a part of a single member.
 * @param codec The compression.
 * @param isNeeded Called with the position of each content in the decompressed
 *   frames, in bytes. Returns whether the content is kept.
 * @param object The name of the volume, for messages.
 * @returns The new frames, or `frames` itself if every content is kept. Frames
 *   that decompress to more than 64 MiB are also returned as they are, because
 *   they hold a single large content, which is needed.
 * @throws {DeltarError} `corrupt` or `truncated` if the frames are damaged,
 *   `unsupported` if the blanked bytes cannot be compressed to the same length.
 */
export async function blankContents(
  frames: Uint8Array,
  codec: Codec,
  isNeeded: (position: number) => boolean,
  object: string,
): Promise<Uint8Array> {
  let old: Uint8Array;
  try {
    old = await codec.decompressBlock(frames, MAX_PLAIN_BYTES, { object });
  } catch (error) {
    if (codeOf(error) === "limit") return frames;
    throw error;
  }
  for (const isRenamed of [true, false]) {
    const plain = old.slice();
    const members = (await membersIn(plain, object)).filter((
      { position, content },
    ) => content.length > 0 && !isNeeded(position));
    if (members.length === 0) return frames;
    if (isRenamed) { for (const member of members) rename(member); }
    const contents = members.map(({ content }) => content);
    for (const level of LEVELS[codec.name]) {
      // `lengthened` cannot add every small number of bytes. Random bytes
      // hardly compress, so an additional random byte makes the new frame
      // longer, and the next attempt can succeed.
      for (const count of noiseCounts(contents)) {
        blank(contents, count);
        const packed = await codec.compress(plain, level);
        if (packed.length > frames.length) break;
        const made = lengthened(codec.name, packed, frames.length);
        if (made !== undefined) return made;
      }
    }
  }
  throw new DeltarError(
    "unsupported",
    "cannot blank the purged content: no frames of the same length can be made",
    { object },
  );
}

/**
 * Overwrites the first `count` bytes of the contents, counted across all of
 * them, with random bytes, and the remaining bytes with zeros.
 */
function blank(contents: readonly Uint8Array[], count: number): void {
  let left = count;
  for (const content of contents) {
    const noise = content.subarray(0, left);
    fillRandomly(noise);
    content.fill(0, noise.length);
    left -= noise.length;
  }
}

/**
 * A file in a part of a tar. Its arrays are views of the bytes of this part.
 */
interface Member {
  /** The offset of the content in the part, in bytes. */
  position: number;
  content: Uint8Array;
  header: Uint8Array;
  /** The records of the extended header, if there is one. */
  extended?: Uint8Array;
}

/** Returns the files in a part of a tar. */
async function membersIn(
  plain: Uint8Array,
  object: string,
): Promise<Member[]> {
  const members: Member[] = [];
  const reader = new ByteReader(chunks(plain), { object });
  let extended: Uint8Array | undefined;
  while (reader.offset + BLOCK <= plain.length) {
    const header = await reader.exactly(BLOCK, "a tar header");
    const decoded = decodeHeader(header, reader);
    if (decoded === undefined) continue;
    const { type, size } = decoded;
    const position = reader.offset;
    const stored = Math.min(size + padding(size), plain.length - position);
    await reader.parts(stored, "a tar member");
    const content = plain.subarray(position, position + size);
    if (type === "0") {
      members.push({
        position,
        content,
        header: plain.subarray(position - BLOCK, position),
        extended,
      });
    }
    extended = type === "x" ? content : undefined;
  }
  return members;
}

/**
 * Replaces the path in the header of a member with `BLANKED`, and the path in
 * the extended header with underscores of the same length.
 */
function rename({ header, extended }: Member): void {
  header.fill(0, 0, 100).fill(0, 345, 500);
  header.set(new TextEncoder().encode(BLANKED));
  // The checksum is computed as if its field were filled with spaces.
  const sum = header.fill(0x20, 148, 156).reduce((sum, byte) => sum + byte, 0);
  const digits = sum.toString(8).padStart(6, "0");
  header.set(new TextEncoder().encode(`${digits}\0 `), 148);
  if (extended === undefined) return;
  // Each record consists of its length, a space, the key, `=`, the value and a
  // newline.
  const decoder = new TextDecoder("latin1");
  for (let at = 0; at < extended.length;) {
    const [all, length, key] =
      /^(\d{1,7}) ([^=]*)=/.exec(decoder.decode(extended.subarray(at))) ?? [];
    if (all === undefined || Number(length) <= all.length) return;
    const end = at + Number(length);
    if (key === "path") extended.fill(0x5f, at + all.length, end - 1);
    at = end;
  }
}

/** Yields the numbers of random bytes to try, in increasing order. */
function* noiseCounts(contents: readonly Uint8Array[]): Generator<number> {
  const total = contents.reduce((sum, { length }) => sum + length, 0);
  for (let count = 0; count < total;) {
    yield count;
    count = count < MAX_NOISE_STEP ? count + 1 : 2 * count;
  }
  yield total;
}

function fillRandomly(bytes: Uint8Array): void {
  // The Web Crypto API limits the number of bytes per call.
  const most = 1 << 16;
  for (let at = 0; at < bytes.length; at += most) {
    crypto.getRandomValues(
      bytes.subarray(at, at + most) as Uint8Array<ArrayBuffer>,
    );
  }
}
