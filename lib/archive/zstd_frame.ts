import { DeltarError } from "../bytes/errors.ts";
import { collect, concat } from "../bytes/source.ts";
import { ByteReader } from "../bytes/byte_reader.ts";
import { CHUNK_BYTES } from "./engine.ts";

// RFC 8878, section 3.1, defines these magic numbers and the maximum size of a
// block.
const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const MAX_BLOCK_BYTES = 128 * 1024;
/** The number of bytes of a block's header. */
export const BLOCK_HEADER_BYTES = 3;
/** The number of bytes of a frame's checksum. */
export const CHECKSUM_BYTES = 4;
/**
 * The maximum size of a window in bytes. This is also the default of the `zstd`
 * command and of the runtimes' decoders, and `zstd_codec.ts` does not change
 * that default.
 */
const MAX_WINDOW_BYTES = 128 * 1024 * 1024;
const CONTENT_SIZE_LENGTH = [0, 2, 4, 8];

/**
 * The content size in bytes below which a frame is yielded as one part, unless
 * the frame is far larger than its content.
 */
export const SMALL_FRAME_BYTES: number = 4 * 1024 * 1024;

const COMPRESSED_BLOCK = 2;
const RLE_BLOCK = 1;
const RAW_BLOCK = 0;
/**
 * The maximum length in bytes of a frame's header: the magic number, the
 * descriptor, the window and a content size of eight bytes.
 */
export const MAX_HEADER_BYTES = 14;

/**
 * The number of bytes at the start of a frame's header that determine the
 * length of the header: the magic number and the descriptor.
 */
export const MIN_HEADER_BYTES = 5;

/** One frame of a zstd stream. */
export interface Frame {
  /** The size of the content in bytes, if the frame's header contains it. */
  size?: number;
  /**
   * The bytes of the whole compressed frame, several arrays at a time. The
   * bytes are read from the reader as the arrays are pulled.
   */
  parts: AsyncGenerator<Uint8Array[]>;
  /**
   * Returns the content in parts if all blocks are uncompressed and the frame's
   * header contains a content size below `SMALL_FRAME_BYTES`. Otherwise,
   * returns `undefined`. The caller must call this only after `parts` is
   * exhausted. The checksum of the frame is not checked.
   */
  stored: () => Uint8Array[] | undefined;
}

/**
 * Returns the next frame of a zstd stream. The headers of the blocks determine
 * where the frame ends.
 *
 * @param reader The reader, at the start of a frame. The reader is at the end
 *   of the frame once `parts` of the result is exhausted.
 * @param options With `isByBlock`, each block is yielded separately.
 * @returns The frame, or `undefined` for a skippable frame, which is skipped.
 * @throws {DeltarError} `corrupt` or `truncated` if the frame is invalid or
 *   incomplete, `unsupported` if the frame needs a dictionary, `limit` if its
 *   window is too large.
 */
export async function nextFrame(
  reader: ByteReader,
  { isByBlock = false }: { isByBlock?: boolean } = {},
): Promise<Frame | undefined> {
  const start = reader.offset;
  const magic = await reader.exactly(4, "a zstd frame");
  const number = uint32(magic);
  if ((number & 0xfffffff0) >>> 0 === SKIPPABLE) {
    await skip(reader, uint32(await reader.exactly(4, "a zstd frame")));
    return undefined;
  }
  if (number !== MAGIC) {
    throw reader.corrupt("not a zstd frame: wrong magic number", start);
  }
  const { size, bytes, checksum } = await restOfHeader(reader, magic, start);
  const isSmall = size !== undefined && size < SMALL_FRAME_BYTES;
  const most = isByBlock ? 0 : (isSmall ? size : 0) + CHUNK_BYTES;
  let stored: Uint8Array[] | undefined = [];
  let length = 0;
  const onBlock = ({ kind }: BlockHeader, content: Uint8Array[]) => {
    for (const part of content) length += part.length;
    const isStored = kind === RAW_BLOCK && length < SMALL_FRAME_BYTES;
    if (isStored) stored?.push(...content);
    else stored = undefined;
  };
  return {
    size,
    parts: blocks(reader, bytes, checksum, most, onBlock),
    stored: () => length === size ? stored : undefined,
  };
}

/** The header of a frame. */
interface FrameHeader {
  /** The size of the content in bytes, if the header contains it. */
  size?: number;
  /** The bytes of the header. */
  bytes: Uint8Array;
  /** Whether a checksum of four bytes follows the last block. */
  checksum: boolean;
}

async function restOfHeader(
  reader: ByteReader,
  magic: Uint8Array,
  start: number,
): Promise<FrameHeader> {
  const [descriptor] = await reader.exactly(1, "a zstd frame");
  const single = (descriptor & 0x20) !== 0;
  const sizeFlag = descriptor >> 6;
  if (descriptor & 0x08) throw reader.corrupt("unknown zstd flag", start + 4);
  if (descriptor & 0x03) {
    throw new DeltarError(
      "unsupported",
      "the zstd frame needs a dictionary, and deltar does not support " +
        "dictionaries",
      { object: reader.object, offset: start },
    );
  }
  const sizeLength = sizeFlag === 0 && single
    ? 1
    : CONTENT_SIZE_LENGTH[sizeFlag];
  const fields = await reader.exactly(
    (single ? 0 : 1) + sizeLength,
    "a zstd frame",
  );
  const sizeField = fields.subarray(fields.length - sizeLength);
  const size = sizeLength === 0 ? undefined : contentSize(sizeField);
  // The window of a single-segment frame is as large as the content. The header
  // always contains the size of the content in this case.
  const window = single ? contentSize(sizeField) : windowOf(fields[0]);
  checkWindow(window, reader, start);
  const bytes = new Uint8Array(5 + fields.length);
  bytes.set(magic);
  bytes[4] = descriptor;
  bytes.set(fields, 5);
  const checksum = (descriptor & 0x04) !== 0;
  return { size, bytes, checksum };
}

/**
 * The length of a frame and access to its content, as `measureFrame` returns
 * them.
 */
export interface MeasuredFrame {
  /** The length of the frame in bytes. */
  length: number;
  /** The size of the content in bytes, if the frame's header contains it. */
  size?: number;
  /** The whole frame, if it has compressed blocks or no size in its header. */
  bytes?: Uint8Array;
  /**
   * Called with an offset in the content and a length, both in bytes. Reads
   * this range of the content. Present if the blocks seem to be uncompressed.
   */
  readPart?: (offset: number, length: number) => Promise<Uint8Array>;
}

/**
 * Determines the length of a frame. If the blocks seem to be uncompressed, only
 * the frame's header and the headers of the first and last blocks are read. A
 * frame with compressed blocks, or without a content size in its header, is
 * read completely.
 *
 * @param read Called with an offset from the start of the frame and a length,
 *   both in bytes. Yields the bytes of this range. The bytes can end early, at
 *   the end of the readable part of the volume.
 * @param object The name of the volume, for error messages.
 * @param options `most` is the maximum length of a frame that is read
 *   completely, and `expected` is the expected length of the frame, both in
 *   bytes. If the frame is not longer than expected, its bytes can be returned
 *   without a copy. Default of `expected`: `most`.
 * @throws {DeltarError} `limit` if a frame that must be read completely is
 *   longer than `most`, and the errors of `nextFrame` and of `read`.
 */
export async function measureFrame(
  read: (offset: number, length: number) => AsyncIterable<Uint8Array>,
  object: string,
  { most, expected = most }: { most: number; expected?: number },
): Promise<MeasuredFrame> {
  const at = (offset: number) => new ByteReader(read(offset, 3), { object });
  const head = new ByteReader(read(0, MAX_HEADER_BYTES), { object });
  const magic = await head.exactly(4, "a zstd frame");
  if (uint32(magic) !== MAGIC) {
    throw head.corrupt("not a zstd frame: wrong magic number", 0);
  }
  const { size, bytes, checksum } = await restOfHeader(head, magic, 0);
  await head.cancel();
  const wholeFrame = async () => {
    const chunks = read(0, expected)[Symbol.asyncIterator]();
    const { value = new Uint8Array(0) } = await chunks.next();
    await chunks.return?.();
    const known = frameIn(value);
    if (known !== undefined && known.length <= most) {
      return { ...known, bytes: value.subarray(0, known.length) };
    }
    const reader = new ByteReader(read(0, Infinity), { object });
    const frame = await nextFrame(reader);
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const next of frame?.parts ?? []) {
      for (const part of next) length += part.length;
      if (length > most) {
        throw new DeltarError(
          "limit",
          `zstd frame too large: more than ${most} bytes`,
          { object },
        );
      }
      parts.push(...next);
    }
    await reader.cancel();
    const whole = concat(parts);
    return { length: whole.length, size, bytes: whole };
  };
  if (size === undefined) return await wholeFrame();
  const first = bytes.length;
  const tail = checksum ? 4 : 0;
  const count = Math.max(1, Math.ceil(size / MAX_BLOCK_BYTES));
  const startOf = (index: number) => first + index * (3 + MAX_BLOCK_BYTES);
  const sizeOf = (index: number) =>
    Math.min(MAX_BLOCK_BYTES, size - index * MAX_BLOCK_BYTES);
  /**
   * Returns the header of a block, or `undefined` if the block is compressed or
   * has an unexpected size.
   */
  const storedBlock = async (index: number) => {
    const block = await nextBlock(at(startOf(index)));
    const isStored = block.kind === RAW_BLOCK && block.length === sizeOf(index);
    return isStored ? block : undefined;
  };
  const begins = await storedBlock(0);
  const last = begins && count > 1 ? await storedBlock(count - 1) : begins;
  if (last !== undefined) {
    // If this block is not marked as the last one, the encoder added an empty
    // block after it.
    const end = startOf(count - 1) + 3 + last.length + (last.isLast ? 0 : 3);
    return {
      length: end + tail,
      size,
      async readPart(offset, length) {
        const parts: Uint8Array[] = [];
        const end = offset + length;
        for (let from = offset; from < end;) {
          const index = Math.floor(from / MAX_BLOCK_BYTES);
          if (await storedBlock(index) === undefined) {
            throw head.corrupt("invalid type or size of a zstd block", 0);
          }
          const skip = from - index * MAX_BLOCK_BYTES;
          const part = Math.min(end - from, MAX_BLOCK_BYTES - skip);
          parts.push(
            await collect(read(startOf(index) + 3 + skip, part)),
          );
          from += part;
        }
        return concat(parts);
      },
    };
  }
  return await wholeFrame();
}

/** The header of a block. */
interface BlockHeader {
  /** The bytes of the header. */
  bytes: Uint8Array;
  /** The type of the block: raw (0), RLE (1) or compressed (2). */
  kind: number;
  /** The number of bytes of the block after its header. */
  length: number;
  /** Whether the block is the last of its frame. */
  isLast: boolean;
}

async function nextBlock(reader: ByteReader): Promise<BlockHeader> {
  const at = reader.offset;
  const header = blockHeader(await reader.exactly(3, "a zstd frame"));
  if (header === undefined) {
    throw reader.corrupt("invalid type or size of a zstd block", at);
  }
  return header;
}

/**
 * Decodes the header of a block from its three bytes. Returns `undefined` if
 * the type or the size of the block is invalid.
 */
export function blockHeader(start: Uint8Array): BlockHeader | undefined {
  const bytes = start.subarray(0, BLOCK_HEADER_BYTES);
  const bits = bytes[0] | bytes[1] << 8 | bytes[2] << 16;
  const kind = bits >> 1 & 3;
  const length = kind === RLE_BLOCK ? 1 : bits >> 3;
  if (kind > COMPRESSED_BLOCK || length > MAX_BLOCK_BYTES) return undefined;
  return { bytes, kind, length, isLast: (bits & 1) === 1 };
}

/**
 * Returns the size of the content in bytes, if `bytes` are exactly one zstd
 * frame whose header contains a size below `SMALL_FRAME_BYTES`. Returns
 * `undefined` for any other bytes. The content of the blocks is not checked.
 *
 * @param bytes The bytes of an object. They can be damaged.
 */
export function wholeFrameSize(bytes: Uint8Array): number | undefined {
  const frame = frameIn(bytes);
  if (frame?.size === undefined || frame.size >= SMALL_FRAME_BYTES) {
    return undefined;
  }
  return frame.length === bytes.length ? frame.size : undefined;
}

/**
 * Returns the length of the frame at the start of `bytes` and, if the frame's
 * header contains it, the size of the content, both in bytes. Returns
 * `undefined` if the frame is invalid or incomplete, or needs a dictionary or a
 * window of more than 128 MiB. The content of the blocks is not checked.
 */
function frameIn(
  bytes: Uint8Array,
): { length: number; size?: number } | undefined {
  const header = frameHeader(bytes);
  if (header === undefined) return undefined;
  const { size, hasChecksum } = header;
  let at = header.length;
  for (let last = false; !last;) {
    if (at + BLOCK_HEADER_BYTES > bytes.length) return undefined;
    const block = blockHeader(bytes.subarray(at));
    if (block === undefined) return undefined;
    at += BLOCK_HEADER_BYTES + block.length;
    last = block.isLast;
  }
  if (hasChecksum) at += CHECKSUM_BYTES;
  return at <= bytes.length ? { length: at, size } : undefined;
}

/**
 * Returns the length in bytes of a frame's header.
 *
 * @param start The first bytes of the header, at least `MIN_HEADER_BYTES`.
 */
export function headerLength(start: Uint8Array): number {
  const descriptor = start[4];
  const single = (descriptor & 0x20) !== 0;
  const flag = descriptor >> 6;
  return (single ? 5 : 6) +
    (flag === 0 && single ? 1 : CONTENT_SIZE_LENGTH[flag]);
}

/**
 * Decodes the header at the start of `bytes`. Returns the length of the header,
 * the size of the content if the header contains it, both in bytes, and whether
 * a checksum follows the last block of the frame. Returns `undefined` if there
 * are fewer than 9 bytes (the length of the shortest frame), if the header is
 * invalid or incomplete, or if the frame needs a dictionary or a window of more
 * than 128 MiB.
 */
export function frameHeader(
  bytes: Uint8Array,
): { length: number; size?: number; hasChecksum: boolean } | undefined {
  if (bytes.length < 9 || uint32(bytes) !== MAGIC) return undefined;
  const descriptor = bytes[4];
  if (descriptor & 0x0b) return undefined;
  const single = (descriptor & 0x20) !== 0;
  const length = headerLength(bytes);
  if (length > bytes.length) return undefined;
  const field = bytes.subarray(single ? 5 : 6, length);
  const size = field.length === 0 ? undefined : contentSize(field);
  const window = single ? size : windowOf(bytes[5]);
  if (window === undefined || window > MAX_WINDOW_BYTES) return undefined;
  return { length, size, hasChecksum: (descriptor & 0x04) !== 0 };
}

// A size field of two bytes holds the size minus 256 (RFC 8878, section
// 3.1.1.1.4).
function contentSize(field: Uint8Array): number {
  const value = field.reduceRight((sum, byte) => sum * 256 + byte, 0);
  return field.length === 2 ? value + 256 : value;
}

// RFC 8878, section 3.1.1.1.2, defines this encoding of the window size.
function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 7);
}

/**
 * Throws an error if a window is too large. A decoder allocates as much memory
 * for the window as the header says.
 */
function checkWindow(
  window: number,
  reader: ByteReader,
  offset: number,
): void {
  if (window > MAX_WINDOW_BYTES) {
    throw new DeltarError(
      "limit",
      `zstd window too large: ${window} bytes, at most ${MAX_WINDOW_BYTES}`,
      { object: reader.object, offset },
    );
  }
}

/**
 * Returns a frame of uncompressed blocks, without a checksum.
 *
 * @param plain The content of the frame, fewer than 2^32 bytes.
 */
export function storedFrame(plain: Uint8Array): Uint8Array {
  const count = Math.max(1, Math.ceil(plain.length / MAX_BLOCK_BYTES));
  const frame = new Uint8Array(9 + 3 * count + plain.length);
  const view = new DataView(frame.buffer);
  view.setUint32(0, MAGIC, true);
  // This descriptor stands for a single segment with a size field of four
  // bytes.
  frame[4] = 0xa0;
  view.setUint32(5, plain.length, true);
  let at = 9;
  for (let block = 1; block <= count; block++) {
    const start = (block - 1) * MAX_BLOCK_BYTES;
    const part = plain.subarray(start, start + MAX_BLOCK_BYTES);
    const bits = part.length << 3 | (block === count ? 1 : 0);
    frame[at] = bits;
    frame[at + 1] = bits >> 8;
    frame[at + 2] = bits >> 16;
    frame.set(part, at + 3);
    at += 3 + part.length;
  }
  return frame;
}

/**
 * Yields the header, the blocks and the checksum of a frame.
 *
 * @param most The number of bytes after which the parts read so far are
 *   yielded.
 */
async function* blocks(
  reader: ByteReader,
  header: Uint8Array,
  checksum: boolean,
  most: number,
  onBlock: (header: BlockHeader, content: Uint8Array[]) => void,
): AsyncGenerator<Uint8Array[]> {
  let parts = [header];
  let length = header.length;
  for (let last = false; !last;) {
    const block = await nextBlock(reader);
    last = block.isLast;
    parts.push(block.bytes);
    const content = await reader.parts(block.length, "a zstd block");
    onBlock(block, content);
    for (const part of content) parts.push(part);
    length += 3 + block.length;
    if (length >= most) {
      yield parts;
      parts = [];
      length = 0;
    }
  }
  if (checksum) parts.push(await reader.exactly(4, "a zstd checksum"));
  if (parts.length > 0) yield parts;
}

async function skip(reader: ByteReader, length: number): Promise<void> {
  for (let left = length; left > 0;) {
    const part = await reader.some(left);
    if (part === undefined) throw reader.truncated("a skippable zstd frame");
    left -= part.length;
  }
}

function uint32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}

/**
 * Returns a longer frame with the same content. A window field adds one byte, a
 * longer size field adds two, four or six bytes, and each empty block adds
 * three bytes (RFC 8878, section 3.1.1).
 *
 * @param frame The frame.
 * @param more The number of bytes to add, at least 1.
 * @returns The longer frame, or `undefined` if no combination of these fields
 *   and blocks adds exactly `more` bytes.
 */
export function longerFrame(
  frame: Uint8Array,
  more: number,
): Uint8Array | undefined {
  const descriptor = frame[4];
  const single = (descriptor & 0x20) !== 0;
  const flag = descriptor >> 6;
  if (!single || flag === 0) {
    // For a frame with this header, only empty blocks are added.
    const end = 6 + CONTENT_SIZE_LENGTH[flag];
    if (more % 3 !== 0) return undefined;
    const blocks = new Uint8Array(more);
    return concat([frame.subarray(0, end), blocks, frame.subarray(end)]);
  }
  const length = CONTENT_SIZE_LENGTH[flag];
  const end = 5 + length;
  const size = contentSize(frame.subarray(5, end));
  for (const withWindow of [false, true]) {
    for (let newFlag = flag; newFlag < CONTENT_SIZE_LENGTH.length; newFlag++) {
      const newLength = CONTENT_SIZE_LENGTH[newFlag];
      const blocks = (more - (newLength - length) - (withWindow ? 1 : 0)) / 3;
      if (blocks < 0 || !Number.isInteger(blocks)) continue;
      const head = new Uint8Array(5 + newLength + (withWindow ? 1 : 0));
      head.set(frame.subarray(0, 4));
      head[4] = descriptor & 0x1f | newFlag << 6 | (withWindow ? 0 : 0x20);
      const exponent = Math.max(0, Math.ceil(Math.log2(size)) - 10);
      if (withWindow) head[5] = exponent << 3;
      const field = head.subarray(-newLength);
      let value = newLength === 2 ? size - 256 : size;
      for (let at = 0; at < newLength; at++, value = Math.floor(value / 256)) {
        field[at] = value;
      }
      // The header of an empty block consists of zeros.
      return concat([head, new Uint8Array(3 * blocks), frame.subarray(end)]);
    }
  }
  return undefined;
}
