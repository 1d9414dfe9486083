/**
 * The maximum size of a frame before compression, in bytes. Writers stop at
 * half of it.
 */
const MOST_FRAME = 8 << 20;
/**
 * The maximum number of bytes, and of lines, for each compressed byte of a
 * frame.
 */
const MOST_RATIO = 2048;
const MOST_LINES = 8;
/** The number of bytes, or lines, that is always allowed. */
const LEAST_BYTES = 1 << 16;
const LEAST_LINES = 1 << 10;
/** The maximum number of bytes for each compressed byte of a whole layer. */
const MOST_LAYER_RATIO = 128;
const LEAST_LAYER = 48 << 20;

/**
 * Returns the maximum number of bytes to which a frame of a layer may
 * decompress.
 */
export function mostBytesOfFrame(packed: number): number {
  return Math.min(MOST_FRAME, LEAST_BYTES + MOST_RATIO * packed);
}

/** Returns the maximum number of lines of a frame of a layer. */
export function mostLinesOfFrame(packed: number): number {
  return LEAST_LINES + MOST_LINES * packed;
}

/**
 * Returns the maximum number of bytes to which all frames of a layer may
 * decompress.
 */
export function mostBytesOfLayer(packed: number): number {
  return LEAST_LAYER + MOST_LAYER_RATIO * packed;
}
