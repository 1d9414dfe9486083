import { DeltarError } from "../bytes/errors.ts";

/** Bytes that can be read at any offset, such as a basis or a stored delta. */
export interface RandomAccess {
  /** The total number of bytes that can be read. */
  readonly size: number;

  /**
   * Reads a range of the bytes. Only ranges within the first `size` bytes are
   * requested. An implementation may return the same buffer each time if its
   * caller uses each result before the next call.
   *
   * @param offset The offset of the first byte, in bytes.
   * @param length The number of bytes. The result has exactly this length.
   * @throws {DeltarError} If the bytes cannot be read; `truncated` if there are
   *   fewer bytes than requested.
   */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
}

/**
 * Returns random access to the bytes of an array.
 *
 * @param bytes The array, which is not copied.
 *
 * @example
 * ```ts
 * import { bytesAccess } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(bytesAccess(Uint8Array.of(1, 2, 3)).read(1, 2), Uint8Array.of(2, 3));
 * ```
 */
export function bytesAccess(bytes: Uint8Array): RandomAccess {
  return {
    size: bytes.length,
    read: (offset, length) => {
      if (offset + length > bytes.length) {
        throw new DeltarError(
          "truncated",
          "the requested range ends after the last byte",
          {
            offset: bytes.length,
          },
        );
      }
      return bytes.subarray(offset, offset + length);
    },
  };
}
