import {
  BLOCK_HEADER_BYTES,
  blockHeader,
  CHECKSUM_BYTES,
  frameHeader,
  headerLength,
  MAX_HEADER_BYTES,
  MIN_HEADER_BYTES,
  SMALL_FRAME_BYTES,
} from "./zstd_frame.ts";

/**
 * The maximum number of frames in a table. Each frame takes 24 bytes of memory.
 * deltar writes frames of 1.25 MiB, so this is enough for 320 GiB of content.
 */
const MAX_FRAMES = 2 ** 18;

/** The maximum length of a compressed frame in bytes. */
const MAX_PACKED_BYTES = 2 * SMALL_FRAME_BYTES;

/** The places of the zstd frames that hold a content. All values are in bytes. */
export interface FrameTable {
  /**
   * The offset in the content at which each frame begins, and at which the last
   * frame ends. The first offset is negative if other bytes precede the content
   * in its frame.
   */
  starts: number[];
  /**
   * The offset in the volume at which each frame begins, and at which the last
   * frame ends.
   */
  places: number[];
}

/** A range of a volume that holds a content. All values are in bytes. */
export interface FrameRange {
  /** The offset of the range in the volume. */
  place: number;
  /** The length of the range in the volume. */
  length: number;
  /** The number of decompressed bytes before the content. */
  skip: number;
  /** The offset in the content after the last needed byte. */
  end: number;
}

/**
 * Finds the frames of a content from the headers of the frames and of their
 * blocks. Nothing is decompressed.
 *
 * @param source The range of the volume that holds the content. It is read up
 *   to the frame that holds the last needed byte.
 * @param range The place of the range in the volume, and the position of the
 *   needed part of the content.
 * @returns The table. `undefined` if the range ends before `end`, if there are
 *   more than 2^18 frames, or if a frame is damaged or skippable, needs a
 *   dictionary or a window of more than 128 MiB, has no content size in its
 *   header, has 4 MiB of content or more, or has more than 8 MiB of compressed
 *   bytes.
 * @throws {DeltarError} The errors of the source.
 */
export async function readFrameTable(
  source: AsyncIterable<Uint8Array>,
  { place, length, skip, end }: FrameRange,
): Promise<FrameTable | undefined> {
  let start = 0 - skip;
  const starts = [start];
  const places = [place];
  /**
   * The content size in bytes of the frame whose blocks are being read, and
   * whether the frame has a checksum.
   */
  let frame: { size: number; hasChecksum: boolean } | undefined;
  /** The offset in the volume of the next header, in bytes. */
  let next = place;
  const header = new Uint8Array(MAX_HEADER_BYTES);
  /** The number of bytes of the next header that have been read. */
  let got = 0;
  let from = place;
  for await (const chunk of source) {
    const to = from + chunk.length;
    while (next + got < to) {
      const wanted = frame
        ? BLOCK_HEADER_BYTES
        : got < MIN_HEADER_BYTES
        ? MIN_HEADER_BYTES
        : headerLength(header);
      const at = next + got - from;
      const part = chunk.subarray(at, at + wanted - got);
      header.set(part, got);
      got += part.length;
      if (got < wanted) break;
      if (frame === undefined) {
        // The length of a header is known only after its first
        // `MIN_HEADER_BYTES` bytes.
        if (got < headerLength(header)) continue;
        const { size, hasChecksum = false } = frameHeader(header) ?? {};
        if (size === undefined || size >= SMALL_FRAME_BYTES) return undefined;
        if (places.length > MAX_FRAMES) return undefined;
        frame = { size, hasChecksum };
        next += got;
        got = 0;
        continue;
      }
      got = 0;
      const block = blockHeader(header);
      if (block === undefined) return undefined;
      next += BLOCK_HEADER_BYTES + block.length;
      if (!block.isLast) continue;
      if (frame.hasChecksum) next += CHECKSUM_BYTES;
      if (next - places[places.length - 1] > MAX_PACKED_BYTES) return undefined;
      if (next > place + length) return undefined;
      start += frame.size;
      starts.push(start);
      places.push(next);
      if (start >= end) return { starts, places };
      frame = undefined;
    }
    from = to;
  }
  return undefined;
}
