import { DeltarError } from "../bytes/errors.ts";
import type { GetOptions } from "./storage.ts";

/**
 * Returns the range of an object that a `get` reads, as the offsets in bytes of
 * the range's first byte and of the byte after its last byte.
 *
 * @param name The name of the object, for errors.
 * @param size The length of the object in bytes.
 * @param options The options of the `get`.
 * @throws {DeltarError} `truncated` if the range begins beyond the end of the
 *   object, or reaches beyond the end and `clamp` is not set.
 */
export function rangeIn(
  name: string,
  size: number,
  { offset = 0, length, clamp = false }: GetOptions,
): { start: number; end: number } {
  const wanted = length === undefined ? size : offset + length;
  const end = clamp ? Math.min(wanted, size) : wanted;
  if (offset > size || end > size) {
    throw new DeltarError(
      "truncated",
      "the requested range reaches beyond the end of the object",
      {
        object: name,
        offset: size,
      },
    );
  }
  return { start: offset, end };
}
