import { fnv1a } from "../../bytes/fnv1a.ts";
import { fromBase64, toBase64 } from "../../bytes/base64.ts";
import { encodeName } from "../../tree/raw_name.ts";

/**
 * The number of bits in a filter for each path. With 10 bits for each path, the
 * filter accepts about one in a hundred of the paths that the layer does not
 * have.
 */
const BITS_EACH = 10;
/** The number of bits that each path sets. */
const HASHES = 7;

/**
 * A Bloom filter of the paths of a layer. It rejects most paths that the layer
 * does not have, and is small enough for a commit record.
 */
export class PathFilter {
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Returns a filter for the given paths. */
  static of(paths: readonly string[]): PathFilter {
    const bytes = new Uint8Array(Math.ceil(paths.length * BITS_EACH / 8) + 1);
    for (const path of paths) {
      for (const bit of bitsOf(path, bytes.length * 8)) {
        bytes[bit >>> 3] |= 1 << (bit & 7);
      }
    }
    return new PathFilter(bytes);
  }

  /**
   * Decodes a filter from base64. Returns `undefined` if the text is empty or
   * invalid.
   */
  static decode(text: string): PathFilter | undefined {
    try {
      const bytes = fromBase64(text);
      return bytes.length === 0 ? undefined : new PathFilter(bytes);
    } catch {
      return undefined;
    }
  }

  /**
   * Returns whether a path may be in the filter. Returns `true` for all paths
   * in the filter and for a few other paths.
   */
  has(path: string): boolean {
    for (const bit of bitsOf(path, this.#bytes.length * 8)) {
      if ((this.#bytes[bit >>> 3] & 1 << (bit & 7)) === 0) return false;
    }
    return true;
  }

  /** Returns the filter as base64. */
  encode(): string {
    return toBase64(this.#bytes);
  }
}

/**
 * Yields the positions of the bits that a path sets. They are computed by
 * double hashing from the 32-bit FNV-1a hash of the path.
 *
 * @param bits The number of bits of the filter.
 */
function* bitsOf(path: string, bits: number): Generator<number> {
  const hash = fnv1a(encodeName(path));
  const step = (hash >>> 15 | hash << 17 | 1) >>> 0;
  for (let at = 0; at < HASHES; at++) yield (hash + at * step) % bits;
}
