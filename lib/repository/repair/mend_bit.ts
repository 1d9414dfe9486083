import { checkListing } from "../../bytes/listing.ts";

/** Longer listings would take too long: each bit costs a SHA-256 of them. */
const MOST = 16 << 10;

/**
 * A listing of which a single bit was flipped, as it was: its last line has
 * the SHA-256 that only the right bytes have. Bits rot one at a time.
 *
 * @param bytes The damaged listing.
 * @returns `undefined` if more is wrong than one bit, or it is long.
 */
export function mendBit(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length > MOST) return undefined;
  const mended = bytes.slice();
  for (let at = 0; at < mended.length; at++) {
    for (let bit = 1; bit < 256; bit <<= 1) {
      mended[at] ^= bit;
      if (isWhole(mended)) return mended;
      mended[at] ^= bit;
    }
  }
  return undefined;
}

function isWhole(bytes: Uint8Array): boolean {
  try {
    checkListing(bytes, "");
    return true;
  } catch {
    return false;
  }
}
