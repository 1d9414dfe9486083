import { KERNEL } from "./kernel_wasm.ts";

/** The exports of `kernel.wat`. */
export interface Kernel {
  /** The linear memory of the kernel. Growing it detaches views. */
  readonly memory: WebAssembly.Memory;
  /**
   * Moves the window whose sum lies at `state` from `at` on to the first place that
   * the filter lets pass, or to `last + 1`. `FILTER_BITS` lie at 0.
   *
   * @param at Address of the window, as are `last`, `filter` and `state`.
   * @param power What `powerOf` says of the window's width.
   * @param mask Size of the filter in bytes less 4.
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
   * Looks at all windows from `at` on, in four streams of `stride` windows, which
   * is a multiple of 4. Those that the filter lets pass are entered in the
   * stream's list: its length in bytes, from 0 to `LIST_SIZE - 8`, and from its
   * ninth byte on address and sum of each. Full lists take no more.
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
  /** Continues a Rabin-Karp sum over the bytes between two addresses. */
  weak(at: number, end: number, sum: number): number;
}

/** Size in bytes of each list that `scan` fills. */
export const LIST_SIZE = 8192;

/** The compiled kernel; `null` before it is asked for the first time. */
let compiled: WebAssembly.Module | undefined | null = null;

/**
 * A new instance of the kernel, or `undefined` where there is no WebAssembly
 * with SIMD, or it is forbidden.
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
