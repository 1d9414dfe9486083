/** The minimum size of memory that is released explicitly, in bytes. */
const MIN_RELEASED_BYTES = 2 ** 18;

/**
 * Frees the memory of a large array immediately instead of leaving it to the
 * garbage collector. Runtimes collect large arrays so late that a program would
 * use many times the memory that it needs. Afterwards, the array and every
 * other view of its memory are empty. Memory of less than 256 KiB and shared
 * memory are not freed.
 *
 * @param bytes An array that is no longer needed. Nothing else may use its
 *   memory.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (
    buffer instanceof ArrayBuffer && buffer.byteLength >= MIN_RELEASED_BYTES
  ) {
    // Some browsers lack this method.
    buffer.transfer?.(0);
  }
}
