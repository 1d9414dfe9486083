import type { RollingSum } from "./rolling_sum.ts";

const MULTIPLIER = 0x08104225;
const SEED = 1;

const POWER_2 = Math.imul(MULTIPLIER, MULTIPLIER);
const POWER_3 = Math.imul(POWER_2, MULTIPLIER);
const POWER_4 = Math.imul(POWER_3, MULTIPLIER);

/**
 * librsync's Rabin-Karp sum (its `rabinkarp.h`): with `n` bytes `c`,
 * `M^n + c[0] M^(n-1) + … + c[n-1]` modulo 2^32.
 */
export function rabinKarp(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  let sum = SEED;
  let at = start;
  for (const whole = end - 3; at < whole; at += 4) {
    sum = Math.imul(sum, POWER_4) + Math.imul(bytes[at], POWER_3) +
        Math.imul(bytes[at + 1], POWER_2) +
        Math.imul(bytes[at + 2], MULTIPLIER) + bytes[at + 3] | 0;
  }
  for (; at < end; at++) sum = Math.imul(sum, MULTIPLIER) + bytes[at] | 0;
  return sum >>> 0;
}

/** A Rabin-Karp sum that rolls over a buffer, one window of bytes wide. */
export class RabinKarp implements RollingSum {
  value = 0;
  readonly #width: number;
  /** What a byte that leaves the window takes out of the sum. */
  readonly #leaving = new Int32Array(256);

  constructor(width: number) {
    this.#width = width;
    let power = 1;
    for (let left = width, base = MULTIPLIER; left > 0; left >>>= 1) {
      if (left & 1) power = Math.imul(power, base);
      base = Math.imul(base, base);
    }
    for (let byte = 0; byte < 256; byte++) {
      this.#leaving[byte] = Math.imul(power, byte + SEED * (MULTIPLIER - 1));
    }
  }

  start(bytes: Uint8Array, at: number): void {
    this.value = rabinKarp(bytes, at, at + this.#width);
  }

  seek(
    bytes: Uint8Array,
    from: number,
    last: number,
    filter: Int32Array,
    shift: number,
  ): number {
    const leaving = this.#leaving;
    const width = this.#width;
    let sum = this.value | 0;
    let at = from;
    while (at <= last && (filter[sum >>> shift] >>> sum & 1) === 0) {
      sum = Math.imul(sum, MULTIPLIER) +
          (bytes[at + width] - leaving[bytes[at]]) | 0;
      at++;
    }
    this.value = sum >>> 0;
    return at;
  }

  roll(bytes: Uint8Array, at: number): void {
    this.value = Math.imul(this.value, MULTIPLIER) +
        (bytes[at + this.#width] - this.#leaving[bytes[at]]) >>> 0;
  }
}
