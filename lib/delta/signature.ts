import { toBase64 } from "../bytes/base64.ts";
import { DeltarError } from "../bytes/errors.ts";
import { createSha256, sha256 } from "../bytes/sha256.ts";
import { concat } from "../bytes/source.ts";
import type { WeakKind } from "./rolling_sum.ts";
import type { StrongKind } from "./strong_sum.ts";

const MAGIC = [0x64, 0x65, 0x6c, 0x74, 0x61, 0x72, 0x53, 0x01]; // "deltarS", 1
const HEADER_BYTES = 24;
const CHECK_BYTES = 8;
const MIN_STRONG_BYTES = 1;
const MAX_STRONG_BYTES = 32;
/**
 * The maximum size of a block in bytes. The size is limited because whole
 * blocks are held in memory.
 */
export const MAX_BLOCK_BYTES: number = 2 ** 26;

/** The fields of a {@linkcode Signature}. */
export interface SignatureFields {
  /**
   * The size of a block in bytes, from 1 to 2^26. The last block can be
   * shorter.
   */
  blockSize: number;
  /** The size of the file in bytes. */
  fileSize: number;
  /** The number of bytes of each strong sum, from 1 to 32. */
  strongLength: number;
  /** The weak sum of each block. */
  weak: Uint32Array;
  /** The strong sums of all blocks, `strongLength` bytes each. */
  strong: Uint8Array;
  /** The kind of weak sum. Default: `rabin-karp`. */
  weakKind?: WeakKind;
  /** The kind of strong sum. Default: `sha256`. */
  strongKind?: StrongKind;
  /**
   * Whether `fileSize` is the actual size of the file. If `false`, `fileSize`
   * is the maximum possible size. Default: `true`.
   */
  sizeKnown?: boolean;
}

/** Options for decoding a signature. */
export interface DecodeOptions {
  /** The name of the signature's object, for error messages. */
  object?: string;
}

/**
 * The signature of a file: two checksums of each block. A delta against the
 * file can be made from its signature, without the file itself.
 *
 * @example
 * ```ts
 * import { Signature } from "@deltar/deltar";
 * import { deltaBytes, patchBytes, signBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const before = new TextEncoder().encode("a line\n".repeat(1000));
 * const after = new TextEncoder().encode("a line\n".repeat(1001) + "and one\n");
 * const stored = signBytes(before).encode();
 * const delta = deltaBytes(Signature.decode(stored), after);
 * assert(delta.length < 1100);
 * assert.deepEqual(patchBytes(before, delta), after);
 * ```
 */
export class Signature {
  /** The size of a block in bytes. */
  readonly blockSize: number;
  /**
   * The size of the file in bytes. A signature of librsync does not contain
   * this size, so `fileSize` is then the maximum possible size, and `sizeKnown`
   * is `false`.
   */
  readonly fileSize: number;
  /**
   * Whether `fileSize` is the actual size of the file. If `false`, `fileSize`
   * is the maximum possible size.
   */
  readonly sizeKnown: boolean;
  /** The number of bytes of each strong sum, at most 32. */
  readonly strongLength: number;
  /** The weak sum of each block. */
  readonly weak: Uint32Array;
  /** The strong sums, `strongLength` bytes for each block. */
  readonly strong: Uint8Array;
  /** The kind of weak sum. */
  readonly weakKind: WeakKind;
  /** The kind of strong sum. */
  readonly strongKind: StrongKind;

  /**
   * Makes a signature. The arrays are not copied.
   *
   * @param fields The sizes, the weak and strong sums of all blocks, and the
   *   kinds of these sums.
   * @throws {RangeError} If a field is out of range or the lengths of the
   *   arrays do not match the sizes.
   */
  constructor(fields: SignatureFields) {
    const { blockSize, fileSize, strongLength, weak, strong } = fields;
    checkBlockSize(blockSize);
    checkStrongLength(strongLength);
    if (!Number.isSafeInteger(fileSize) || fileSize < 0) {
      throw new RangeError(
        `fileSize is not an integer from 0 to ${Number.MAX_SAFE_INTEGER}: ${fileSize}`,
      );
    }
    const blocks = Math.ceil(fileSize / blockSize);
    if (weak.length !== blocks || strong.length !== blocks * strongLength) {
      throw new RangeError(
        "the lengths of `weak` and `strong` do not match the number of blocks",
      );
    }
    this.blockSize = blockSize;
    this.fileSize = fileSize;
    this.sizeKnown = fields.sizeKnown ?? true;
    this.strongLength = strongLength;
    this.weak = weak;
    this.strong = strong;
    this.weakKind = fields.weakKind ?? "rabin-karp";
    this.strongKind = fields.strongKind ?? "sha256";
  }

  /** The number of blocks of the file. */
  get blockCount(): number {
    return this.weak.length;
  }

  /**
   * Returns whether `digest` begins with a block's strong sum.
   *
   * @param block The number of the block, from 0.
   * @param digest A digest of at least `strongLength` bytes.
   */
  hasStrong(block: number, digest: Uint8Array): boolean {
    const from = block * this.strongLength;
    for (let index = 0; index < this.strongLength; index++) {
      if (this.strong[from + index] !== digest[index]) return false;
    }
    return true;
  }

  /**
   * Returns the result of `encode` in base64, for `JSON.stringify`.
   *
   * @throws {TypeError} As for `encode`.
   */
  toJSON(): string {
    return toBase64(this.encode());
  }

  /**
   * Encodes the signature in deltar's format; see docs/FORMAT.md.
   *
   * @throws {TypeError} If the weak sums are not Rabin-Karp sums, the strong
   *   sums are not SHA-256 sums, or the file size is not known. For BLAKE2b
   *   sums, see {@linkcode encodeLibrsyncSignature}.
   */
  encode(): Uint8Array {
    return concat(this.encodeParts());
  }

  /**
   * Returns the result of {@linkcode Signature.encode} in parts, which the
   * caller writes one after the other. On little-endian machines, the sums are
   * not copied.
   *
   * @throws {TypeError} As for `encode`.
   */
  encodeParts(): Uint8Array[] {
    if (
      this.weakKind !== "rabin-karp" || this.strongKind !== "sha256" ||
      !this.sizeKnown
    ) {
      throw new TypeError(
        "only a signature with Rabin-Karp sums, SHA-256 sums and a known file size can be encoded",
      );
    }
    const header = new Uint8Array(HEADER_BYTES);
    const view = new DataView(header.buffer);
    header.set(MAGIC);
    view.setUint32(8, this.blockSize, true);
    view.setUint32(12, this.strongLength, true);
    view.setBigUint64(16, BigInt(this.fileSize), true);
    const { buffer, byteOffset, byteLength } = littleEndian(this.weak);
    const weak = new Uint8Array(buffer, byteOffset, byteLength);
    const sum = createSha256();
    for (const part of [header, weak, this.strong]) sum.update(part);
    const check = sum.digest().subarray(0, CHECK_BYTES);
    return [header, weak, this.strong, check];
  }

  /**
   * Decodes the result of {@linkcode Signature.encode}.
   *
   * @param bytes The whole encoded signature. The bytes must not change while
   *   the returned signature is in use.
   * @param options The name of the signature's object, for error messages.
   * @throws {DeltarError} `corrupt` if the encoded signature is damaged or is
   *   not in deltar's format, `truncated` if it is shorter than its header
   *   requires, `unsupported` if its version is unknown.
   */
  static decode(bytes: Uint8Array, options: DecodeOptions = {}): Signature {
    const at = (offset: number) => ({ object: options.object, offset });
    const name = MAGIC.slice(0, 7);
    if (!name.every((byte, index) => bytes[index] === byte)) {
      throw new DeltarError(
        "corrupt",
        "the data is not a signature: its first bytes are wrong",
        at(0),
      );
    }
    if (bytes.length < HEADER_BYTES + CHECK_BYTES) {
      throw new DeltarError(
        "truncated",
        "the signature ends inside its header",
        at(bytes.length),
      );
    }
    if (bytes[7] !== MAGIC[7]) {
      throw new DeltarError(
        "unsupported",
        `the signature has version ${
          bytes[7]
        }, but this version of deltar reads only version 1; update deltar`,
        at(7),
      );
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const blockSize = view.getUint32(8, true);
    if (blockSize < 1 || blockSize > MAX_BLOCK_BYTES) {
      throw new DeltarError(
        "corrupt",
        `invalid block size: ${blockSize} bytes, expected 1 to ${MAX_BLOCK_BYTES}`,
        at(8),
      );
    }
    const strongLength = view.getUint32(12, true);
    if (strongLength < MIN_STRONG_BYTES || strongLength > MAX_STRONG_BYTES) {
      throw new DeltarError(
        "corrupt",
        `invalid length of strong sums: ${strongLength} bytes, expected 1 to 32`,
        at(12),
      );
    }
    const fileSize = Number(view.getBigUint64(16, true));
    if (!Number.isSafeInteger(fileSize)) {
      throw new DeltarError(
        "corrupt",
        `invalid file size: ${fileSize} bytes, at most 2^53 - 1`,
        at(16),
      );
    }
    const blocks = Math.ceil(fileSize / blockSize);
    const end = HEADER_BYTES + blocks * (4 + strongLength);
    if (bytes.length !== end + CHECK_BYTES) {
      const short = bytes.length < end + CHECK_BYTES;
      throw new DeltarError(
        short ? "truncated" : "corrupt",
        `the signature has ${bytes.length} bytes, expected ${
          end + CHECK_BYTES
        }`,
        at(Math.min(bytes.length, end + CHECK_BYTES)),
      );
    }
    const check = sha256(bytes.subarray(0, end));
    for (let index = 0; index < CHECK_BYTES; index++) {
      if (bytes[end + index] !== check[index]) {
        throw new DeltarError(
          "corrupt",
          "the checksum of the signature is wrong",
          at(end),
        );
      }
    }
    const strongStart = HEADER_BYTES + blocks * 4;
    const weak = littleEndian(
      wordsOf(bytes.subarray(HEADER_BYTES, strongStart)),
    );
    const strong = bytes.subarray(strongStart, end);
    return new Signature({ blockSize, fileSize, strongLength, weak, strong });
  }
}

/**
 * Throws an error if `blockSize` is not a valid block size in bytes.
 *
 * @throws {RangeError} If `blockSize` is not an integer from 1 to 2^26.
 */
export function checkBlockSize(blockSize: number): void {
  if (
    !Number.isInteger(blockSize) || blockSize < 1 || blockSize > MAX_BLOCK_BYTES
  ) {
    throw new RangeError(
      `blockSize is not an integer from 1 to ${MAX_BLOCK_BYTES}: ${blockSize}`,
    );
  }
}

/**
 * Throws an error if `strongLength` is not a valid length in bytes for a strong
 * sum.
 *
 * @throws {RangeError} If `strongLength` is not an integer from 1 to 32.
 */
export function checkStrongLength(strongLength: number): void {
  if (
    !Number.isInteger(strongLength) || strongLength < MIN_STRONG_BYTES ||
    strongLength > MAX_STRONG_BYTES
  ) {
    throw new RangeError(
      `strongLength is not an integer from ${MIN_STRONG_BYTES} to ${MAX_STRONG_BYTES}: ${strongLength}`,
    );
  }
}

/**
 * Returns bytes as 32-bit words in the byte order of this machine. Copies the
 * bytes only if their offset in the buffer is not a multiple of 4.
 */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, length } = bytes.byteOffset % 4 === 0
    ? bytes
    : Uint8Array.from(bytes);
  return new Uint32Array(buffer, byteOffset, length / 4);
}

/**
 * Converts 32-bit words from the byte order of this machine to little-endian,
 * or back.
 */
function littleEndian(words: Uint32Array): Uint32Array {
  const isLittle = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
  if (isLittle) return words;
  const view = new DataView(words.buffer, words.byteOffset);
  return words.map((_, index) => view.getUint32(index * 4, true));
}
