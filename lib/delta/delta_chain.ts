import { checkAborted } from "../bytes/abort.ts";
import { DeltarError } from "../bytes/errors.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import { DeltaReader } from "./delta_reader.ts";
import { NeededRanges } from "./needed_ranges.ts";
import type { RandomAccess } from "./random_access.ts";
import { type DeltaSources, Segments } from "./segments.ts";

/** The maximum number of literal bytes that are read at a time. */
const MAX_READ_BYTES = 2 ** 16;

/** A delta in a chain. */
export interface ChainLink {
  /** Called once. Returns the bytes of the delta. */
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
  /** The store for literals, which never holds more than `size` bytes. */
  literals: LiteralStore;
  /** The signal that aborts the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * The result of a chain of deltas, as literals and as ranges of the whole
 * content at the start of the chain.
 *
 * The deltas are read from the last to the first, and only the literals that
 * later deltas need are stored. Therefore, the stored literals are never larger
 * than the last result, however large the earlier results are. Memory holds
 * lists of at most 2^22 ranges, with 16 bytes for each range.
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
   * Yields the last result.
   *
   * @param basis Called with the offset and length, in bytes, of a range of the
   *   whole content at the start of the chain. Yields the bytes of this range
   *   in chunks, and may reuse the memory of a chunk when the next one is
   *   requested.
   * @param signal The signal that aborts the work.
   * @throws {DeltarError} `aborted` if the signal fired, and the errors of
   *   `basis` and the literals.
   */
  async *result(
    basis: (offset: number, length: number) => AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    for (const { kind, offset, length } of this.segments.all()) {
      checkAborted(signal);
      if (kind === "copy") yield* basis(offset, length);
      else yield* this.#literal(offset, length);
    }
  }

  async *#literal(offset: number, length: number): AsyncGenerator<Uint8Array> {
    const end = offset + length;
    for (let at = offset; at < end; at += MAX_READ_BYTES) {
      yield await this.literals.read(at, Math.min(MAX_READ_BYTES, end - at));
    }
  }
}

/**
 * Returns the sources of the needed ranges of a delta's result, and stores the
 * literals in these ranges.
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
