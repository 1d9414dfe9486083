import { DeltarError } from "../bytes/errors.ts";
import { release } from "../bytes/release.ts";
import type { Storage } from "../storage/storage.ts";
import type { ContentReference } from "./content_reference.ts";
import { decompressFrame } from "./zstd_codec.ts";
import { type MeasuredFrame, measureFrame } from "./zstd_frame.ts";

/**
 * The maximum size in bytes, both compressed and decompressed, of a frame that
 * is read as a whole. deltar writes smaller frames.
 */
const MAX_FRAME_BYTES = 4 << 20;
/**
 * The maximum number of bytes that are loaded at a time from a frame without
 * compressed blocks.
 */
const MAX_STORED_PART_BYTES = 2 ** 16;
/**
 * The maximum number of bytes before a requested byte that are loaded together
 * with the requested byte.
 */
const BEFORE_BYTES = 2 ** 12;
/** The maximum number of parts that are kept in memory. */
const MAX_PARTS = 2;
/**
 * The factor by which the length of the last frame read is multiplied to get
 * the expected length of the next frame.
 */
const EXPECTED_GROWTH = 1.125;

/** A part of a file's content, held in memory. */
export interface ContentPart {
  /** The offset of the part in the content, in bytes. */
  offset: number;
  /** The bytes of the part. */
  bytes: Uint8Array;
}

/**
 * Random access to a file's content that is compressed with zstd. The part of
 * the content around a byte is loaded on request. This part is the whole frame
 * that holds the byte or, if the frame has no compressed blocks, at most 64 KiB
 * of the frame. The two most recently used parts stay in memory.
 */
export class ContentFrames implements Disposable {
  readonly #storage: Storage;
  readonly #reference: ContentReference;
  /** The offset of each known frame in the content, in bytes. */
  readonly #starts: number[] = [];
  /** The offset of each known frame in the volume, in bytes. */
  readonly #places: number[] = [];
  /** The size of the content in bytes. */
  readonly #size: number;
  /** The offset in the content where the known frames end, in bytes. */
  #end: number;
  /** The offset in the volume where the known frames end, in bytes. */
  #next: number;
  /** The last frame without compressed blocks that was read. */
  #stored: PlacedFrame | undefined;
  /**
   * The expected length in bytes of the next frame; `undefined` until a whole
   * frame has been read.
   */
  #expected: number | undefined;
  /** The parts in memory, the most recently used last. */
  readonly #parts: ContentPart[] = [];

  /**
   * Prepares access to a file's content. Nothing is read yet.
   *
   * @param storage The storage of the volume.
   * @param reference The range of the volume.
   * @param size The size of the content in bytes.
   */
  constructor(storage: Storage, reference: ContentReference, size: number) {
    this.#storage = storage;
    this.#size = size;
    this.#reference = reference;
    this.#end = -reference.skip;
    this.#next = reference.offset;
  }

  /** The parts in memory. The next call to `load` can free them. */
  get parts(): readonly ContentPart[] {
    return this.#parts;
  }

  /**
   * Loads the part that holds a byte, and returns it.
   *
   * @param offset The offset of the byte in the content, in bytes.
   * @returns The part. The next call does not free it, but the call after that
   *   can free it.
   * @throws {DeltarError} `corrupt` or `truncated` if a frame is invalid or the
   *   content ends before `offset`, `limit` if a frame is too large,
   *   `unsupported` if a frame needs a dictionary, and the errors of the
   *   storage.
   */
  async load(offset: number): Promise<ContentPart> {
    const loaded = this.#parts.findIndex((part) =>
      part.offset <= offset && offset < part.offset + part.bytes.length
    );
    if (loaded >= 0) {
      const [part] = this.#parts.splice(loaded, 1);
      this.#parts.push(part);
      return part;
    }
    const frame = await this.#frameAt(offset);
    this.#keep(MAX_PARTS - 1);
    const part = await this.#read(frame, offset);
    this.#parts.push(part);
    return part;
  }

  /** Frees the parts in memory at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.#keep(0);
  }

  /** Frees the memory of all parts except the last `count`. */
  #keep(count: number): void {
    const excess = Math.max(0, this.#parts.length - count);
    for (const { bytes } of this.#parts.splice(0, excess)) release(bytes);
  }

  /** Finds the frame that holds a byte of the content. */
  async #frameAt(offset: number): Promise<PlacedFrame> {
    const stored = this.#stored;
    if (stored && stored.start <= offset && offset < stored.end) return stored;
    if (offset < this.#end) {
      let low = 0;
      let high = this.#starts.length;
      while (high - low > 1) {
        const middle = low + high >>> 1;
        if (this.#starts[middle] <= offset) low = middle;
        else high = middle;
      }
      const end = this.#starts[low + 1] ?? this.#end;
      return await this.#measure(this.#places[low], this.#starts[low], end);
    }
    const { volume, ...range } = this.#reference;
    for (;;) {
      if (this.#next >= range.offset + range.length) {
        throw new DeltarError(
          "corrupt",
          "the content is shorter than recorded",
          { object: volume, offset: range.offset },
        );
      }
      const frame = await this.#measure(this.#next, this.#end);
      this.#places.push(this.#next);
      this.#starts.push(this.#end);
      this.#next += frame.length;
      this.#end = frame.end;
      if (offset < this.#end) return frame;
    }
  }

  /**
   * Returns the frame at an offset in the volume, with its length and its
   * position in the content.
   */
  async #measure(
    place: number,
    start: number,
    end?: number,
  ): Promise<PlacedFrame> {
    const { volume, offset, length } = this.#reference;
    const left = offset + length - place;
    const get = (from: number, size: number) =>
      this.#storage.get(volume, {
        offset: place + from,
        length: Math.min(size, left - from),
      });
    const frame = await measureFrame(get, volume, {
      most: MAX_FRAME_BYTES,
      expected: this.#expected,
    });
    if (frame.bytes !== undefined) {
      this.#expected = Math.ceil(frame.length * EXPECTED_GROWTH);
    }
    const measured = { ...frame, place, start };
    if (end !== undefined) return { ...measured, end };
    const size = frame.size ?? (await this.#decompress(measured)).length;
    return { ...measured, end: start + size };
  }

  async #decompress(
    { bytes = new Uint8Array(0), size, place }: MeasuredFrame & {
      place: number;
    },
  ): Promise<Uint8Array> {
    const limit = Math.min(size ?? MAX_FRAME_BYTES, MAX_FRAME_BYTES);
    const object = this.#reference.volume;
    return await decompressFrame(bytes, limit, { object, offset: place });
  }

  /** Reads the part of the content around a byte. */
  async #read(frame: PlacedFrame, offset: number): Promise<ContentPart> {
    const { start } = frame;
    const end = Math.min(frame.end, this.#size);
    const { readPart } = frame;
    if (readPart === undefined) {
      const bytes = await this.#decompress(frame);
      const skip = Math.max(0, -start);
      return { offset: start + skip, bytes: bytes.subarray(skip, end - start) };
    }
    this.#stored = frame;
    const first = Math.max(0, start, offset - BEFORE_BYTES);
    const length = Math.min(MAX_STORED_PART_BYTES, end - first);
    return { offset: first, bytes: await readPart(first - start, length) };
  }
}

/** A frame and its place. All offsets are in bytes. */
interface PlacedFrame extends MeasuredFrame {
  /** The offset of the frame in the volume. */
  place: number;
  /**
   * The offset in the content where the frame begins. It is negative if other
   * bytes precede the content in the frame.
   */
  start: number;
  /** The offset in the content where the frame ends. */
  end: number;
}
