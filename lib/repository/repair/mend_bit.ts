import { checkListing } from "../../bytes/listing.ts";

/**
 * The maximum size of a listing that is corrected, in bytes. A correction
 * computes the SHA-256 of the whole listing once for each of its bits.
 */
const MAX_BYTES = 16 << 10;

/**
 * Corrects a listing in which a single bit was flipped. The last line of a
 * listing has the SHA-256 of the original bytes, so the flipped bit can be
 * found by trying each bit.
 *
 * @param bytes The damaged listing.
 * @returns The original listing; `undefined` if no flip of a single bit makes
 * the checksum match, or if the listing is longer than 16 KiB.
 */
export function mendBit(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length > MAX_BYTES) return undefined;
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
