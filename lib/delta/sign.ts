import { type ByteSource, chunks } from "../bytes/source.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { chooseBlockSize, chooseStrongLength } from "./block_size.ts";
import { checkAborted } from "../bytes/abort.ts";
import { HashHelper } from "./hash_helper.ts";
import { weakSum } from "./rolling_sum.ts";
import { checkBlockSize, checkStrongLength, Signature } from "./signature.ts";
import { type StrongKind, strongSum } from "./strong_sum.ts";

/** Options for making a signature. */
export interface SignBytesOptions {
  /**
   * The size of a block in bytes, from 1 to 2^26. Default: the result of
   * {@linkcode chooseBlockSize}.
   */
  blockSize?: number;
  /**
   * The number of bytes to keep of each strong sum, from 1 to 32. Default: the
   * result of {@linkcode chooseStrongLength}.
   */
  strongLength?: number;
  /**
   * The kind of strong sum. A signature for librsync needs `blake2b`. Default:
   * `sha256`.
   */
  strongKind?: StrongKind;
}

/** Options for making a signature of a stream. */
export interface SignOptions extends SignBytesOptions {
  /**
   * The expected size of the file in bytes, from which the block size and the
   * length of the strong sums are chosen if they are not set. Default: the
   * length of the source if it is a `Uint8Array`, otherwise 512 MiB.
   */
  size?: number;
  /** The signal that aborts the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * The offset in bytes from which the blocks of a file are hashed on two
 * threads. For a file of at least four times this size, the second thread is
 * started at the beginning.
 */
const LARGE_BYTES = 2 ** 22;
/**
 * The maximum number of bytes that are hashed between two checks of the signal.
 * Other tasks can run at each check.
 */
const TURN_BYTES = 2 ** 20;
/**
 * The minimum number of bytes in one call of `push` for which the second thread
 * is used.
 */
const MIN_SHARED_BYTES = 2 ** 16;

/** A builder of the signature of a file that is pushed part by part. */
export class SignatureBuilder {
  readonly #blockSize: number;
  readonly #strongLength: number;
  readonly #strongKind: StrongKind;
  readonly #weakSum = weakSum("rabin-karp");
  readonly #strongSum: (block: Uint8Array) => Uint8Array;
  /** The first bytes of a block that has been pushed only in part. */
  readonly #pending: Uint8Array;
  #pendingLength = 0;
  #weak: Uint32Array;
  #strong: Uint8Array;
  #blocks = 0;

  constructor(options: Omit<SignOptions, "signal"> = {}) {
    const { size, strongKind = "sha256" } = options;
    this.#blockSize = options.blockSize ?? chooseBlockSize(size);
    checkBlockSize(this.#blockSize);
    this.#strongLength = options.strongLength ??
      chooseStrongLength(size, this.#blockSize);
    checkStrongLength(this.#strongLength);
    this.#strongKind = strongKind;
    this.#strongSum = strongSum(strongKind, this.#strongLength);
    this.#pending = new Uint8Array(this.#blockSize);
    // The second thread takes a while to start, so for a large file it is
    // started before it is needed.
    if ((size ?? 0) >= 4 * LARGE_BYTES && strongKind === "sha256") {
      HashHelper.get(this.#blockSize);
    }
    // The expected size is only a hint. If it is too large, the unused end of
    // the arrays takes no physical memory.
    const blocks = Math.min(Math.ceil((size ?? 0) / this.#blockSize), 2 ** 22);
    this.#weak = new Uint32Array(blocks);
    this.#strong = new Uint8Array(blocks * this.#strongLength);
  }

  /**
   * Processes the next bytes of the file. The caller can reuse the array
   * afterwards.
   */
  push(bytes: Uint8Array): void {
    const size = this.#blockSize;
    let at = 0;
    if (this.#pendingLength > 0) {
      at = Math.min(size - this.#pendingLength, bytes.length);
      this.#pending.set(bytes.subarray(0, at), this.#pendingLength);
      this.#pendingLength += at;
      if (this.#pendingLength < size) return;
      this.#add(this.#pending);
      this.#pendingLength = 0;
    }
    const whole = bytes.length - (bytes.length - at) % size;
    this.#addBlocks(bytes.subarray(at, whole));
    at = whole;
    this.#pending.set(bytes.subarray(at));
    this.#pendingLength = bytes.length - at;
  }

  /** Marks the end of the file, and returns its signature. */
  finish(): Signature {
    const whole = this.#blocks * this.#blockSize;
    const fileSize = whole + this.#pendingLength;
    if (this.#pendingLength > 0) {
      this.#add(this.#pending.subarray(0, this.#pendingLength));
    }
    this.#helper?.finish();
    return new Signature({
      blockSize: this.#blockSize,
      fileSize,
      strongLength: this.#strongLength,
      strongKind: this.#strongKind,
      weak: trimmed(this.#weak, this.#blocks),
      strong: trimmed(this.#strong, this.#blocks * this.#strongLength),
    });
  }

  #addBlocks(bytes: Uint8Array): void {
    const size = this.#blockSize;
    const keep = this.#strongLength;
    let at = 0;
    const helper = this.#helper;
    const batch = helper?.capacity(size) ?? 0;
    while (helper && bytes.length - at >= MIN_SHARED_BYTES) {
      const part = bytes.subarray(at, at + batch);
      const first = this.#blocks;
      this.#blocks += part.length / size;
      this.#reserve();
      helper.start(
        part,
        size,
        keep,
        (digests) => this.#strong.set(digests, first * keep),
      );
      for (let from = 0; from < part.length; from += size) {
        const sum = this.#weakSum(part, from, from + size);
        this.#weak[first + from / size] = sum;
      }
      at += part.length;
    }
    for (; at < bytes.length; at += size) {
      this.#add(bytes.subarray(at, at + size));
    }
  }

  /**
   * The helper with the second thread. `undefined` until `LARGE_BYTES` bytes
   * have been hashed, if the strong sums are not SHA-256 sums, or if no helper
   * can be started.
   */
  get #helper(): HashHelper | undefined {
    const large = this.#blocks * this.#blockSize >= LARGE_BYTES;
    return large && this.#strongKind === "sha256"
      ? HashHelper.get(this.#blockSize)
      : undefined;
  }

  #add(block: Uint8Array): void {
    this.#blocks++;
    this.#reserve();
    const kept = this.#strongLength;
    const sum = this.#strongSum(block);
    const at = (this.#blocks - 1) * kept;
    for (let index = 0; index < kept; index++) {
      this.#strong[at + index] = sum[index];
    }
    this.#weak[this.#blocks - 1] = this.#weakSum(block, 0, block.length);
  }

  /** Enlarges the arrays if the blocks counted so far do not fit. */
  #reserve(): void {
    if (this.#blocks <= this.#weak.length) return;
    const blocks = Math.max(64, this.#blocks * 2);
    const weak = new Uint32Array(blocks);
    weak.set(this.#weak);
    this.#weak = weak;
    const strong = new Uint8Array(blocks * this.#strongLength);
    strong.set(this.#strong);
    this.#strong = strong;
  }
}

/** Returns an array without its unused end. */
function trimmed<Kind extends Uint8Array | Uint32Array>(
  array: Kind,
  length: number,
): Kind {
  return array.length === length ? array : array.slice(0, length) as Kind;
}

/**
 * Returns the signature of a file in memory.
 *
 * @param bytes The content of the file.
 * @param options The block size, and the length and kind of strong sums.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { signBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const signature = signBytes(new Uint8Array(5000), { blockSize: 2048 });
 * assert.equal(signature.blockCount, 3);
 * ```
 */
export function signBytes(
  bytes: Uint8Array,
  options: SignBytesOptions = {},
): Signature {
  const builder = new SignatureBuilder({ ...options, size: bytes.length });
  builder.push(bytes);
  return builder.finish();
}

/**
 * Returns the signature of a stream. Keeps only the signature and small parts
 * of the file in memory.
 *
 * @param source The content of the file.
 * @param options The expected size, the block size, the length and kind of
 *   strong sums, and the signal.
 * @throws {DeltarError} `aborted` if the signal fired, and the errors of the
 *   source.
 * @throws {RangeError} If an option is out of range.
 *
 * @example
 * ```ts
 * import { sign, signBytes } from "@deltar/deltar/delta";
 * import assert from "node:assert/strict";
 *
 * const parts = [new Uint8Array(3000), new Uint8Array(2000)];
 * const signature = await sign(parts, { size: 5000 });
 * assert.deepEqual(signature, signBytes(new Uint8Array(5000)));
 * ```
 */
export async function sign(
  source: ByteSource,
  options: SignOptions = {},
): Promise<Signature> {
  const size = options.size ??
    (source instanceof Uint8Array ? source.length : undefined);
  const builder = new SignatureBuilder({ ...options, size });
  for await (const chunk of chunks(source)) {
    // Large chunks are processed in parts, so that other tasks can run in
    // between.
    for (let at = 0; at < chunk.length; at += TURN_BYTES) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(options.signal);
      builder.push(chunk.subarray(at, at + TURN_BYTES));
    }
  }
  return builder.finish();
}
