import { RabinKarp, rabinKarp } from "./rabin_karp.ts";
import { RabinKarpKernel } from "./rabin_karp_kernel.ts";
import { Rollsum, rollsum } from "./rollsum.ts";

/**
 * The kind of weak sum. A weak sum has 32 bits and is used to find blocks that
 * might be equal. deltar's own signatures use Rabin-Karp.
 */
export type WeakKind = "rabin-karp" | "rollsum";

/** The sizes that a {@linkcode RollingSum} is made for. */
export interface RollingShape {
  /** The number of bytes in the window. */
  width: number;
  /** The maximum number of bytes of the file that are in memory at a time. */
  capacity: number;
  /** The number of 32-bit words of the filter, a power of two. */
  filterWords: number;
}

/**
 * The weak sum of a window of a fixed width that rolls over a buffer. The
 * position of the window is the offset of its first byte in the buffer.
 */
export interface RollingSum {
  /** The sum of the window at its current position, from 0 to 2^32 - 1. */
  readonly value: number;

  /**
   * The bytes to roll over, followed by one spare byte. The spare byte is read,
   * but its value has no effect.
   */
  readonly buffer: Uint8Array;

  /**
   * The filter that rejects most of the sums that match no block. `fillFilter`
   * fills this filter.
   */
  readonly filter: Int32Array;

  /** Moves the window to the position `at`, and computes its sum. */
  start(at: number): void;

  /** Moves the window from `at` to `at + 1`. */
  roll(at: number): void;

  /**
   * Rolls the window from its position `from` to the first position whose sum
   * passes the filter, or to `last + 1`.
   *
   * @returns The new position.
   */
  seek(from: number, last: number): number;

  /**
   * Moves the bytes from `count` up to, but not including, `end` to the start
   * of the buffer. If the window is at `count` after a `seek` that found
   * nothing, the window moves with the bytes. Otherwise, `start` must be called
   * next.
   */
  drop(count: number, end: number): void;

  /** Frees the memory. The caller must not call any method afterwards. */
  free(): void;
}

/** The minimum capacity in bytes for which the WebAssembly kernel is used. */
const LARGE_BYTES = 2 ** 17;

/** Returns a new rolling sum of the given kind. */
export function rollingSum(kind: WeakKind, shape: RollingShape): RollingSum {
  if (kind === "rollsum") return new Rollsum(shape);
  const kernel = shape.capacity >= LARGE_BYTES && RabinKarpKernel.create(shape);
  return kernel || new RabinKarp(shape);
}

/**
 * Returns the weak sum of `bytes` from `start` up to, but not including, `end`.
 * The sum is a number from 0 to 2^32 - 1.
 */
export type WeakSum = (bytes: Uint8Array, start: number, end: number) => number;

/** Returns the function that computes a kind of weak sum. */
export function weakSum(kind: WeakKind): WeakSum {
  return kind === "rollsum" ? rollsum : rabinKarp;
}
