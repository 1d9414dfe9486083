/** The size from which memory is released explicitly, in bytes. */
const WORTH = 2 ** 18;

/**
 * Frees the memory of bytes now rather than when the garbage is collected:
 * runtimes let go late of what is large, and by then hold many times what is in
 * use. The array is empty afterwards, as is every other view of its memory.
 *
 * @param bytes An array with memory of its own, which nobody uses any more.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= WORTH) {
    // A browser may not have it.
    buffer.transfer?.(0);
  }
}
