/** The magic number of a delta, which librsync calls `RS_DELTA_MAGIC`. */
export const DELTA_MAGIC = 0x72730236;
/** The maximum length of a command in bytes, without its literal bytes. */
const MAX_COMMAND_BYTES = 17;

/**
 * Writes librsync's delta format (see its `command.h` and `prototab.c`): the
 * magic number, then commands that copy a range of the basis or contain literal
 * bytes, with big-endian parameters of 1, 2, 4 or 8 bytes, then a zero byte.
 * Copies of adjacent ranges are merged.
 */
export class DeltaWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 4;
  #taken = 0;
  #copyStart = 0;
  #copyEnd = 0;

  /**
   * Makes a writer.
   *
   * @param capacity The number of bytes that are expected to be written between
   *   two calls to `take`.
   */
  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity + MAX_COMMAND_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
    this.#view.setUint32(0, DELTA_MAGIC);
  }

  /**
   * The number of bytes written so far, without the bytes of a copy command
   * that can still be merged with the next one.
   */
  get size(): number {
    return this.#taken + this.#length;
  }

  /** The number of bytes that `take` would return. */
  get waiting(): number {
    return this.#length;
  }

  /**
   * Writes a command that copies a range of the basis. The offset and the
   * length are in bytes.
   */
  copy(offset: number, length: number): void {
    if (length === 0) return;
    if (offset !== this.#copyEnd) {
      this.#flushCopy();
      this.#copyStart = offset;
    }
    this.#copyEnd = offset + length;
  }

  /**
   * Writes a command that contains literal bytes. The caller can reuse the
   * array after the call.
   */
  literal(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#flushCopy();
    this.#reserve(MAX_COMMAND_BYTES + bytes.length);
    if (bytes.length <= 64) {
      this.#bytes[this.#length++] = bytes.length;
    } else {
      const width = widthOf(bytes.length);
      this.#bytes[this.#length++] = 0x41 + width;
      this.#number(bytes.length, width);
    }
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Writes the command that ends the delta. */
  end(): void {
    this.#flushCopy();
    this.#reserve(1);
    this.#bytes[this.#length++] = 0;
  }

  /**
   * Returns the bytes written since the last call to `take`, without the bytes
   * of a copy command that can still be merged with the next one. The returned
   * bytes are valid until the next write.
   */
  take(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#taken += this.#length;
    this.#length = 0;
    return bytes;
  }

  #flushCopy(): void {
    const length = this.#copyEnd - this.#copyStart;
    if (length === 0) return;
    this.#reserve(MAX_COMMAND_BYTES);
    const offsetWidth = widthOf(this.#copyStart);
    const lengthWidth = widthOf(length);
    this.#bytes[this.#length++] = 0x45 + offsetWidth * 4 + lengthWidth;
    this.#number(this.#copyStart, offsetWidth);
    this.#number(length, lengthWidth);
    this.#copyStart = this.#copyEnd = 0;
  }

  #number(value: number, width: number): void {
    if (width === 0) this.#view.setUint8(this.#length, value);
    else if (width === 1) this.#view.setUint16(this.#length, value);
    else if (width === 2) this.#view.setUint32(this.#length, value);
    else this.#view.setBigUint64(this.#length, BigInt(value));
    this.#length += 1 << width;
  }

  #reserve(extra: number): void {
    if (this.#length + extra <= this.#bytes.length) return;
    const bytes = new Uint8Array((this.#length + extra) * 2);
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}

/**
 * Returns the base-2 logarithm of the number of bytes that a parameter with
 * this value takes.
 */
function widthOf(value: number): 0 | 1 | 2 | 3 {
  return value < 2 ** 8 ? 0 : value < 2 ** 16 ? 1 : value < 2 ** 32 ? 2 : 3;
}
