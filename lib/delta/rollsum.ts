import type { RollingSum } from "./rolling_sum.ts";

/** librsync adds this to every byte, so that runs of zeros count. */
const CHAR_OFFSET = 31;

/** librsync's older sum (its `rollsum.h`), a relative of Adler-32. */
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

/** That sum rolling over a buffer, one window of bytes wide. */
export class Rollsum implements RollingSum {
  value = 0;
  readonly #width: number;

  constructor(width: number) {
    this.#width = width;
  }

  start(bytes: Uint8Array, at: number): void {
    this.value = rollsum(bytes, at, at + this.#width);
  }

  seek(
    bytes: Uint8Array,
    from: number,
    last: number,
    filter: Int32Array,
    shift: number,
  ): number {
    let at = from;
    while (
      at <= last && (filter[this.value >>> shift] >>> this.value & 1) === 0
    ) {
      this.roll(bytes, at++);
    }
    return at;
  }

  roll(bytes: Uint8Array, at: number): void {
    const leaving = bytes[at];
    const low = this.value + bytes[at + this.#width] - leaving;
    const high = (this.value >>> 16) + low -
      Math.imul(this.#width, leaving + CHAR_OFFSET);
    this.value = join(low, high);
  }
}
