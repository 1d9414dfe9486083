import { createKernel } from "./kernel.ts";
import { filterShift, passes } from "./filter.ts";
import type { RollingShape, RollingSum } from "./rolling_sum.ts";

const MULTIPLIER = 0x08104225;
const SEED = 1;

const POWER_2 = Math.imul(MULTIPLIER, MULTIPLIER);
const POWER_3 = Math.imul(POWER_2, MULTIPLIER);
const POWER_4 = Math.imul(POWER_3, MULTIPLIER);

/** From this length on, copying to the kernel's memory is worth it. */
const LONG = 256;
const kernel = createKernel();
const scratch = new Uint8Array(kernel?.memory.buffer ?? new ArrayBuffer(0));

/**
 * librsync's Rabin-Karp sum (its `rabinkarp.h`): with `n` bytes `c`,
 * `M^n + c[0] M^(n-1) + … + c[n-1]` modulo 2^32.
 */
export function rabinKarp(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (!kernel || end - start < LONG) {
    return rabinKarpPortable(bytes, start, end);
  }
  let sum = SEED;
  for (let at = start; at < end; at += scratch.length) {
    const part = bytes.subarray(at, Math.min(end, at + scratch.length));
    scratch.set(part);
    sum = kernel.weak(0, part.length, sum);
  }
  return sum >>> 0;
}

/** {@linkcode rabinKarp} without WebAssembly. */
export function rabinKarpPortable(
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

/**
 * Fills in what each byte takes out of the sum when it leaves a window: 256
 * signed numbers.
 */
export function fillLeaving(leaving: Int32Array, width: number): void {
  let power = 1;
  for (let left = width, base = MULTIPLIER; left > 0; left >>>= 1) {
    if (left & 1) power = Math.imul(power, base);
    base = Math.imul(base, base);
  }
  for (let byte = 0; byte < 256; byte++) {
    leaving[byte] = Math.imul(power, byte + SEED * (MULTIPLIER - 1));
  }
}

/** The sum of the next window, where a byte leaves and another enters. */
export function rollRabinKarp(
  sum: number,
  leaving: number,
  entering: number,
): number {
  return Math.imul(sum, MULTIPLIER) + (entering - leaving) | 0;
}

/** The Rabin-Karp sum of a rolling window, without WebAssembly. */
export class RabinKarp implements RollingSum {
  value = 0;
  readonly buffer: Uint8Array;
  readonly filter: Int32Array;
  readonly #shift: number;
  readonly #width: number;
  readonly #leaving = new Int32Array(256);

  constructor(shape: RollingShape) {
    this.#width = shape.width;
    this.buffer = new Uint8Array(shape.capacity + 1);
    this.filter = new Int32Array(shape.filterWords);
    this.#shift = filterShift(shape.filterWords);
    fillLeaving(this.#leaving, shape.width);
  }

  start(at: number): void {
    this.value = rabinKarp(this.buffer, at, at + this.#width);
  }

  roll(at: number): void {
    const { buffer } = this;
    const leaving = this.#leaving[buffer[at]];
    this.value =
      rollRabinKarp(this.value, leaving, buffer[at + this.#width]) >>> 0;
  }

  seek(from: number, last: number): number {
    const { buffer, filter } = this;
    const leaving = this.#leaving;
    const shift = this.#shift;
    const width = this.#width;
    let sum = this.value | 0;
    let at = from;
    for (; at <= last; at++) {
      if (passes(filter, shift, sum)) break;
      sum = rollRabinKarp(sum, leaving[buffer[at]], buffer[at + width]);
    }
    this.value = sum >>> 0;
    return at;
  }

  free(): void {}
}
