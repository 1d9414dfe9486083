import { DeltarError } from "../bytes/errors.ts";
import type { WeakKind } from "./rolling_sum.ts";
import { type DecodeOptions, MAX_BLOCK_BYTES, Signature } from "./signature.ts";

const HEADER_BYTES = 12;
/**
 * The kind of weak sum for each `rs_magic_number` of librsync that stands for
 * BLAKE2b strong sums.
 */
const MAGIC: Record<number, WeakKind> = {
  0x72730137: "rollsum",
  0x72730147: "rabin-karp",
};
const MD4_MAGIC = [0x72730136, 0x72730146];

/**
 * Returns whether `bytes` begins with the magic number of a signature file of
 * librsync (`rdiff signature`), with any kind of sums.
 *
 * @param bytes The beginning of the file, or the whole file.
 *
 * @example
 * ```ts
 * import { encodeLibrsyncSignature, isLibrsyncSignature, signBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const file = encodeLibrsyncSignature(
 *   signBytes(new Uint8Array(5000), { strongKind: "blake2b" }),
 * );
 * assert.equal(isLibrsyncSignature(file), true);
 * ```
 */
export function isLibrsyncSignature(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x72 && bytes[1] === 0x73 &&
    bytes[2] === 0x01;
}

/**
 * Decodes a signature file of librsync, so that a delta can be made against it.
 *
 * @param bytes The whole file.
 * @param options The name of the file, for error messages.
 * @throws {DeltarError} `corrupt` if the header is invalid, `truncated` if the
 *   file ends inside the header or the sums of a block, `unsupported` if its
 *   strong sums are MD4, which is not secure. Damaged sums are not detected,
 *   because the file has no checksum.
 *
 * @example
 * ```ts
 * import { decodeLibrsyncSignature, encodeLibrsyncSignature, signBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const file = encodeLibrsyncSignature(
 *   signBytes(new Uint8Array(5000), { strongKind: "blake2b" }),
 * );
 * assert.equal(decodeLibrsyncSignature(file).strongKind, "blake2b");
 * ```
 */
export function decodeLibrsyncSignature(
  bytes: Uint8Array,
  options: DecodeOptions = {},
): Signature {
  const at = (offset: number) => ({ object: options.object, offset });
  if (bytes.length < HEADER_BYTES) {
    throw new DeltarError(
      "truncated",
      "the signature ends inside its header",
      at(bytes.length),
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const magic = view.getUint32(0);
  if (MD4_MAGIC.includes(magic)) {
    throw new DeltarError(
      "unsupported",
      "the signature has MD4 sums, which are not secure; make a new one with " +
        "`rdiff --hash=blake2 signature`",
      at(0),
    );
  }
  const weakKind = MAGIC[magic];
  if (weakKind === undefined) {
    throw new DeltarError(
      "corrupt",
      "the data is not a signature: its first bytes are wrong",
      at(0),
    );
  }
  const blockSize = view.getUint32(4);
  if (blockSize < 1 || blockSize > MAX_BLOCK_BYTES) {
    throw new DeltarError(
      "corrupt",
      `invalid block size: ${blockSize} bytes, expected 1 to ${MAX_BLOCK_BYTES}`,
      at(4),
    );
  }
  const strongLength = view.getUint32(8);
  if (strongLength < 1 || strongLength > 32) {
    throw new DeltarError(
      "corrupt",
      `invalid length of strong sums: ${strongLength} bytes, expected 1 to 32`,
      at(8),
    );
  }
  const entry = 4 + strongLength;
  const blocks = Math.floor((bytes.length - HEADER_BYTES) / entry);
  if (HEADER_BYTES + blocks * entry !== bytes.length) {
    throw new DeltarError(
      "truncated",
      "the signature ends inside the checksums of a block",
      at(HEADER_BYTES + blocks * entry),
    );
  }
  const weak = new Uint32Array(blocks);
  const strong = new Uint8Array(blocks * strongLength);
  for (let block = 0; block < blocks; block++) {
    const offset = HEADER_BYTES + block * entry;
    weak[block] = view.getUint32(offset);
    strong.set(
      bytes.subarray(offset + 4, offset + entry),
      block * strongLength,
    );
  }
  return new Signature({
    blockSize,
    fileSize: blocks * blockSize,
    sizeKnown: false,
    strongLength,
    weak,
    strong,
    weakKind,
    strongKind: "blake2b",
  });
}

/**
 * Encodes a signature as a file that `rdiff delta` can read.
 *
 * @param signature A signature with BLAKE2b strong sums.
 * @throws {TypeError} If the strong sums are of another kind.
 *
 * @example
 * ```ts
 * import { encodeLibrsyncSignature, signBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const file = encodeLibrsyncSignature(
 *   signBytes(new Uint8Array(5000), { strongKind: "blake2b" }),
 * );
 * assert.deepEqual(file.slice(0, 4), Uint8Array.of(0x72, 0x73, 0x01, 0x47));
 * ```
 */
export function encodeLibrsyncSignature(signature: Signature): Uint8Array {
  const { blockSize, strongLength, weak, strong, weakKind } = signature;
  if (signature.strongKind !== "blake2b") {
    throw new TypeError(
      "the signature has SHA-256 sums, which librsync cannot use; make a new " +
        'one with `strongKind: "blake2b"`',
    );
  }
  const entry = 4 + strongLength;
  const bytes = new Uint8Array(HEADER_BYTES + weak.length * entry);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, weakKind === "rollsum" ? 0x72730137 : 0x72730147);
  view.setUint32(4, blockSize);
  view.setUint32(8, strongLength);
  for (let block = 0; block < weak.length; block++) {
    const offset = HEADER_BYTES + block * entry;
    view.setUint32(offset, weak[block]);
    bytes.set(
      strong.subarray(block * strongLength, (block + 1) * strongLength),
      offset + 4,
    );
  }
  return bytes;
}
