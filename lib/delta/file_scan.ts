import { createSha256, type Sha256 } from "../bytes/sha256.ts";
import { DeltaBuilder, type DeltaSink } from "./delta_builder.ts";
import type { OldParts } from "./old_parts.ts";
import { SignatureBuilder } from "./sign.ts";
import type { Signature } from "./signature.ts";

/**
 * Options for a {@linkcode FileScan}. By default, a scan computes only the size
 * and the SHA-256 of the file.
 */
export interface FileScanOptions {
  /** The signature of the old file. Default: no delta is made. */
  basis?: Signature;
  /**
   * The old file. The parts of it that hold changed blocks are loaded, and the
   * blocks in these parts are compared byte by byte. By default, the delta is
   * made from the signature alone.
   */
  old?: OldParts;
  /**
   * The block size of the new signature in bytes. Default: no signature is
   * made.
   */
  blockSize?: number;
  /**
   * The expected size of the file in bytes. The file can be larger or smaller.
   */
  size?: number;
  /**
   * Called with each part of the delta, in order. The bytes are valid until the
   * call returns or, if the call returns a promise, until the promise is
   * fulfilled. By default, only the size of the delta is computed.
   */
  onDelta?: DeltaSink;
}

/** The result of a {@linkcode FileScan}. */
export interface FileScanResult {
  /** The size of the file in bytes. */
  size: number;
  /** The SHA-256 of the file, 32 bytes. */
  sha256: Uint8Array;
  /** The new signature, if a block size was passed. */
  signature?: Signature;
  /** The size of the delta in bytes, if a basis was passed. */
  deltaSize?: number;
}

/**
 * Computes the SHA-256 of a file, its delta against the signature of its old
 * state, and its new signature, in one pass. Keeps only the signatures and
 * small parts of the file in memory.
 *
 * @example
 * ```ts
 * import { FileScan, patchBytes, signBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const before = new TextEncoder().encode("once upon a time, ".repeat(500));
 * const after = new TextEncoder().encode("once upon a time, ".repeat(501));
 * const parts: number[] = [];
 * const scan = new FileScan({
 *   basis: signBytes(before),
 *   blockSize: 1024,
 *   size: after.length,
 *   onDelta: (bytes) => void parts.push(...bytes),
 * });
 * await scan.push(after.subarray(0, 5000));
 * await scan.push(after.subarray(5000));
 * const { size, signature, deltaSize } = await scan.finish();
 * assert.equal(size, after.length);
 * assert.equal(deltaSize, parts.length);
 * assert.deepEqual(signature, signBytes(after));
 * assert.deepEqual(patchBytes(before, Uint8Array.from(parts)), after);
 * ```
 */
export class FileScan {
  readonly #sha256: Sha256;
  readonly #delta: DeltaBuilder | undefined;
  readonly #signature: SignatureBuilder | undefined;
  #size = 0;

  /**
   * Starts a scan.
   *
   * @param options The basis, the old file, the block size, the expected size
   *   of the file, and the callback for the delta. Default: only the size and
   *   the SHA-256 are computed.
   * @throws {RangeError} If `blockSize` is out of range.
   */
  constructor(options: FileScanOptions = {}) {
    const { basis, old, blockSize, size, onDelta = () => {} } = options;
    this.#sha256 = createSha256(size);
    if (basis) this.#delta = new DeltaBuilder(basis, onDelta, { size, old });
    if (blockSize !== undefined) {
      this.#signature = new SignatureBuilder({ blockSize, size });
    }
  }

  /**
   * Processes the next bytes of the file. The call is synchronous if `onDelta`
   * is synchronous and `old` is not set. Before you call `push` again or reuse
   * the array, wait until any returned promise is fulfilled.
   *
   * @param bytes Any number of bytes.
   */
  push(bytes: Uint8Array): void | Promise<void> {
    this.#size += bytes.length;
    this.#sha256.update(bytes);
    this.#signature?.push(bytes);
    return this.#delta?.push(bytes);
  }

  /**
   * Ends the scan. Resolves with the results after `onDelta` has been called
   * with the last part of the delta.
   */
  async finish(): Promise<FileScanResult> {
    await this.#delta?.finish();
    return {
      size: this.#size,
      sha256: this.#sha256.digest(),
      ...this.#signature && { signature: this.#signature.finish() },
      ...this.#delta && { deltaSize: this.#delta.deltaSize },
    };
  }
}
