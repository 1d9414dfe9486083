/**
 * Reading the content of files from stored pieces.
 *
 * An entry refers to the pieces of a file: a whole content and the deltas that
 * apply to it. A file has at most 64 deltas. `ContentReader` reads the ranges
 * of the volumes that contain these pieces, and applies the deltas. If the
 * deltas copy ranges of the whole content in ascending order, the whole content
 * is read once, from its start. If they copy ranges in another order,
 * `PlannedFrames` reads the frames of a local repository in the order in which
 * they are needed, for one file at a time. If this is not possible, the needed
 * ranges are first copied into a spool.
 *
 * `ContentReader` caches the small ranges that it read last, because they often
 * contain the next files, too. Its callers, such as `checkedStream`, check the
 * SHA-256 of the content. If a prune repacked a volume, a move names the new
 * volume: `follow_moves.ts` follows moves, and `move.ts` defines their format.
 *
 * @module
 */
import {
  readContent,
  readPackedRange,
  readRange,
} from "../../archive/content_reader.ts";
import { PlannedFrames } from "../../archive/planned_frames.ts";
import { wholeFrameSize } from "../../archive/zstd_frame.ts";
import { codeOf, DeltarError, isDamage } from "../../bytes/errors.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256, sha256 } from "../../bytes/sha256.ts";
import { chunks, collect, toStream } from "../../bytes/source.ts";
import {
  type ChainBasis,
  type ChainLink,
  DeltaChain,
} from "../../delta/delta_chain.ts";
import { patchBytes } from "../../delta/patch.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import type { Storage } from "../../storage/storage.ts";
import { storedSize } from "../../tree/entry_line.ts";
import { MAX_WHOLE_BYTES } from "../../tree/read_file.ts";
import { filled, placedData } from "../../tree/sparse.ts";
import type { PackedFrame } from "../../tree/writer_threads.ts";
import { Spool } from "../../tree/spool.ts";
import { codecOf } from "../format/names.ts";
import { followMoves } from "./follow_moves.ts";
import type { StoredPiece, TreeFileEntry } from "../layers/tree_layer.ts";

/** The maximum number of decompressed ranges that are cached. */
const MAX_KEPT_FRAMES = 24;

/**
 * The maximum decompressed size, in bytes, of a range that is cached. Files in
 * larger ranges are read without the cache.
 */
const MAX_RANGE_BYTES = 4 << 20;

/** The maximum number of deltas of a file that a reader accepts. */
const MAX_DELTAS = 64;

/**
 * The part of the maximum size of a delta or signature, in bytes, that does not
 * depend on the size of the file. `checkSizes` adds the other part.
 */
const MAX_SMALL_DELTA_BYTES = 1 << 16;

/** The maximum size of a signature, in bytes. */
const MAX_SIGNATURE_BYTES = 1 << 27;

/**
 * The maximum size in bytes of an intermediate version of a file that is held
 * in memory.
 */
const MAX_BASIS_BYTES = 8 << 20;

/** Options for reading the content of a file. */
export interface ReadOptions {
  /**
   * Whether parts can share their memory. If `true`, the caller must not use a
   * part after it has requested the next one. The parts of a sparse file never
   * share their memory, because the reader of the condensed form can hold
   * several parts at the same time. Default: `false`.
   */
  sharesMemory?: boolean;
  /** The signal that ends the reads with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * A reader of the content of files in volumes. Many small files share a frame,
 * so an instance caches the frames that it read last.
 */
export class ContentReader {
  readonly #storage: Storage;
  /** Whether the volumes are on this machine. */
  readonly #isLocal: boolean;
  readonly #frames = new Map<string, Promise<Uint8Array>>();
  /**
   * Whether a file is being read through `PlannedFrames`. Only one file at a
   * time is read in this way, because it takes up to about 60 MiB of memory.
   */
  #isPlanned = false;

  /** Creates a reader for a repository's storage. */
  constructor(storage: Storage) {
    this.#storage = followMoves(storage);
    this.#isLocal = storage.localPath !== undefined;
  }

  /**
   * Starts reading the frames that a small file needs, so that a later `read`
   * is faster.
   *
   * @returns The number of frames that were not cached yet.
   */
  prefetch(entry: TreeFileEntry): number {
    if (entry.size > MAX_WHOLE_BYTES) return 0;
    let begun = 0;
    for (const piece of entry.content) {
      if (!isSmall(piece)) continue;
      if (!this.#frames.has(keyOf(piece))) begun++;
      this.#frame(piece).catch(() => {});
    }
    return begun;
  }

  /**
   * Returns the compressed frame that holds the content of a small file.
   * Returns `undefined` if the content cannot be read, or is not in a single
   * zstd frame of less than 4 MiB. In these cases, use `read`, which returns
   * the content or throws the error.
   */
  async readPacked(
    { reference }: StoredPiece,
  ): Promise<PackedFrame | undefined> {
    if (codecOf(reference.volume).name !== "zstd") return undefined;
    try {
      const bytes = await readPackedRange(this.#storage, reference);
      const size = wholeFrameSize(bytes);
      return size === undefined ? undefined : { bytes, size };
    } catch (error) {
      if (error instanceof DeltarError) return undefined;
      throw error;
    }
  }

  /**
   * Returns a file's content. The caller must check its SHA-256. The content of
   * a sparse file is in condensed form.
   *
   * @param entry The file.
   * @param options Whether parts can share their memory, and the signal.
   * @returns The content in one array for a small file whose deltas can be
   * applied in memory, otherwise the parts of the content in order.
   * @throws {DeltarError} `corrupt`, `truncated`, `mismatch` or `limit` if a
   * piece is damaged or has an impossible size, or if there are too many
   * deltas; `not-found` if a volume is missing; `aborted` if the signal fired;
   * also the errors of the storage. Some of these errors are thrown only when
   * the parts are read.
   */
  async read(
    entry: TreeFileEntry,
    { sharesMemory, signal }: ReadOptions = {},
  ): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
    const [base, ...deltas] = entry.content;
    checkSizes(entry);
    if (storedSize(entry) <= MAX_WHOLE_BYTES && isSmall(base)) {
      const bytes = await this.#readSmall(entry, base, deltas, signal);
      if (bytes !== undefined) return bytes;
    }
    if (deltas.length === 0) {
      return this.#stream(base, entry.path, signal, true);
    }
    return this.#patched(entry, base, {
      sharesMemory: sharesMemory && entry.sparse === undefined,
      signal,
    });
  }

  /**
   * Returns the content of a small file. Returns `undefined` if a delta or an
   * intermediate version is too large to be held in memory.
   */
  async #readSmall(
    entry: TreeFileEntry,
    base: StoredPiece,
    deltas: StoredPiece[],
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array | undefined> {
    if (!deltas.every(isSmall)) return undefined;
    const { path } = entry;
    let bytes = await this.readPiece(base, path, signal);
    for (const delta of deltas) {
      const step = await this.readPiece(delta, path, signal);
      const object = delta.reference.volume;
      const isLast = delta === deltas.at(-1);
      const maxSize = isLast
        ? storedSize(entry)
        : delta.result ?? MAX_BASIS_BYTES;
      if (maxSize > MAX_BASIS_BYTES) return undefined;
      try {
        bytes = patchBytes(bytes, step, { maxSize, object });
      } catch (error) {
        const isLimit = codeOf(error) === "limit";
        if (isLimit && maxSize === MAX_BASIS_BYTES) return undefined;
        throw error;
      }
    }
    return bytes;
  }

  /**
   * Returns whether the storage has all pieces of a file. Only the last stored
   * byte of each piece is read, so most damage is not found.
   *
   * @throws {DeltarError} The errors of the storage, except errors about
   * damaged or missing volumes.
   */
  async hasPieces({ content }: TreeFileEntry): Promise<boolean> {
    try {
      await forEachConcurrent(
        content,
        MAX_REQUESTS_AT_ONCE,
        async ({ reference: { volume, offset, length } }) => {
          const last = { offset: offset + length - 1, length: 1 };
          await collect(this.#storage.get(volume, last));
        },
      );
      return true;
    } catch (error) {
      if (isDamage(error)) return false;
      throw error;
    }
  }

  /**
   * Returns the bytes of a stored piece that fits in memory: a signature, or a
   * piece of a small file.
   *
   * @throws {DeltarError} `limit` if the piece is larger than the maximum size
   * of a signature; also the errors of `read`.
   */
  async readPiece(
    piece: StoredPiece,
    path: string,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    if (isSmall(piece)) {
      const frame = await unlessTooLarge(this.#frame(piece));
      if (frame !== undefined) return partOf(frame, piece, path);
    }
    const { size, reference } = piece;
    if (size > MAX_SIGNATURE_BYTES) {
      throw new DeltarError(
        "limit",
        `signature too large: ${size} bytes, at most ${MAX_SIGNATURE_BYTES}`,
        { object: reference.volume, offset: reference.offset, path },
      );
    }
    const bytes = new Uint8Array(size);
    let at = 0;
    for await (const part of this.#stream(piece, path, signal)) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** Yields the content of a file that has deltas, in parts. */
  async *#patched(
    entry: TreeFileEntry,
    base: StoredPiece,
    options: ReadOptions,
  ): AsyncGenerator<Uint8Array> {
    const { signal } = options;
    using literals = new Spool();
    using kept = new Spool();
    const { path } = entry;
    const content = this.#stream(base, path, signal, true);
    try {
      const chain = await this.deltas(entry, literals, signal);
      const needed = chain.needed();
      if (needed.end > base.size) {
        throw new DeltarError(
          "mismatch",
          `the delta copies up to byte ${needed.end} of a basis of ` +
            `${base.size} bytes`,
          { object: entry.content[1].reference.volume, path },
        );
      }
      if (chain.isInOrder) {
        yield* chain.result(new ForwardBasis(content), options);
        return;
      }
      if (!this.#isPlanned) {
        this.#isPlanned = true;
        try {
          using planned = await this.#planned(base, chain, needed.end, signal);
          if (planned !== undefined) {
            yield* chain.result(planned, options);
            return;
          }
        } finally {
          this.#isPlanned = false;
        }
      }
      // Only the ranges of the basis that the deltas copy are spooled. Their
      // total size is at most the size of the file.
      const cursor = needed.cursor();
      let at = 0;
      for await (const part of content) {
        const end = at + part.length;
        for (
          let range = cursor.next(at, end);
          range !== undefined;
          range = cursor.next(range.end, end)
        ) kept.write(part.subarray(range.start - at, range.end - at));
        at = end;
        if (at >= needed.end) break;
      }
      const access = kept.access();
      const basis: ChainBasis = {
        read: (offset, most) => access.read(needed.placeOf(offset), most),
      };
      yield* chain.result(basis, options);
    } finally {
      await content.return(undefined);
    }
  }

  /**
   * Returns the whole content at the start of a chain as a basis that is read
   * in the order of the copied ranges. Returns `undefined` if the storage is
   * not local, if the content is not compressed with zstd, or if
   * `PlannedFrames.plan` makes no plan.
   */
  async #planned(
    { reference }: StoredPiece,
    { segments }: DeltaChain,
    end: number,
    signal: AbortSignal | undefined,
  ): Promise<PlannedFrames | undefined> {
    if (!this.#isLocal) return undefined;
    if (codecOf(reference.volume).name !== "zstd") return undefined;
    return await PlannedFrames.plan({
      storage: this.#storage,
      reference,
      end,
      ranges: segments.copies(),
      signal,
    });
  }

  /**
   * Reads the deltas of a file.
   *
   * @param entry The file.
   * @param literals The spool for the literals of the deltas. The caller must
   * dispose of the spool.
   * @param signal The signal that ends the work with an error of code
   *   `aborted`.
   * @returns The chain of the deltas, without the whole content at its start.
   * @throws {DeltarError} The errors of `read`.
   * @throws {RangeError} If the file has no deltas.
   */
  async deltas(
    entry: TreeFileEntry,
    literals: Spool,
    signal?: AbortSignal,
  ): Promise<DeltaChain> {
    checkSizes(entry);
    const { content, path } = entry;
    const size = storedSize(entry);
    const links = content.slice(1).map((delta): ChainLink => ({
      open: () => this.#stream(delta, path, signal),
      result: delta.result,
      object: delta.reference.volume,
    }));
    return await DeltaChain.read(links, { size, literals, signal });
  }

  #stream(
    { reference, size }: StoredPiece,
    path: string,
    signal: AbortSignal | undefined,
    comparesSum = false,
  ): AsyncGenerator<Uint8Array> {
    const codec = codecOf(reference.volume);
    return readContent(this.#storage, reference, size, codec, {
      path,
      signal,
      comparesSum,
    });
  }

  #frame(piece: StoredPiece): Promise<Uint8Array> {
    const { reference } = piece;
    const key = keyOf(piece);
    let frame = this.#frames.get(key);
    if (frame === undefined) {
      frame = readRange(this.#storage, reference, codecOf(reference.volume), {
        limit: MAX_RANGE_BYTES,
      });
      this.#frames.set(key, frame);
      if (this.#frames.size > MAX_KEPT_FRAMES) {
        const [oldest] = this.#frames.keys();
        this.#frames.delete(oldest);
      }
    }
    return frame;
  }
}

/**
 * Returns the cache key of a piece. Pieces have the same key only if they are
 * in the same range of a volume.
 */
export function keyOf({ reference }: StoredPiece): string {
  return `${reference.volume}:${reference.offset}:${reference.length}`;
}

/** Returns whether a piece is small enough to be read through the cache. */
function isSmall(piece: StoredPiece): boolean {
  return piece.size <= MAX_WHOLE_BYTES &&
    piece.reference.length <= 2 * MAX_WHOLE_BYTES;
}

/**
 * Returns whether the content of a file is a single piece that is small enough
 * to be read through the cache. Returns `false` for a sparse file, because its
 * piece is the condensed form, not the content.
 */
export function isSmallWhole(
  { size, sparse, content }: TreeFileEntry,
): boolean {
  if (sparse !== undefined) return false;
  if (content.length !== 1 || size > MAX_WHOLE_BYTES) return false;
  const [piece] = content;
  return piece.size === size && isSmall(piece);
}

/** Returns the bytes of a piece from its decompressed frame. */
function partOf(
  frame: Uint8Array,
  { reference, size }: StoredPiece,
  path: string,
): Uint8Array {
  const { volume, offset, skip } = reference;
  if (skip + size > frame.length) {
    throw new DeltarError("corrupt", "the content is shorter than recorded", {
      object: volume,
      offset,
      path,
    });
  }
  return frame.subarray(skip, skip + size);
}

async function unlessTooLarge(
  reading: Promise<Uint8Array>,
): Promise<Uint8Array | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (error instanceof DeltarError && error.code === "limit") return;
    throw error;
  }
}

/**
 * A basis that is read once, from its start. Each range must start at or after
 * the end of the previous range.
 */
class ForwardBasis implements ChainBasis {
  readonly isLasting = true;
  readonly #source: AsyncGenerator<Uint8Array>;
  /** The part of the basis that was read last, and its offset in bytes. */
  #part: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(source: AsyncGenerator<Uint8Array>) {
    this.#source = source;
  }

  read(offset: number, most: number): Uint8Array | Promise<Uint8Array> {
    const skip = offset - this.#start;
    if (skip >= this.#part.length) return this.#advance(offset, most);
    return this.#part.subarray(skip, skip + most);
  }

  async #advance(offset: number, most: number): Promise<Uint8Array> {
    do {
      this.#start += this.#part.length;
      const { value, done } = await this.#source.next();
      if (done) {
        throw new DeltarError("truncated", "the basis ends too early", {
          offset: this.#start,
        });
      }
      this.#part = value;
    } while (offset >= this.#start + this.#part.length);
    const skip = offset - this.#start;
    return this.#part.subarray(skip, skip + most);
  }
}

/**
 * Checks the sizes of a file's pieces before any piece is read.
 *
 * @throws {DeltarError} `corrupt` if sizes contradict each other; `limit` if
 * there are too many deltas or a piece is too large.
 */
function checkSizes(entry: TreeFileEntry): void {
  const { path, content, signature } = entry;
  const size = storedSize(entry);
  const [base, ...deltas] = content;
  const fail = (code: "corrupt" | "limit", what: string, piece = base) => {
    const { volume, offset } = piece.reference;
    return new DeltarError(code, what, { object: volume, offset, path });
  };
  if (deltas.length > MAX_DELTAS) {
    throw fail(
      "limit",
      `too many deltas: ${deltas.length}, at most ${MAX_DELTAS}`,
    );
  }
  if (deltas.length === 0 && base.size !== size) {
    throw fail(
      "corrupt",
      `the stored content has ${base.size} bytes, but the entry of the file ` +
        `says ${size} bytes`,
    );
  }
  for (const delta of deltas) {
    const isLast = delta === deltas.at(-1);
    if (isLast && delta.result !== undefined && delta.result !== size) {
      throw fail(
        "corrupt",
        `the result of the last delta has ${delta.result} bytes, but the entry ` +
          `of the file says ${size} bytes`,
        delta,
      );
    }
    const result = isLast ? size : delta.result;
    // Instead of a delta above this limit, a writer stores the whole content.
    if (
      result !== undefined && delta.size > 2 * result + MAX_SMALL_DELTA_BYTES
    ) {
      throw fail(
        "limit",
        `delta too large: ${delta.size} bytes, at most ` +
          `${
            2 * result + MAX_SMALL_DELTA_BYTES
          } for a result of ${result} bytes`,
        delta,
      );
    }
  }
  if (
    signature !== undefined &&
    signature.size > Math.max(base.size, size) / 8 + MAX_SMALL_DELTA_BYTES
  ) {
    throw fail(
      "limit",
      `signature too large: ${signature.size} bytes, at most ` +
        `${
          Math.floor(Math.max(base.size, size) / 8) + MAX_SMALL_DELTA_BYTES
        } for a ` +
        `content of ${Math.max(base.size, size)} bytes`,
      signature,
    );
  }
}

/**
 * Returns a file's whole content as a stream. If the content does not match its
 * recorded size and SHA-256, the stream fails with `corrupt`, at the latest
 * after the last part.
 *
 * @param entry The file.
 * @param read Called when the first bytes are requested. Returns the result of
 * `ContentReader.read`. The stream fails with the errors of this call.
 */
export function checkedStream(
  entry: TreeFileEntry,
  read: () => Promise<Uint8Array | AsyncIterable<Uint8Array>>,
): ReadableStream<Uint8Array> {
  return toStream(checked(entry, read));
}

async function* checked(
  entry: TreeFileEntry,
  read: () => Promise<Uint8Array | AsyncIterable<Uint8Array>>,
): AsyncGenerator<Uint8Array> {
  yield* wholeContent(entry, checkedParts(entry, chunks(await read())));
}

/**
 * Checks the size and SHA-256 of content that `ContentReader.read` returned,
 * and returns the content. Content in one array is checked before this function
 * returns. Content in parts is checked while it is read: if it is wrong, the
 * returned generator fails with `corrupt`, at the latest after the last part.
 *
 * @param entry The file.
 * @param content The content.
 * @throws {DeltarError} `corrupt` if content in one array does not match its
 * recorded size and SHA-256.
 */
export function checkedContent(
  entry: TreeFileEntry,
  content: Uint8Array | AsyncIterable<Uint8Array>,
): Uint8Array | AsyncGenerator<Uint8Array> {
  if (!(content instanceof Uint8Array)) return checkedParts(entry, content);
  const isSame = content.length === storedSize(entry) &&
    toHex(sha256(content)) === entry.sha256;
  if (!isSame) throw differs(entry);
  return content;
}

async function* checkedParts(
  entry: TreeFileEntry,
  parts: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const sum = createSha256();
  let left = storedSize(entry);
  for await (const part of parts) {
    left -= part.length;
    if (left < 0) throw differs(entry);
    sum.update(part);
    yield part;
  }
  if (left > 0 || toHex(sum.digest()) !== entry.sha256) throw differs(entry);
}

/**
 * Returns the content of a file, with zeros for its holes.
 *
 * @param entry The file.
 * @param stored The stored content, which is in condensed form for a sparse
 * file.
 */
export function wholeContent<
  Stored extends Uint8Array | AsyncIterable<Uint8Array>,
>(
  entry: TreeFileEntry,
  stored: Stored,
): Stored | AsyncGenerator<Uint8Array> {
  const { size, sparse } = entry;
  if (sparse === undefined) return stored;
  const object = entry.content[0].reference.volume;
  return filled(placedData(chunks(stored), size, sparse, object), size);
}

function differs(entry: TreeFileEntry): DeltarError {
  return new DeltarError(
    "corrupt",
    "the content does not match its recorded size or SHA-256",
    { object: entry.content[0].reference.volume, path: entry.path },
  );
}
