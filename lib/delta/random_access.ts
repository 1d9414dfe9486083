import { DeltarError } from "../bytes/errors.ts";

/** Bytes that can be read at any place: a basis file, or a stored delta. */
export interface RandomAccess {
  /** The number of bytes. */
  readonly size: number;

  /**
   * The bytes from `offset` on. Only ranges that lie inside `size` are asked
   * for, and the result is used before the next is asked for, so one buffer
   * may serve every call.
   *
   * @param offset The first byte, from 0.
   * @param length The number of bytes, which the result has exactly.
   * @throws {DeltarError} If they cannot be read; `truncated` if there are fewer.
   */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
}

/**
 * An array as {@linkcode RandomAccess}.
 *
 * @param bytes The array; it is not copied.
 */
export function bytesAccess(bytes: Uint8Array): RandomAccess {
  return {
    size: bytes.length,
    read: (offset, length) => {
      if (offset + length > bytes.length) {
        throw new DeltarError("truncated", "a range beyond the end", {
          offset: bytes.length,
        });
      }
      return bytes.subarray(offset, offset + length);
    },
  };
}
