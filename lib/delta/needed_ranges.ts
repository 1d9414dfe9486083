/**
 * The needed ranges of a file, in ascending order of their offsets. No range is
 * empty, and no two ranges touch or overlap.
 */
export class NeededRanges {
  /** The offset of the start and of the end of each range, in bytes. */
  readonly #bounds: Float64Array;
  /**
   * For each range, the total length in bytes of all ranges before it.
   * `undefined` until the first call to `placeOf`.
   */
  #before: Float64Array | undefined;

  private constructor(bounds: Float64Array) {
    this.#bounds = bounds;
  }

  /**
   * Returns the union of the given ranges, which can overlap and be in any
   * order.
   */
  static of(
    ranges: Iterable<{ offset: number; length: number }>,
  ): NeededRanges {
    let bounds = new Float64Array(128);
    let count = 0;
    let isSorted = true;
    for (const { offset, length } of ranges) {
      if (length === 0) continue;
      const end = offset + length;
      const last = count - 1;
      if (count > 0 && offset >= bounds[last - 1] && offset <= bounds[last]) {
        bounds[last] = Math.max(bounds[last], end);
        continue;
      }
      isSorted &&= count === 0 || offset > bounds[last];
      if (count === bounds.length) {
        const larger = new Float64Array(2 * count);
        larger.set(bounds);
        bounds = larger;
      }
      bounds[count++] = offset;
      bounds[count++] = end;
    }
    bounds = bounds.subarray(0, count);
    return new NeededRanges(isSorted ? bounds : merged(bounds));
  }

  /**
   * The end of the last range, in bytes from the start of the file, or 0 if
   * there are no ranges.
   */
  get end(): number {
    return this.#bounds.at(-1) ?? 0;
  }

  /** The total length of the ranges, in bytes. */
  get size(): number {
    let size = 0;
    for (let at = 0; at < this.#bounds.length; at += 2) {
      size += this.#bounds[at + 1] - this.#bounds[at];
    }
    return size;
  }

  /**
   * Returns a cursor for reading the file in order, from an offset on.
   *
   * @param start The offset in bytes. Default: 0, the start of the file.
   */
  cursor(start = 0): RangeCursor {
    return new RangeCursor(this.#bounds, 2 * this.#find(start));
  }

  /**
   * Returns the offset, in bytes, at which a byte of the file is stored if only
   * the needed ranges are stored, one after the other.
   *
   * @param offset The offset of the byte in the file, in a needed range.
   */
  placeOf(offset: number): number {
    this.#before ??= this.#sums();
    const range = this.#find(offset);
    return this.#before[range] + offset - this.#bounds[2 * range];
  }

  /**
   * Returns the number of bytes from an offset in the file to the end of the
   * needed range that holds the byte at this offset; 0 if the byte is not in a
   * needed range.
   */
  lengthAt(offset: number): number {
    const range = this.#find(offset);
    // Without ranges, the bounds are `undefined`, and the comparison is false.
    const isIn = this.#bounds[2 * range] <= offset;
    return isIn ? Math.max(0, this.#bounds[2 * range + 1] - offset) : 0;
  }

  /**
   * Returns the index of the last range that starts at or before an offset, or
   * 0 if there is no such range.
   */
  #find(offset: number): number {
    let low = 0;
    let high = this.#bounds.length / 2;
    while (high - low > 1) {
      const middle = low + high >>> 1;
      if (this.#bounds[2 * middle] <= offset) low = middle;
      else high = middle;
    }
    return low;
  }

  #sums(): Float64Array {
    const sums = new Float64Array(this.#bounds.length / 2);
    for (let at = 1; at < sums.length; at++) {
      sums[at] = sums[at - 1] + this.#bounds[2 * at - 1] -
        this.#bounds[2 * at - 2];
    }
    return sums;
  }
}

/** A position in a list of ranges, for a file that is read in order. */
export class RangeCursor {
  readonly #bounds: Float64Array;
  #at: number;

  /**
   * Makes a cursor.
   *
   * @param bounds The starts and ends of the ranges, in ascending order.
   * @param at The index in `bounds` of the start of the first range to return.
   */
  constructor(bounds: Float64Array, at: number) {
    this.#bounds = bounds;
    this.#at = at;
  }

  /**
   * Whether all ranges end at or before the `start` of the last call to `next`.
   */
  get isDone(): boolean {
    return this.#at >= this.#bounds.length;
  }

  /**
   * Returns the first needed range between the offsets `start` and `end`, cut
   * at these offsets, or `undefined` if there is no such range. All offsets are
   * in bytes. `start` must not decrease between calls.
   */
  next(start: number, end: number): { start: number; end: number } | undefined {
    if (start >= end) return undefined;
    const bounds = this.#bounds;
    while (this.#at < bounds.length && bounds[this.#at + 1] <= start) {
      this.#at += 2;
    }
    if (this.#at >= bounds.length || bounds[this.#at] >= end) return undefined;
    return {
      start: Math.max(start, bounds[this.#at]),
      end: Math.min(end, bounds[this.#at + 1]),
    };
  }
}

/**
 * Returns the given ranges in ascending order, with adjacent and overlapping
 * ranges merged.
 */
function merged(bounds: Float64Array): Float64Array {
  const count = bounds.length / 2;
  const starts = new Float64Array(count);
  const ends = new Float64Array(count);
  for (let at = 0; at < count; at++) {
    starts[at] = bounds[2 * at];
    ends[at] = bounds[2 * at + 1];
  }
  // The starts and the ends are sorted separately, because numbers are sorted
  // much faster without a comparison function. A merged range ends where
  // `ends[at]` is less than `starts[at + 1]`, because all ranges that start
  // before `ends[at]` have then ended.
  starts.sort();
  ends.sort();
  const result = new Float64Array(bounds.length);
  let length = 0;
  let first = 0;
  for (let at = 0; at < count; at++) {
    if (at + 1 < count && starts[at + 1] <= ends[at]) continue;
    result[length++] = starts[first];
    result[length++] = ends[at];
    first = at + 1;
  }
  return result.slice(0, length);
}
