import { DeltarError } from "../bytes/errors.ts";

/** Each segment takes 16 bytes of memory: this many take 64 MiB. */
const MOST = 2 ** 22;

/** A range of what a delta makes, and where its bytes come from. */
export interface Origin {
  /** Whether they come from the state before, or are literals. */
  kind: "copy" | "literal";
  /** Offset in the state before, or where the literals are kept. */
  offset: number;
  /** The length in bytes. */
  length: number;
}

/**
 * The sources of the bytes of a delta's result: ranges of the state before, or
 * literals that are kept elsewhere. Ranges of the result that are not needed may
 * be missing.
 */
export class Segments {
  /** Whether copies are of ranges in their order, none of them twice. */
  isInOrder = true;
  readonly #object: string | undefined;
  /** The offset of each segment in the result, in bytes. */
  #starts = new Float64Array(64);
  /** A copy's offset in the state before, or -1 - the offset of the literal. */
  #origins = new Float64Array(64);
  #count = 0;
  #end = 0;
  /** The origin that would go on with the last segment. */
  #next = NaN;
  #copied = 0;

  /** @param object The delta that they come from, for errors. */
  constructor(object?: string) {
    this.#object = object;
  }

  /**
   * Adds a segment behind all others.
   *
   * @param start Where it starts in the result.
   * @param origin Offset in the state before, or -1 - that of a literal.
   * @param length How many bytes.
   * @throws {DeltarError} `limit` if there are more than four million, or the
   * result is too large.
   */
  add(start: number, origin: number, length: number): void {
    const end = start + length;
    if (!Number.isSafeInteger(end)) {
      const object = this.#object;
      throw new DeltarError("limit", "the result is too large", { object });
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

  /** The size of the result in bytes, as far as segments were added. */
  get size(): number {
    return this.#end;
  }

  /** All segments, in the order of the result. */
  all(): Generator<Origin> {
    const start = this.#starts[0];
    return this.origins(start, this.#end - start);
  }

  /**
   * Yields the sources of a range of the result, in order.
   *
   * @param offset The first byte; there are segments for all of the range.
   * @param length How many bytes.
   */
  *origins(offset: number, length: number): Generator<Origin> {
    const end = offset + length;
    let segment = this.#find(offset);
    for (let at = offset; at < end; segment++) {
      const next = segment + 1 < this.#count
        ? this.#starts[segment + 1]
        : this.#end;
      const origin = this.#origins[segment];
      const skip = at - this.#starts[segment];
      const taken = Math.min(next, end) - at;
      yield origin < 0
        ? { kind: "literal", offset: -1 - origin + skip, length: taken }
        : { kind: "copy", offset: origin + skip, length: taken };
      at += taken;
    }
  }

  /** The ranges of the state before that are copied, in that order. */
  *copies(): Generator<{ offset: number; length: number }> {
    for (const origin of this.all()) if (origin.kind === "copy") yield origin;
  }

  /**
   * These segments told by what an older delta is made from.
   *
   * @param older Its segments; they have all that these copy.
   */
  through(older: Segments, object: string | undefined): Segments {
    const composed = new Segments(object);
    let at = 0;
    for (const { kind, offset, length } of this.all()) {
      if (kind === "literal") {
        composed.add(at, -1 - offset, length);
        at += length;
        continue;
      }
      for (const part of older.origins(offset, length)) {
        const origin = part.kind === "copy" ? part.offset : -1 - part.offset;
        composed.add(at, origin, part.length);
        at += part.length;
      }
    }
    return composed;
  }

  /** The last segment that starts at or before `offset`. */
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
    if (this.#count >= MOST) {
      throw new DeltarError("limit", `more than ${MOST} commands`, {
        object: this.#object,
      });
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
