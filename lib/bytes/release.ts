/** The minimum size of memory that is released explicitly, in bytes. */
const WORTH = 2 ** 18;

/**
 * Frees the memory of a large array at once instead of leaving it to the
 * garbage collector, because runtimes collect large arrays late and by then
 * hold many times the memory in use. Such an array is empty afterwards, and so
 * is every other view of its memory. Arrays of less than 256 KiB and of shared
 * memory stay as they are.
 *
 * @param bytes An array that is the only user of its memory and is not needed
 *   any more.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer && buffer.byteLength >= WORTH) {
    // Some browsers lack this method.
    buffer.transfer?.(0);
  }
}
