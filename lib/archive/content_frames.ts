import { chunks, collect } from "../bytes/source.ts";
import type { Storage } from "../storage/storage.ts";
import type { Codec } from "./codec.ts";
import type { ContentReference } from "./content_reference.ts";
import { measureFrame } from "./zstd_frame.ts";

/**
 * The maximum size in bytes, both compressed and decompressed, of a frame that
 * is read as a whole. deltar writes smaller frames.
 */
const MAX_FRAME_BYTES = 4 << 20;

/** A frame that holds a part of a content. */
export interface ContentFrame {
  /**
   * The offset in the content at which the frame begins, in bytes. It is
   * negative if other bytes precede the content in the frame.
   */
  start: number;
  /** The offset in the content at which the frame ends, in bytes. */
  end: number;
  /**
   * Reads `length` bytes from an offset in the content. All of them must be in
   * this frame.
   */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/**
 * Yields the frames of a content that is compressed with zstd. If a frame has
 * no compressed blocks, only the parts of it that are read are fetched.
 *
 * @param storage The storage of the volume.
 * @param reference The range of the volume.
 * @param codec The compression of the volume, which must be zstd.
 * @throws {DeltarError} `corrupt` or `truncated` if a frame is invalid, `limit`
 *   if a frame is too large, and the errors of the storage.
 */
export async function* contentFrames(
  storage: Storage,
  { volume, offset, length, skip }: ContentReference,
  codec: Codec,
): AsyncGenerator<ContentFrame> {
  let start = -skip;
  for (let at = offset; at < offset + length;) {
    const place = at;
    const left = offset + length - place;
    const get = (from: number, size: number) =>
      storage.get(volume, {
        offset: place + from,
        length: Math.min(size, left - from),
      });
    const frame = await measureFrame(get, volume, MAX_FRAME_BYTES);
    const { readPart, bytes = new Uint8Array(0) } = frame;
    let content: Promise<Uint8Array> | undefined;
    const decoded = () =>
      content ??= collect(
        codec.decompress(chunks(bytes), {
          object: volume,
          offset: place,
          limit: Math.min(frame.size ?? MAX_FRAME_BYTES, MAX_FRAME_BYTES),
        }),
      );
    const size = frame.size ?? (await decoded()).length;
    const first = start;
    yield {
      start: first,
      end: first + size,
      async read(from, part) {
        if (readPart !== undefined) return await readPart(from - first, part);
        return (await decoded()).subarray(from - first, from - first + part);
      },
    };
    start += size;
    at += frame.length;
  }
}
