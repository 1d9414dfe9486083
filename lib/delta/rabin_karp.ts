import { createKernel, type Kernel } from "./kernel.ts";
import { passes } from "./filter.ts";
import type { RollingShape, RollingSum } from "./rolling_sum.ts";

const MULTIPLIER = 0x08104225;
const SEED = 1;

const POWER_2 = Math.imul(MULTIPLIER, MULTIPLIER);
const POWER_3 = Math.imul(POWER_2, MULTIPLIER);
const POWER_4 = Math.imul(POWER_3, MULTIPLIER);

/**
 * The minimum number of bytes for which the kernel is used. With fewer bytes,
 * copying them to the kernel's memory takes more time than the kernel saves.
 */
const LONG_BYTES = 256;
/**
 * The WebAssembly kernel, if it can be created, and its memory. `undefined`
 * before the first use.
 */
let shared: { kernel: Kernel | undefined; memory: Uint8Array } | undefined;

/**
 * Returns librsync's Rabin-Karp sum (see its `rabinkarp.h`) of the bytes from
 * `start` up to, but not including, `end`. For `n` bytes `c` and the multiplier
 * `M`, the sum is `M^n + c[0] M^(n-1) + … + c[n-1]` modulo 2^32.
 */
export function rabinKarp(
  bytes: Uint8Array,
  start: number,
  end: number,
): number {
  if (end - start < LONG_BYTES) return rabinKarpPortable(bytes, start, end);
  // The kernel is compiled only on its first use, because compiling it can take
  // longer than all other work of a program.
  const { kernel, memory } = shared ??= prepareKernel();
  if (kernel === undefined) return rabinKarpPortable(bytes, start, end);
  let sum = SEED;
  for (let at = start; at < end; at += memory.length) {
    const part = bytes.subarray(at, Math.min(end, at + memory.length));
    memory.set(part);
    sum = kernel.weak(0, part.length, sum);
  }
  return sum >>> 0;
}

function prepareKernel(): NonNullable<typeof shared> {
  const kernel = createKernel();
  const memory = new Uint8Array(kernel?.memory.buffer ?? new ArrayBuffer(0));
  return { kernel, memory };
}

/** Returns the same sum as {@linkcode rabinKarp}, without WebAssembly. */
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
 * Returns the multiplier raised to the power of a window's width in bytes,
 * modulo 2^32, as a signed 32-bit number.
 */
export function powerOf(width: number): number {
  let power = 1;
  for (let left = width, base = MULTIPLIER; left > 0; left >>>= 1) {
    if (left & 1) power = Math.imul(power, base);
    base = Math.imul(base, base);
  }
  return power;
}

/**
 * Returns the sum of the window after it has moved by one byte, as a signed
 * 32-bit number.
 *
 * @param sum The sum before the move.
 * @param power The result of `powerOf` for the window's width.
 * @param leaving The byte that is no longer in the window.
 * @param entering The byte that is now in the window.
 */
export function rollRabinKarp(
  sum: number,
  power: number,
  leaving: number,
  entering: number,
): number {
  const out = Math.imul(power, leaving + SEED * (MULTIPLIER - 1));
  return Math.imul(sum, MULTIPLIER) + (entering - out) | 0;
}

/** The Rabin-Karp sum of a rolling window, computed without WebAssembly. */
export class RabinKarp implements RollingSum {
  value = 0;
  readonly buffer: Uint8Array;
  readonly filter: Int32Array;
  readonly #width: number;
  readonly #power: number;

  constructor(shape: RollingShape) {
    this.#width = shape.width;
    this.buffer = new Uint8Array(shape.capacity + 1);
    this.filter = new Int32Array(shape.filterWords);
    this.#power = powerOf(shape.width);
  }

  start(at: number): void {
    this.value = rabinKarp(this.buffer, at, at + this.#width);
  }

  roll(at: number): void {
    const { buffer } = this;
    const entering = buffer[at + this.#width];
    this.value =
      rollRabinKarp(this.value, this.#power, buffer[at], entering) >>>
      0;
  }

  seek(from: number, last: number): number {
    const { buffer, filter } = this;
    const power = this.#power;
    const width = this.#width;
    let sum = this.value | 0;
    let at = from;
    for (; at <= last; at++) {
      if (passes(filter, sum)) break;
      sum = rollRabinKarp(sum, power, buffer[at], buffer[at + width]);
    }
    this.value = sum >>> 0;
    return at;
  }

  drop(count: number, end: number): void {
    this.buffer.copyWithin(0, count, end);
  }

  free(): void {}
}
