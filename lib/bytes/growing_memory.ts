/** The number of bytes of reserved addresses; memory is taken as it is used. */
const MOST = 2 ** 30;

/**
 * Bytes that become more without being moved, where the runtime can: there is
 * no moment at which they are there twice, and no room that is not needed.
 */
export class GrowingMemory {
  /** The memory as bytes; another array after `reserve`. */
  bytes: Uint8Array;
  /** The memory as 32-bit words. */
  words: Uint32Array;

  /** Takes `length` bytes of memory at first, a multiple of four. */
  constructor(length: number = 1 << 12) {
    const buffer = allocate(length);
    this.bytes = new Uint8Array(buffer, 0, length);
    this.words = new Uint32Array(buffer, 0, length / 4);
  }

  /** Makes sure that there are `length` bytes; new ones are zeros. */
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

/** Allocates shared memory, which can grow while views of it are in use. */
function allocate(length: number): ArrayBufferLike {
  try {
    const maxByteLength = Math.max(MOST, 2 * length);
    const buffer = new SharedArrayBuffer(length, { maxByteLength });
    if (isGrowable(buffer)) return buffer;
  } catch {
    // A page has none, and there may be no such range of addresses.
  }
  return new ArrayBuffer(length);
}

function isGrowable(buffer: ArrayBufferLike): buffer is SharedArrayBuffer {
  return (buffer as SharedArrayBuffer).growable === true;
}
