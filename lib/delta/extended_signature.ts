import { DeltaReader } from "./delta_reader.ts";
import { SignatureBuilder } from "./sign.ts";
import { Signature } from "./signature.ts";

/**
 * Makes the signature of a file that has grown at its end, in the pass that
 * makes the delta. The sums of the old state's whole blocks are taken from the
 * old signature, and only the bytes after these blocks are hashed.
 */
export class ExtendedSignature {
  readonly #old: Signature;
  readonly #end: SignatureBuilder;
  readonly #delta = new DeltaReader();
  /** The number of whole blocks of the old state. */
  readonly #blocks: number;
  /**
   * The number of bytes of the file that are still to be skipped, because they
   * are in whole blocks of the old state.
   */
  #left: number;
  /**
   * Whether the file begins with the whole blocks of the old state. `undefined`
   * until the first command of the delta is known.
   */
  #isExtended: boolean | undefined;

  /**
   * Starts the signature.
   *
   * @param old The signature of the old state, with Rabin-Karp sums and
   *   SHA-256.
   */
  constructor(old: Signature) {
    const { blockSize, strongLength } = old;
    this.#old = old;
    this.#end = new SignatureBuilder({ blockSize, strongLength, size: 0 });
    this.#blocks = Math.floor(old.fileSize / blockSize);
    this.#left = this.#blocks * blockSize;
  }

  /** Processes the next bytes of the file. */
  push(bytes: Uint8Array): void {
    const skipped = Math.min(this.#left, bytes.length);
    this.#left -= skipped;
    if (this.#isExtended !== false) this.#end.push(bytes.subarray(skipped));
  }

  /** Processes the next bytes of the delta of the file against `old`. */
  pushDelta(bytes: Uint8Array): void {
    if (this.#isExtended !== undefined) return;
    for (const command of this.#delta.read(bytes)) {
      this.#isExtended = command.kind === "copy" && command.offset === 0 &&
        command.length >= this.#blocks * this.#old.blockSize;
      return;
    }
  }

  /**
   * Marks the end of the file and of its delta. Returns the signature of the
   * file, or `undefined` if the old state has no whole block or the file does
   * not begin with the whole blocks of the old state.
   */
  finish(): Signature | undefined {
    const end = this.#end.finish();
    if (this.#isExtended !== true || this.#blocks === 0) return undefined;
    const { blockSize, strongLength, weakKind, strongKind } = this.#old;
    const count = this.#blocks + end.blockCount;
    const weak = new Uint32Array(count);
    weak.set(this.#old.weak.subarray(0, this.#blocks));
    weak.set(end.weak, this.#blocks);
    const strong = new Uint8Array(count * strongLength);
    strong.set(this.#old.strong.subarray(0, this.#blocks * strongLength));
    strong.set(end.strong, this.#blocks * strongLength);
    return new Signature({
      blockSize,
      strongLength,
      weakKind,
      strongKind,
      fileSize: this.#blocks * blockSize + end.fileSize,
      weak,
      strong,
    });
  }
}
