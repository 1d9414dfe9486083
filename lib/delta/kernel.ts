import { KERNEL } from "./kernel_wasm.ts";

/** What `kernel.wat` exports. */
export interface Kernel {
  /** Its linear memory; growing it detaches views. */
  readonly memory: WebAssembly.Memory;
  /**
   * Moves the window whose sum lies at `state` from `at` on to the first place that
   * the filter lets pass, or to `last + 1`; all but `shift` are addresses.
   */
  seek(
    at: number,
    last: number,
    width: number,
    filter: number,
    shift: number,
    leaving: number,
    state: number,
  ): number;
  /** Continues a Rabin-Karp sum over the bytes between two addresses. */
  weak(at: number, end: number, sum: number): number;
}

const module = compile();

/**
 * A new instance of the kernel, or `undefined` where there is no WebAssembly
 * with SIMD, or it is forbidden.
 */
export function createKernel(): Kernel | undefined {
  if (!module) return undefined;
  try {
    return new WebAssembly.Instance(module).exports as unknown as Kernel;
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
