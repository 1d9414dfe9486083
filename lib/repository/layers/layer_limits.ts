/** The most bytes of a frame before compression; writers make half as many. */
const MOST_FRAME = 8 << 20;
/** The most bytes that a compressed one can stand for, and the most lines. */
const MOST_RATIO = 2048;
const MOST_LINES = 8;
/** As many of either are never too many. */
const LEAST_BYTES = 1 << 16;
const LEAST_LINES = 1 << 10;
/** The most bytes that a byte of a whole layer can stand for. */
const MOST_LAYER_RATIO = 128;
const LEAST_LAYER = 48 << 20;

/** Returns the most bytes that a frame of a layer may decompress to. */
export function mostBytesOfFrame(packed: number): number {
  return Math.min(MOST_FRAME, LEAST_BYTES + MOST_RATIO * packed);
}

/** Returns the most lines that a frame of a layer may have. */
export function mostLinesOfFrame(packed: number): number {
  return LEAST_LINES + MOST_LINES * packed;
}

/** Returns the most bytes that all frames of a layer may decompress to. */
export function mostBytesOfLayer(packed: number): number {
  return LEAST_LAYER + MOST_LAYER_RATIO * packed;
}
