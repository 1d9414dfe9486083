import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { DeltarError } from "../bytes/errors.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import { DeltaReader } from "./delta_reader.ts";
import { NeededRanges } from "./needed_ranges.ts";
import type { RandomAccess } from "./random_access.ts";
import { type DeltaSources, Segments } from "./segments.ts";

/**
 * The number of bytes of the last result that are collected before they are
 * yielded. A chain can have tens of thousands of short ranges. It would take
 * too long to hash, write and await each of them separately.
 */
const BLOCK_BYTES = 2 ** 18;

/** A delta in a chain. */
export interface ChainLink {
  /** Called once, when the delta is read. Returns the bytes of the delta. */
  open: () => ByteSource;
  /**
   * The size of the delta's result in bytes, if it is recorded. The size is not
   * used for the last delta, because the size of the last result is an option
   * of the chain.
   */
  result?: number;
  /** The name of the delta, for error messages. */
  object?: string;
}

/** A store for the literals of a chain, in memory or in a file. */
export interface LiteralStore {
  /** The number of bytes written so far. */
  readonly size: number;
  /** Writes the next bytes. The store copies them. */
  write(bytes: Uint8Array): void;
  /** Returns random access to the written bytes. */
  access(): RandomAccess;
}

/** Options for reading a chain. */
export interface ChainOptions {
  /** The size of the last result in bytes. */
  size: number;
  /** The store for literals. At most `size` bytes are written to the store. */
  literals: LiteralStore;
  /** The signal that aborts the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** Options for the result of a chain. */
export interface ResultOptions {
  /**
   * Whether the caller uses each block only until it requests the next one. If
   * so, all blocks share their memory, because allocating memory takes as long
   * as copying a block. Default: `false`.
   */
  sharesMemory?: boolean;
  /** The signal that aborts the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** The whole content at the start of a chain. */
export interface ChainBasis {
  /**
   * Whether the bytes that `read` returns stay valid and unchanged after the
   * next call. If so, the bytes of long ranges are yielded without being
   * copied.
   */
  readonly isLasting?: boolean;

  /**
   * Returns the first bytes of a range of the content.
   *
   * @param offset The offset of the range, in bytes.
   * @param most The length of the range, in bytes.
   * @returns At least one byte and at most `most` bytes. The bytes are valid
   *   until the next call, unless `isLasting` is `true`.
   */
  read(offset: number, most: number): Uint8Array | Promise<Uint8Array>;
}

/**
 * The result of a chain of deltas, as literals and as ranges of the whole
 * content at the start of the chain.
 *
 * The deltas are read from the last to the first, and only the literals that
 * the last result needs are stored. Therefore, the stored literals are never
 * larger than the last result, however large the earlier results are. Memory
 * holds lists of at most 2^22 ranges, with 16 bytes for each range.
 */
export class DeltaChain implements DeltaSources {
  /** The source of each byte of the last result. */
  readonly segments: Segments;
  /** The literals of the last result. */
  readonly literals: RandomAccess;

  private constructor(segments: Segments, literals: RandomAccess) {
    this.segments = segments;
    this.literals = literals;
  }

  /**
   * Reads a chain.
   *
   * @param links The deltas, at least one, the oldest first.
   * @param options The size of the last result, the store for the literals, and
   *   the signal.
   * @throws {DeltarError} `corrupt` if a delta is invalid, `truncated` if a
   *   delta ends early, `mismatch` if a delta copies from beyond the result of
   *   the previous delta or if the result of a delta is smaller than recorded,
   *   `limit` if a result is larger than recorded or consists of more than 2^22
   *   ranges, `aborted` if `signal` fired; and the errors of the sources and
   *   the store.
   * @throws {RangeError} If `links` is empty.
   */
  static async read(
    links: readonly ChainLink[],
    { size, literals, signal }: ChainOptions,
  ): Promise<DeltaChain> {
    let segments: Segments | undefined;
    for (const link of links.toReversed()) {
      const isLast = segments === undefined;
      const needed = NeededRanges.of(
        segments?.copies() ?? [{ offset: 0, length: size }],
      );
      const result = isLast ? size : link.result;
      const kept = await keep(link, result, needed, literals, signal);
      segments = segments?.through(kept, link.object) ?? kept;
    }
    if (segments === undefined) {
      throw new RangeError("`links` is empty; pass at least one delta");
    }
    return new DeltaChain(segments, literals.access());
  }

  /**
   * Returns the ranges that are copied from the whole content at the start of
   * the chain.
   */
  needed(): NeededRanges {
    return NeededRanges.of(this.segments.copies());
  }

  /** Whether the copied ranges are in ascending order and do not overlap. */
  get isInOrder(): boolean {
    return this.segments.isInOrder;
  }

  /**
   * Yields the last result in blocks of 256 KiB. The last block can be shorter.
   * If `basis.isLasting` is `true`, long ranges of the basis are yielded as
   * `basis.read` returns them, in blocks of any length.
   *
   * @param basis The whole content at the start of the chain. The ranges are
   *   read in the order of the result.
   * @param options Whether all blocks share their memory, and the signal.
   * @throws {DeltarError} `aborted` if the signal fired, and the errors of
   *   `basis` and the literals.
   */
  async *result(
    basis: ChainBasis,
    { sharesMemory = false, signal }: ResultOptions = {},
  ): AsyncGenerator<Uint8Array> {
    let block = new Uint8Array(BLOCK_BYTES);
    let used = 0;
    for (const { kind, offset, length } of this.segments.all()) {
      const source: ChainBasis = kind === "copy" ? basis : this.literals;
      for (let at = offset, end = offset + length; at < end;) {
        const isLong = source.isLasting === true && used === 0 &&
          end - at >= BLOCK_BYTES;
        const room = isLong ? end - at : BLOCK_BYTES - used;
        const reading = source.read(at, Math.min(end - at, room));
        const bytes = reading instanceof Promise ? await reading : reading;
        at += bytes.length;
        if (isLong) {
          const turn = turnIfDue();
          if (turn !== undefined) await turn;
          checkAborted(signal);
          yield bytes;
          continue;
        }
        block.set(bytes, used);
        used += bytes.length;
        if (used < BLOCK_BYTES) continue;
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        checkAborted(signal);
        yield block;
        if (!sharesMemory) block = new Uint8Array(BLOCK_BYTES);
        used = 0;
      }
    }
    checkAborted(signal);
    if (used > 0) yield block.subarray(0, used);
  }
}

/**
 * Stores the literals of the needed ranges of a delta's result. Returns the
 * sources of these ranges.
 */
async function keep(
  { open, object }: ChainLink,
  result: number | undefined,
  needed: NeededRanges,
  literals: LiteralStore,
  signal: AbortSignal | undefined,
): Promise<Segments> {
  const most = result ?? Number.MAX_SAFE_INTEGER;
  const reader = new DeltaReader(object);
  const kept = new Segments(object);
  const cursor = needed.cursor();
  let size = 0;
  for await (const piece of chunks(open())) {
    checkAborted(signal);
    for (const command of reader.read(piece)) {
      const end = size + command.length;
      if (end > most) {
        throw new DeltarError(
          "limit",
          `the result of the delta has more than ${most} bytes`,
          {
            object,
            offset: command.at,
          },
        );
      }
      for (
        let part = cursor.next(size, end);
        part !== undefined;
        part = cursor.next(part.end, end)
      ) {
        const skip = part.start - size;
        const length = part.end - part.start;
        if (command.kind === "copy") {
          kept.add(part.start, command.offset + skip, length);
        } else {
          kept.add(part.start, -1 - literals.size, length);
          literals.write(command.bytes.subarray(skip, skip + length));
        }
      }
      size = end;
    }
  }
  reader.finish();
  if (size < needed.end || (result !== undefined && size !== result)) {
    throw new DeltarError(
      "mismatch",
      `the result of the delta has ${size} bytes, expected ${
        result === undefined || result === size
          ? `at least ${needed.end}`
          : result
      }`,
      { object },
    );
  }
  return kept;
}
