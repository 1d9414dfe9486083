/**
 * The maximum size of a frame before compression, in bytes. Writers stop at
 * half of it.
 */
const MAX_FRAME_BYTES = 8 << 20;
/**
 * The maximum number of bytes, and of lines, for each compressed byte of a
 * frame.
 */
const MAX_FRAME_RATIO = 2048;
const MAX_LINES_PER_BYTE = 8;
/** The number of bytes, or lines, that is always allowed. */
const MIN_BYTES = 1 << 16;
const MIN_LINES = 1 << 10;
/** The maximum number of bytes for each compressed byte of a whole layer. */
const MAX_LAYER_RATIO = 128;
const MIN_LAYER_BYTES = 48 << 20;

/**
 * Returns the maximum number of bytes to which a frame of a layer may
 * decompress.
 */
export function mostBytesOfFrame(packed: number): number {
  return Math.min(MAX_FRAME_BYTES, MIN_BYTES + MAX_FRAME_RATIO * packed);
}

/** Returns the maximum number of lines of a frame of a layer. */
export function mostLinesOfFrame(packed: number): number {
  return MIN_LINES + MAX_LINES_PER_BYTE * packed;
}

/**
 * Returns the maximum number of bytes to which all frames of a layer may
 * decompress.
 */
export function mostBytesOfLayer(packed: number): number {
  return MIN_LAYER_BYTES + MAX_LAYER_RATIO * packed;
}
