/**
 * The minimum size in bytes of the address range that is reserved for an array.
 * For an array of more than half this size, twice its initial size is reserved.
 * Reserved addresses take no memory until they are used.
 */
const MIN_RESERVED_BYTES = 2 ** 30;

/**
 * An array of bytes. Each time it grows, it becomes at least a quarter larger.
 * If the runtime supports growing in place, memory that this class has
 * allocated is not copied until its size exceeds 1 GiB.
 */
export class GrowingMemory {
  /** The array as bytes. `reserve` replaces this view. */
  bytes: Uint8Array;
  /** The array as 32-bit words. `reserve` replaces this view. */
  words: Uint32Array;

  /**
   * Makes an array.
   *
   * @param start The initial number of bytes, or the initial bytes, which are
   *   not copied. The number of bytes, and their offset in their buffer, must
   *   be multiples of four. Default: 4,096 bytes.
   */
  constructor(start: number | Uint8Array = 1 << 12) {
    this.bytes = typeof start === "number"
      ? new Uint8Array(allocate(start), 0, start)
      : start;
    const { buffer, byteOffset, length } = this.bytes;
    this.words = new Uint32Array(buffer, byteOffset, length / 4);
  }

  /** Makes the array at least `length` bytes long. New bytes are zeros. */
  reserve(length: number): void {
    const old = this.bytes;
    if (length <= old.length) return;
    const size = 4096 * Math.ceil(Math.max(length, 1.25 * old.length) / 4096);
    let { buffer } = old;
    if (isGrowable(buffer) && size <= buffer.maxByteLength) buffer.grow(size);
    else {
      buffer = allocate(size);
      new Uint8Array(buffer).set(old);
    }
    this.bytes = new Uint8Array(buffer, 0, size);
    this.words = new Uint32Array(buffer, 0, size / 4);
  }
}

/**
 * Allocates shared memory, which can grow while views of it are in use, or
 * ordinary memory if shared memory is not available.
 */
function allocate(length: number): ArrayBufferLike {
  try {
    const maxByteLength = Math.max(MIN_RESERVED_BYTES, 2 * length);
    const buffer = new SharedArrayBuffer(length, { maxByteLength });
    if (isGrowable(buffer)) return buffer;
  } catch {
    // Some browsers have no shared memory, and the system might have no free
    // address range of this size.
  }
  return new ArrayBuffer(length);
}

function isGrowable(buffer: ArrayBufferLike): buffer is SharedArrayBuffer {
  return (buffer as SharedArrayBuffer).growable === true;
}
