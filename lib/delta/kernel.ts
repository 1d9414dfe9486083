import { KERNEL } from "./kernel_wasm.ts";

/** The exports of `kernel.wat`. */
export interface Kernel {
  /**
   * The linear memory of the kernel. When it grows, existing views of it are
   * detached.
   */
  readonly memory: WebAssembly.Memory;
  /**
   * Rolls a window from `at` to the first position whose sum passes the filter,
   * or to `last + 1`. Returns the new position. The sum of the window is read
   * from the address `state`, and the sum at the new position is written there.
   * `FILTER_BITS` must be at address 0.
   *
   * @param at The address of the window. `last`, `filter` and `state` are also
   *   addresses.
   * @param width The width of the window in bytes.
   * @param power The result of `powerOf` for this width.
   * @param mask The size of the filter in bytes minus 4.
   */
  seek(
    at: number,
    last: number,
    width: number,
    power: number,
    filter: number,
    mask: number,
    state: number,
  ): number;
  /**
   * Checks the windows at `4 * stride` addresses from `at` on, in four streams
   * of `stride` windows each. `stride` must be a multiple of 4. `width`,
   * `power`, `filter` and `mask` are those of `seek`.
   *
   * The windows of a stream that pass the filter are added to the list of this
   * stream. The four lists of `LIST_BYTES` bytes each start at the address
   * `lists`. A list begins with the total length of its entries in bytes, from
   * 0 to `LIST_BYTES - 8`. From its ninth byte on, the list contains one entry
   * for each window: the address, then the sum. No window is added to a full
   * list.
   */
  scan(
    at: number,
    stride: number,
    width: number,
    power: number,
    filter: number,
    mask: number,
    lists: number,
  ): void;
  /**
   * Continues a Rabin-Karp sum over the bytes between two addresses, and
   * returns the new sum.
   */
  weak(at: number, end: number, sum: number): number;
}

/** The size in bytes of each list that `scan` fills. */
export const LIST_BYTES = 8192;

/**
 * The compiled kernel: `null` before the first use, and `undefined` if it
 * cannot be compiled.
 */
let compiled: WebAssembly.Module | undefined | null = null;

/**
 * Returns a new instance of the kernel, or `undefined` if WebAssembly with SIMD
 * is not available or not permitted, or if there is not enough memory.
 */
export function createKernel(): Kernel | undefined {
  if (compiled === null) compiled = compile();
  if (compiled === undefined) return undefined;
  try {
    return new WebAssembly.Instance(compiled).exports as unknown as Kernel;
  } catch {
    return undefined;
  }
}

function compile(): WebAssembly.Module | undefined {
  try {
    const bytes = Uint8Array.from(atob(KERNEL), (char) => char.charCodeAt(0));
    return new WebAssembly.Module(bytes);
  } catch {
    return undefined;
  }
}
