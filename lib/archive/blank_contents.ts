import { ByteReader } from "../bytes/byte_reader.ts";
import { DeltarError } from "../bytes/errors.ts";
import { chunks } from "../bytes/source.ts";
import type { Codec } from "./codec.ts";
import { lengthened } from "./padding.ts";
import { decodeHeader } from "./tar_decode.ts";
import { BLOCK, padding } from "./tar_member.ts";

/** The maximum decompressed size of the frames, in bytes. */
const MAX_PLAIN_BYTES = 64 << 20;
/**
 * The number of random bytes up to which each number is tried. Above it, each
 * number tried is twice the one before.
 */
const MAX_NOISE_STEP = 64;

/**
 * Blanks the contents of some members in whole frames of a volume. The result
 * has the same length as the frames, and decompresses to the same bytes, except
 * that the blanked contents consist of zeros and random bytes. References to
 * the other contents therefore stay valid.
 *
 * @param frames The frames. They hold whole tar members, or a part of one.
 * @param codec The compression.
 * @param isNeeded Called with the position of each content in the decompressed
 *   frames, in bytes. Returns whether the content stays.
 * @param object The name of the volume, for messages.
 * @returns The new frames, or the same ones if every content stays.
 * @throws {DeltarError} `corrupt` or `truncated` if the frames are damaged,
 *   `limit` if they decompress to more than 64 MiB, `unsupported` if no frames
 *   of the same length were found.
 */
export async function blankContents(
  frames: Uint8Array,
  codec: Codec,
  isNeeded: (position: number) => boolean,
  object: string,
): Promise<Uint8Array> {
  const plain = (await codec.decompressBlock(frames, MAX_PLAIN_BYTES, {
    object,
  })).slice();
  const blanks = (await contentsIn(plain, object))
    .filter(({ position, bytes }) => bytes.length > 0 && !isNeeded(position))
    .map(({ bytes }) => bytes);
  if (blanks.length === 0) return frames;
  const total = blanks.reduce((sum, { length }) => sum + length, 0);
  // Zeros compress better than the old content, and random bytes do not
  // compress. So some number of random bytes leads to the old length.
  for (const count of noiseCounts(total)) {
    let left = count;
    for (const blank of blanks) {
      const noise = blank.subarray(0, left);
      fillRandomly(noise);
      blank.fill(0, noise.length);
      left -= noise.length;
    }
    const packed = await codec.compress(plain);
    const made = lengthened(codec.name, packed, frames.length);
    if (made !== undefined) return made;
  }
  throw new DeltarError(
    "unsupported",
    "found no frame of the same length without the purged content",
    { object },
  );
}

/** Returns the contents of the members in a part of a tar. */
async function contentsIn(
  plain: Uint8Array,
  object: string,
): Promise<{ position: number; bytes: Uint8Array }[]> {
  const contents: { position: number; bytes: Uint8Array }[] = [];
  const reader = new ByteReader(chunks(plain), { object });
  while (reader.offset + BLOCK <= plain.length) {
    const block = await reader.exactly(BLOCK, "a tar header");
    const header = decodeHeader(block, reader);
    if (header === undefined) continue;
    const { type, size } = header;
    const position = reader.offset;
    const stored = Math.min(size + padding(size), plain.length - position);
    await reader.parts(stored, "a tar member");
    // The extended headers of type `x` hold paths and not contents.
    if (type !== "0") continue;
    contents.push({
      position,
      bytes: plain.subarray(position, position + size),
    });
  }
  return contents;
}

function* noiseCounts(total: number): Generator<number> {
  for (let count = 0; count < total;) {
    yield count;
    count = count < MAX_NOISE_STEP ? count + 1 : 2 * count;
  }
  yield total;
}

function fillRandomly(bytes: Uint8Array): void {
  // The Web Crypto API limits the number of bytes of one call.
  const most = 1 << 16;
  for (let at = 0; at < bytes.length; at += most) {
    crypto.getRandomValues(
      bytes.subarray(at, at + most) as Uint8Array<ArrayBuffer>,
    );
  }
}
