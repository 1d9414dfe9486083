import { fnv1a } from "../../bytes/fnv1a.ts";
import { fromBase64, toBase64 } from "../../bytes/base64.ts";

/** Bits for each path: about one in a hundred others is taken for one. */
const BITS_EACH = 10;
/** Bits that each path sets. */
const HASHES = 7;

const encoder = new TextEncoder();

/**
 * Tells of most paths that a layer does not have that it does not: a Bloom
 * filter, so small that a commit record can hold it.
 */
export class PathFilter {
  readonly #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The filter that knows some paths. */
  static of(paths: readonly string[]): PathFilter {
    const bytes = new Uint8Array(Math.ceil(paths.length * BITS_EACH / 8) + 1);
    for (const path of paths) {
      for (const bit of bitsOf(path, bytes.length * 8)) {
        bytes[bit >>> 3] |= 1 << (bit & 7);
      }
    }
    return new PathFilter(bytes);
  }

  /** Reads what `encode` wrote; `undefined` if it is no such text. */
  static decode(text: string): PathFilter | undefined {
    try {
      const bytes = fromBase64(text);
      return bytes.length === 0 ? undefined : new PathFilter(bytes);
    } catch {
      return undefined;
    }
  }

  /** Whether a path may be one of them; those that are always may. */
  has(path: string): boolean {
    for (const bit of bitsOf(path, this.#bytes.length * 8)) {
      if ((this.#bytes[bit >>> 3] & 1 << (bit & 7)) === 0) return false;
    }
    return true;
  }

  /** The filter as base64. */
  encode(): string {
    return toBase64(this.#bytes);
  }
}

/** Double hashing of FNV-1a (32 bits) of the UTF-8 bytes. */
function* bitsOf(path: string, bits: number): Generator<number> {
  const hash = fnv1a(encoder.encode(path));
  const step = (hash >>> 15 | hash << 17 | 1) >>> 0;
  for (let at = 0; at < HASHES; at++) yield (hash + at * step) % bits;
}
