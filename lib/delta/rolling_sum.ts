import { RabinKarp, rabinKarp } from "./rabin_karp.ts";
import { Rollsum, rollsum } from "./rollsum.ts";

/** Which 32-bit sum finds candidate blocks; deltar's own is Rabin-Karp. */
export type WeakKind = "rabin-karp" | "rollsum";

/** The weak sum of the window of a fixed width that slides over a buffer. */
export interface RollingSum {
  /** The sum of the window where it stands, from 0 to 2^32 - 1. */
  readonly value: number;

  /** Puts the window at `at`. */
  start(bytes: Uint8Array, at: number): void;

  /** Moves the window from `at` to `at + 1`. */
  roll(bytes: Uint8Array, at: number): void;

  /**
   * Moves the window, which stands at `from`, on to the first place whose sum
   * the filter lets pass, or to `last + 1`. The byte behind that window is read,
   * so the buffer has one to spare.
   *
   * @param filter A bit for each word `sum >>> shift` and bit `sum & 31`.
   * @returns The place.
   */
  seek(
    bytes: Uint8Array,
    from: number,
    last: number,
    filter: Int32Array,
    shift: number,
  ): number;
}

/** @returns A rolling sum for windows of `width` bytes. */
export function rollingSum(kind: WeakKind, width: number): RollingSum {
  return kind === "rollsum" ? new Rollsum(width) : new RabinKarp(width);
}

/** The weak sum of `bytes` from `start` up to `end`, from 0 to 2^32 - 1. */
export type WeakSum = (bytes: Uint8Array, start: number, end: number) => number;

/** @returns The function for a kind of weak sum. */
export function weakSum(kind: WeakKind): WeakSum {
  return kind === "rollsum" ? rollsum : rabinKarp;
}
