import { paddedSize } from "../bytes/padded_size.ts";
import { concat } from "../bytes/source.ts";
import { type Codec, codecFor, type CodecName } from "./codec.ts";
import { longerFrame } from "./zstd_frame.ts";

/**
 * A function that makes gzip members or zstd frames that decompress to nothing,
 * and the limits of their length.
 */
interface Filler {
  /** The minimum length of a member or frame, in bytes. */
  min: number;
  /** The maximum length of a member or frame, in bytes. */
  max: number;
  /**
   * Called with a length in bytes. Returns a member or frame of this length.
   */
  make: (length: number) => Uint8Array;
}

/** The length in bytes of the header of a skippable zstd frame. */
const SKIPPABLE_HEADER_BYTES = 8;

/**
 * The length in bytes of an empty gzip member whose extra field has one empty
 * subfield.
 */
const EMPTY_MEMBER_BYTES = 26;

const FILLERS: Record<CodecName, Filler> = {
  zstd: { min: SKIPPABLE_HEADER_BYTES, max: 1 << 20, make: skippableFrame },
  gzip: { min: EMPTY_MEMBER_BYTES, max: 1 << 16, make: emptyMember },
};

/**
 * Returns a codec that also pads objects. See {@linkcode Codec.padding}.
 *
 * @param name The name of the compression.
 */
export function paddingCodec(name: CodecName): Codec {
  return { ...codecFor(name), padding: (size) => padding(name, size) };
}

function* padding(name: CodecName, size: number): Generator<Uint8Array> {
  const { min } = FILLERS[name];
  let left = paddedSize(size) - size;
  if (left > 0 && left < min) left = paddedSize(size + min) - size;
  yield* fill(name, left);
}

/**
 * Yields gzip members or zstd frames that decompress to nothing.
 *
 * @param name The name of the compression.
 * @param length The total length of the members or frames in bytes: 0, or at
 *   least the minimum length of one member or frame.
 */
function* fill(name: CodecName, length: number): Generator<Uint8Array> {
  const { min, max, make } = FILLERS[name];
  let left = length;
  while (left > 0) {
    // If another member or frame follows, at least `min` bytes are left for it.
    const next = left <= max ? left : Math.min(max, left - min);
    yield make(next);
    left -= next;
  }
}

/**
 * Returns a gzip member or zstd frame with additional bytes that decompress to
 * nothing.
 *
 * @param name The name of the compression.
 * @param frame The frame, or the member, whose header has no optional fields.
 * @param length The total length, in bytes.
 * @returns The bytes, or `undefined` if this length is not possible.
 */
export function lengthened(
  name: CodecName,
  frame: Uint8Array,
  length: number,
): Uint8Array | undefined {
  const gap = length - frame.length;
  if (gap === 0 || gap >= FILLERS[name].min) {
    return concat([frame, ...fill(name, gap)]);
  }
  if (gap < 0) return undefined;
  return name === "gzip" ? withComment(frame, gap) : longerFrame(frame, gap);
}

/**
 * Returns a gzip member with a comment in its header (RFC 1952, section 2.3.1).
 *
 * @param member A member whose header has no optional fields.
 * @param length The length of the comment with its NUL, in bytes.
 */
function withComment(member: Uint8Array, length: number): Uint8Array {
  const header = member.slice(0, 10);
  header[3] |= 16;
  const comment = new Uint8Array(length).fill(0x20, 0, -1);
  return concat([header, comment, member.subarray(10)]);
}

/**
 * Returns a skippable frame (RFC 8878, section 3.1.2) of `length` bytes that
 * holds only zeros.
 */
function skippableFrame(length: number): Uint8Array {
  const frame = new Uint8Array(length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, 0x184d2a50, true);
  view.setUint32(4, length - SKIPPABLE_HEADER_BYTES, true);
  return frame;
}

/**
 * Returns a gzip member of `length` bytes without content (RFC 1952, section
 * 2.3) whose extra field has one subfield of zeros.
 */
function emptyMember(length: number): Uint8Array {
  const member = new Uint8Array(length);
  const view = new DataView(member.buffer);
  const subfield = length - EMPTY_MEMBER_BYTES;
  // These bytes are the magic number, the method, and the flag of the extra
  // field. The value 255 stands for an unknown system.
  member.set([0x1f, 0x8b, 8, 4]);
  member[9] = 255;
  view.setUint16(10, 4 + subfield, true);
  member.set(new TextEncoder().encode("dp"), 12);
  view.setUint16(14, subfield, true);
  // The value 3 is an empty block that is marked as the last block. The
  // checksum and the length after it stay zero, because there is no content.
  member[16 + subfield] = 3;
  return member;
}
