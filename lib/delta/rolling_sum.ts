import { RabinKarp, rabinKarp } from "./rabin_karp.ts";
import { RabinKarpKernel } from "./rabin_karp_kernel.ts";
import { Rollsum, rollsum } from "./rollsum.ts";

/** Which 32-bit sum finds candidate blocks; deltar's own is Rabin-Karp. */
export type WeakKind = "rabin-karp" | "rollsum";

/** The sizes of a {@linkcode RollingSum} and its memory. */
export interface RollingShape {
  /** Bytes in the window that rolls. */
  width: number;
  /** Bytes of the file in memory at a time. */
  capacity: number;
  /** Words of the filter, a power of two. */
  filterWords: number;
}

/** The weak sum of a window of a fixed width that rolls over a buffer. */
export interface RollingSum {
  /** The sum of the window where it stands, from 0 to 2^32 - 1. */
  readonly value: number;

  /** The bytes to roll over, and one to spare, which may be read. */
  readonly buffer: Uint8Array;

  /** Which sums are worth looking up, as `fillFilter` fills it. */
  readonly filter: Int32Array;

  /** Puts the window at `at`. */
  start(at: number): void;

  /** Moves the window from `at` to `at + 1`. */
  roll(at: number): void;

  /**
   * Moves the window, which stands at `from`, on to the first place whose sum
   * the filter lets pass, or to `last + 1`.
   *
   * @returns The place.
   */
  seek(from: number, last: number): number;

  /**
   * Moves the buffer's bytes from `count` up to `end` to its start, and with
   * them the window, which stands at `count` after a `seek` that found nothing.
   */
  drop(count: number, end: number): void;

  /** Gives up the memory; nothing else may be called afterwards. */
  free(): void;
}

/** From this capacity on the kernel's start is worth it. */
const LARGE = 2 ** 17;

/** @returns A rolling sum of a kind. */
export function rollingSum(kind: WeakKind, shape: RollingShape): RollingSum {
  if (kind === "rollsum") return new Rollsum(shape);
  const kernel = shape.capacity >= LARGE && RabinKarpKernel.create(shape);
  return kernel || new RabinKarp(shape);
}

/** The weak sum of `bytes` from `start` up to `end`, from 0 to 2^32 - 1. */
export type WeakSum = (bytes: Uint8Array, start: number, end: number) => number;

/** @returns The function for a kind of weak sum. */
export function weakSum(kind: WeakKind): WeakSum {
  return kind === "rollsum" ? rollsum : rabinKarp;
}
