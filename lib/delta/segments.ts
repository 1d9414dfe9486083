import { DeltarError } from "../bytes/errors.ts";
import type { RandomAccess } from "./random_access.ts";

/**
 * The maximum number of segments. Each segment takes 16 bytes, so all segments
 * take at most 64 MiB.
 */
const MAX_SEGMENTS = 2 ** 22;

/** A range of a delta's result, and the source of its bytes. */
export interface Origin {
  /** The source of the bytes: the old state, or the stored literals. */
  kind: "copy" | "literal";
  /**
   * The offset in bytes of the range in the old state or, for a literal, in the
   * stored literals.
   */
  offset: number;
  /** The length of the range in bytes. */
  length: number;
}

/** The sources of the bytes of a delta's result, and the delta's literals. */
export interface DeltaSources {
  /** The source of each byte of the result. */
  readonly segments: Segments;
  /** The literals, at the offsets that the segments name. */
  readonly literals: RandomAccess;
}

/**
 * The sources of the bytes of a delta's result: ranges of the old state, and
 * literals that are stored separately. There can be gaps between the segments,
 * for ranges of the result that are not needed.
 */
export class Segments {
  /** Whether the copied ranges are in ascending order and do not overlap. */
  isInOrder = true;
  readonly #object: string | undefined;
  /** The offset of each segment in the result, in bytes. */
  #starts = new Float64Array(64);
  /**
   * The origin of each segment. For a copy, this is the offset in the old
   * state, in bytes. For a literal, it is -1 minus the offset in the stored
   * literals.
   */
  #origins = new Float64Array(64);
  #count = 0;
  #end = 0;
  /** The origin that a new segment has if it continues the last one. */
  #next = NaN;
  #copied = 0;

  /**
   * Makes an empty list of segments.
   *
   * @param object The name of the delta that the segments come from, for error
   *   messages.
   */
  constructor(object?: string) {
    this.#object = object;
  }

  /**
   * Adds a segment after all others, or extends the last one.
   *
   * @param start The offset of the segment in the result, in bytes.
   * @param origin For a copy, the offset in the old state, in bytes. For a
   *   literal, -1 minus the offset in the stored literals.
   * @param length The length of the segment in bytes.
   * @throws {DeltarError} `limit` if there are more than 2^22 segments, or the
   *   result is larger than 2^53 - 1 bytes.
   */
  add(start: number, origin: number, length: number): void {
    const end = start + length;
    if (!Number.isSafeInteger(end)) {
      const object = this.#object;
      throw new DeltarError(
        "limit",
        "the result of the delta has more than 2^53 - 1 bytes",
        {
          object,
        },
      );
    }
    const goesOn = origin === this.#next && start === this.#end;
    this.#end = end;
    if (origin < 0) this.#next = origin - length;
    else {
      if (origin < this.#copied) this.isInOrder = false;
      this.#next = this.#copied = origin + length;
    }
    if (goesOn) return;
    if (this.#count === this.#starts.length) this.#grow();
    this.#starts[this.#count] = start;
    this.#origins[this.#count++] = origin;
  }

  /** The offset in the result at which the last segment ends, in bytes. */
  get size(): number {
    return this.#end;
  }

  /**
   * Yields all segments, in the order of the result. There must be no gap
   * between them.
   */
  *all(): Generator<Origin> {
    for (let segment = 0; segment < this.#count; segment++) {
      const origin = this.#origins[segment];
      const length = this.#endOf(segment) - this.#starts[segment];
      yield origin < 0
        ? { kind: "literal", offset: -1 - origin, length }
        : { kind: "copy", offset: origin, length };
    }
  }

  /**
   * Yields the sources of a range of the result, in order.
   *
   * @param offset The offset of the range in bytes. Every byte of the range
   *   must be in a segment.
   * @param length The length of the range in bytes.
   */
  *origins(offset: number, length: number): Generator<Origin> {
    const end = offset + length;
    let segment = this.#find(offset);
    for (let at = offset; at < end; segment++) {
      const next = this.#endOf(segment);
      const origin = this.#origins[segment];
      const skip = at - this.#starts[segment];
      const taken = Math.min(next, end) - at;
      yield origin < 0
        ? { kind: "literal", offset: -1 - origin + skip, length: taken }
        : { kind: "copy", offset: origin + skip, length: taken };
      at += taken;
    }
  }

  /**
   * Yields the ranges of the old state that are copied, in the order of the
   * result. There must be no gap between the segments.
   */
  *copies(): Generator<{ offset: number; length: number }> {
    for (let segment = 0; segment < this.#count; segment++) {
      const offset = this.#origins[segment];
      if (offset < 0) continue;
      yield { offset, length: this.#endOf(segment) - this.#starts[segment] };
    }
  }

  /**
   * Returns the segments of the same result after composition with an older
   * delta: each range that is copied from the older delta's result is replaced
   * by the sources of that range. There must be no gap between the segments
   * that this method is called on.
   *
   * @param older The segments of the older delta. They must cover all ranges of
   *   its result that are copied.
   * @param object The name of the older delta, for error messages.
   * @throws {DeltarError} `limit` if there are more than 2^22 segments.
   */
  through(older: Segments, object: string | undefined): Segments {
    const composed = new Segments(object);
    let near = 0;
    let at = 0;
    for (let segment = 0; segment < this.#count; segment++) {
      const origin = this.#origins[segment];
      const length = this.#endOf(segment) - this.#starts[segment];
      if (origin < 0) {
        composed.add(at, origin, length);
        at += length;
        continue;
      }
      // Most copies start in the segment in which the previous copy ended, so
      // that segment is checked before all segments are searched.
      if (!older.#holds(near, origin)) near = older.#find(origin);
      for (let from = origin, end = origin + length; from < end; near++) {
        const taken = Math.min(older.#endOf(near), end) - from;
        const skip = from - older.#starts[near];
        const source = older.#origins[near];
        composed.add(at, source < 0 ? source - skip : source + skip, taken);
        at += taken;
        from += taken;
      }
      near--;
    }
    return composed;
  }

  /** Returns the offset in the result at which a segment ends, in bytes. */
  #endOf(segment: number): number {
    return segment + 1 < this.#count ? this.#starts[segment + 1] : this.#end;
  }

  /** Returns whether a byte of the result is in a segment. */
  #holds(segment: number, offset: number): boolean {
    return this.#starts[segment] <= offset && offset < this.#endOf(segment);
  }

  /**
   * Returns the index of the last segment that starts at or before `offset`.
   */
  #find(offset: number): number {
    let low = 0;
    let high = this.#count;
    while (high - low > 1) {
      const middle = low + high >>> 1;
      if (this.#starts[middle] <= offset) low = middle;
      else high = middle;
    }
    return low;
  }

  #grow(): void {
    if (this.#count >= MAX_SEGMENTS) {
      throw new DeltarError(
        "limit",
        `the result of the delta has more than ${MAX_SEGMENTS} parts`,
        {
          object: this.#object,
        },
      );
    }
    this.#starts = doubled(this.#starts);
    this.#origins = doubled(this.#origins);
  }
}

function doubled(
  numbers: Float64Array<ArrayBuffer>,
): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(numbers.length * 2);
  larger.set(numbers);
  return larger;
}
