import { concat } from "../../bytes/source.ts";
import { NeededRanges } from "../../delta/needed_ranges.ts";
import type { OldPart } from "../../delta/old_parts.ts";
import type { RandomAccess } from "../../delta/random_access.ts";
import { Spool } from "../../tree/spool.ts";

/**
 * A range of a content, and its position in the spool. All offsets are in
 * bytes.
 */
interface KeptRange {
  /** The offset of the range in the content. */
  start: number;
  /** The offset after the last byte of the range, in the content. */
  end: number;
  /** The offset of the range in the spool. */
  place: number;
}

/**
 * Ranges of a content that are copied to a spool while their bytes are in
 * memory, so that they need not be read from the storage again.
 */
export class KeptRanges implements Disposable {
  readonly #spool = new Spool();
  #ranges: KeptRange[] = [];

  /**
   * Copies to the spool those bytes of a range that are in memory.
   *
   * @param parts The parts of the content that are in memory.
   * @param start The offset of the range in bytes.
   * @param end The offset after the last byte of the range.
   */
  keep(parts: readonly OldPart[], start: number, end: number): void {
    for (const { offset, bytes } of parts) {
      const from = Math.max(start, offset);
      const to = Math.min(end, offset + bytes.length);
      if (from >= to) continue;
      this.#ranges.push({ start: from, end: to, place: this.#spool.size });
      this.#spool.write(bytes.subarray(from - offset, to - offset));
    }
  }

  /**
   * Returns random access to ranges of the content.
   *
   * @param ranges The ranges to read.
   * @param read Called once, with the ranges that were not kept. Reads these
   *   ranges, and returns random access to their bytes.
   */
  async access(
    ranges: NeededRanges,
    read: (missing: NeededRanges) => Promise<RandomAccess & Disposable>,
  ): Promise<RandomAccess & Disposable> {
    this.#ranges.sort((a, b) => a.start - b.start);
    const rest = await read(NeededRanges.of(this.#missing(ranges)));
    const spool = this.#spool.access();
    const pieceAt = (offset: number, end: number) => {
      const [kept, next] = this.#at(offset);
      return kept === undefined
        ? rest.read(offset, Math.min(end, next) - offset)
        : spool.read(
          kept.place + offset - kept.start,
          Math.min(end, kept.end) - offset,
        );
    };
    return {
      size: rest.size,
      async read(offset, length) {
        const end = offset + length;
        const first = await pieceAt(offset, end);
        if (first.length === length) return first;
        const pieces = [first.slice()];
        for (let at = offset + first.length; at < end;) {
          const piece = await pieceAt(at, end);
          pieces.push(piece.slice());
          at += piece.length;
        }
        return concat(pieces);
      },
      [Symbol.dispose]: () => rest[Symbol.dispose](),
    };
  }

  /** Deletes the kept bytes at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.#spool.dispose();
  }

  /** Yields the parts of the given ranges that were not kept. */
  *#missing(ranges: NeededRanges) {
    const cursor = ranges.cursor();
    for (
      let range = cursor.next(0, ranges.end);
      range !== undefined;
      range = cursor.next(range.end, ranges.end)
    ) {
      for (let at = range.start; at < range.end;) {
        const [kept, next] = this.#at(at);
        const end = Math.min(range.end, kept?.end ?? next);
        if (kept === undefined) yield { offset: at, length: end - at };
        at = end;
      }
    }
  }

  /**
   * Returns the kept range that contains the byte at `offset`, or `undefined`,
   * and the offset at which the next kept range begins, or `Infinity`.
   */
  #at(offset: number): [KeptRange | undefined, number] {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = low + high >>> 1;
      if (this.#ranges[middle].start <= offset) low = middle + 1;
      else high = middle;
    }
    const last = this.#ranges.at(low - 1);
    const kept = low > 0 && last !== undefined && offset < last.end
      ? last
      : undefined;
    return [kept, this.#ranges[low]?.start ?? Infinity];
  }
}
