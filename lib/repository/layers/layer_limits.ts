import { DeltarError } from "../../bytes/errors.ts";

/**
 * The maximum size of a layer that is read ahead, in bytes. Reading a larger
 * layer ahead would take too much memory and several requests.
 */
export const MAX_AHEAD_BYTES = 1 << 15;

/**
 * The maximum size of a frame before compression, in bytes. Writers end a frame
 * with the line that reaches half of this size, or earlier.
 */
const MAX_FRAME_BYTES = 8 << 20;
/**
 * The maximum number of decompressed bytes for each compressed byte of a frame,
 * in addition to `MIN_BYTES`.
 */
const MAX_FRAME_RATIO = 2048;
/**
 * The maximum number of lines for each compressed byte of a frame, in addition
 * to `MIN_LINES`.
 */
const MAX_LINES_PER_BYTE = 8;
/**
 * The number of decompressed bytes that a frame may have regardless of its
 * compressed length.
 */
const MIN_BYTES = 1 << 16;
/**
 * The number of lines that a frame may have regardless of its compressed
 * length.
 */
const MIN_LINES = 1 << 10;
/**
 * The maximum number of decompressed bytes for each compressed byte of a layer,
 * in addition to `MIN_LAYER_BYTES`.
 */
const MAX_LAYER_RATIO = 128;
/**
 * The number of decompressed bytes that a layer may have regardless of its
 * compressed size.
 */
const MIN_LAYER_BYTES = 48 << 20;

/**
 * Returns the maximum number of bytes to which a frame of a layer may
 * decompress.
 *
 * @param packed The compressed length of the frame, in bytes.
 */
export function mostBytesOfFrame(packed: number): number {
  return Math.min(MAX_FRAME_BYTES, MIN_BYTES + MAX_FRAME_RATIO * packed);
}

/**
 * Returns the maximum number of lines of a frame of a layer.
 *
 * @param packed The compressed length of the frame, in bytes.
 */
export function mostLinesOfFrame(packed: number): number {
  return MIN_LINES + MAX_LINES_PER_BYTE * packed;
}

/**
 * Returns the error for a frame with too many lines.
 *
 * @param most The maximum number of lines.
 * @param object The name of the layer.
 * @param offset The offset, in bytes, of the frame or of the first line that
 * exceeds the maximum.
 */
export function tooManyLines(
  most: number,
  object: string,
  offset: number,
): DeltarError {
  return new DeltarError(
    "limit",
    `a frame of the layer has more than ${most} lines`,
    {
      object,
      offset,
    },
  );
}

/**
 * Returns the maximum number of bytes to which all frames of a layer may
 * decompress.
 *
 * @param packed The compressed size of the layer, in bytes.
 */
export function mostBytesOfLayer(packed: number): number {
  return MIN_LAYER_BYTES + MAX_LAYER_RATIO * packed;
}
