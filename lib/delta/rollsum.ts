import { passes } from "./filter.ts";
import type { RollingShape, RollingSum } from "./rolling_sum.ts";

/**
 * The number that librsync adds to every byte, so that zeros also change the
 * sum.
 */
const CHAR_OFFSET = 31;

/**
 * Returns the rollsum of the bytes from `start` up to, but not including,
 * `end`. The rollsum is librsync's older weak sum (see its `rollsum.h`), and is
 * similar to Adler-32.
 */
export function rollsum(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let low = 0;
  let high = 0;
  for (let at = start; at < end; at++) {
    low = low + bytes[at] + CHAR_OFFSET | 0;
    high = high + low | 0;
  }
  return join(low, high);
}

function join(low: number, high: number): number {
  return (high << 16 | low & 0xffff) >>> 0;
}

/** The rollsum of a rolling window. */
export class Rollsum implements RollingSum {
  value = 0;
  readonly buffer: Uint8Array;
  readonly filter: Int32Array;
  readonly #width: number;

  constructor(shape: RollingShape) {
    this.#width = shape.width;
    this.buffer = new Uint8Array(shape.capacity + 1);
    this.filter = new Int32Array(shape.filterWords);
  }

  start(at: number): void {
    this.value = rollsum(this.buffer, at, at + this.#width);
  }

  roll(at: number): void {
    const leaving = this.buffer[at];
    const low = this.value + this.buffer[at + this.#width] - leaving;
    const high = (this.value >>> 16) + low -
      Math.imul(this.#width, leaving + CHAR_OFFSET);
    this.value = join(low, high);
  }

  seek(from: number, last: number): number {
    let at = from;
    for (; at <= last; at++) {
      if (passes(this.filter, this.value)) break;
      this.roll(at);
    }
    return at;
  }

  drop(count: number, end: number): void {
    this.buffer.copyWithin(0, count, end);
  }

  free(): void {}
}
