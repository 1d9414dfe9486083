import { DeltarError } from "../bytes/errors.ts";
import type { Origin } from "./delta_index.ts";

/** Each segment takes 16 bytes of memory: this many take 64 MiB. */
const MOST = 2 ** 22;

/**
 * Where bytes of a result come from: ranges of the state before, or literals
 * that were kept. Ranges of the result that nobody needs may be left out.
 */
export class Segments {
  /** Whether copies are of ranges in their order, none of them twice. */
  isInOrder = true;
  readonly #object: string | undefined;
  /** Where each segment starts in the result. */
  #starts = new Float64Array(64);
  /** A copy's offset in the state before, or -1 - the offset of the literal. */
  #origins = new Float64Array(64);
  #count = 0;
  #end = 0;
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
   * @throws {DeltarError} `limit` if there are more than four million.
   */
  add(start: number, origin: number, length: number): void {
    if (origin >= 0) {
      this.isInOrder &&= origin >= this.#copied;
      this.#copied = origin + length;
    }
    if (this.#count > 0 && start === this.#end) {
      const last = this.#count - 1;
      const before = this.#end - this.#starts[last];
      const follows = origin < 0
        ? this.#origins[last] - before
        : this.#origins[last] + before;
      if (origin === follows && origin < 0 === this.#origins[last] < 0) {
        this.#end = start + length;
        return;
      }
    }
    if (this.#count === this.#starts.length) this.#grow();
    this.#starts[this.#count] = start;
    this.#origins[this.#count++] = origin;
    this.#end = start + length;
  }

  /** All segments, in the order of the result. */
  all(): Generator<Origin> {
    return this.#origin(0, this.#starts[0], this.#end);
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
      const first = older.#find(offset);
      for (const part of older.#origin(first, offset, offset + length)) {
        const origin = part.kind === "copy" ? part.offset : -1 - part.offset;
        composed.add(at, origin, part.length);
        at += part.length;
      }
    }
    return composed;
  }

  /** The segments from one on, for a range of the result. */
  *#origin(segment: number, start: number, end: number): Generator<Origin> {
    for (let at = start; at < end; segment++) {
      const next = segment + 1 < this.#count
        ? this.#starts[segment + 1]
        : this.#end;
      const origin = this.#origins[segment];
      const skip = at - this.#starts[segment];
      const length = Math.min(next, end) - at;
      yield origin < 0
        ? { kind: "literal", offset: -1 - origin + skip, length }
        : { kind: "copy", offset: origin + skip, length };
      at += length;
    }
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
