import { checkAborted } from "../bytes/abort.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { DeltaReader } from "./delta_reader.ts";
import { DeltaWriter } from "./delta_writer.ts";
import { weakSum } from "./rolling_sum.ts";
import type { DeltaSources } from "./segments.ts";
import { Signature } from "./signature.ts";
import { strongSum } from "./strong_sum.ts";

/** The minimum size in bytes of each yielded chunk except the last one. */
const MIN_YIELD_BYTES = 2 ** 16;

/**
 * The known blocks of a file: the blocks whose checksums can be derived from
 * the signature of the old state and the delta from that state, without reading
 * either state. There are two kinds of known blocks: the blocks of the old
 * state that are completely inside ranges that the delta copies, at their new
 * offsets; and the whole blocks into which the delta's literals can be cut. A
 * short last block is known only if both states end with it. With the known
 * blocks, no signature of the file needs to be made or stored.
 */
export class DerivedSignature {
  /**
   * The signature of the known blocks, in ascending order of their offsets in
   * the file, as if they were adjacent. `translate` converts a delta against
   * this signature to a delta against the file.
   */
  readonly signature: Signature;
  /** The offset of each block in the file, in bytes. */
  readonly #places: Float64Array;

  private constructor(signature: Signature, places: Float64Array) {
    this.signature = signature;
    this.#places = places;
  }

  /**
   * Derives the known blocks of a file.
   *
   * @param old The signature of the old state.
   * @param delta The segments and literals of the delta from the old state to
   *   the file.
   * @param signal The signal that aborts the work.
   * @throws {DeltarError} `aborted` if the signal fired, and the errors of
   *   reading the literals.
   */
  static async of(
    old: Signature,
    { segments, literals }: DeltaSources,
    signal?: AbortSignal,
  ): Promise<DerivedSignature> {
    const blocks = new Blocks(old);
    let place = 0;
    for (const { kind, offset, length } of segments.all()) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(signal);
      const end = place + length;
      if (kind === "copy") {
        blocks.copy(offset, length, place, end === segments.size);
      } else {
        const { blockSize } = old;
        for (let at = 0; at + blockSize <= length; at += blockSize) {
          const block = await literals.read(offset + at, blockSize);
          blocks.sum(block, place + at);
        }
      }
      place = end;
    }
    return new DerivedSignature(blocks.finish(), blocks.places());
  }

  /**
   * Converts a delta against `signature` to a delta against the file.
   *
   * @param delta The delta to convert.
   * @throws {DeltarError} `corrupt` or `truncated` if the delta is invalid.
   */
  async *translate(delta: ByteSource): AsyncGenerator<Uint8Array> {
    const { blockSize } = this.signature;
    const reader = new DeltaReader();
    const writer = new DeltaWriter();
    for await (const piece of chunks(delta)) {
      for (const command of reader.read(piece)) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        if (command.kind === "literal") writer.literal(command.bytes);
        else {
          // A copy consists of known blocks, which need not be adjacent in the
          // file. Only the last block can be short.
          const end = command.offset + command.length;
          for (let at = command.offset; at < end; at += blockSize) {
            const length = Math.min(blockSize, end - at);
            writer.copy(this.#places[at / blockSize], length);
          }
        }
        if (writer.waiting >= MIN_YIELD_BYTES) yield writer.take().slice();
      }
    }
    reader.finish();
    writer.end();
    yield writer.take().slice();
  }
}

/** Collects the checksums and the offsets of known blocks. */
class Blocks {
  readonly #old: Signature;
  readonly #weakSum: ReturnType<typeof weakSum>;
  readonly #strongSum: ReturnType<typeof strongSum>;
  #weak: Uint32Array;
  #strong: Uint8Array;
  #places: Float64Array;
  #count = 0;
  #size = 0;

  constructor(old: Signature) {
    this.#old = old;
    this.#weakSum = weakSum(old.weakKind);
    this.#strongSum = strongSum(old.strongKind, old.strongLength);
    this.#weak = new Uint32Array(old.blockCount + 64);
    this.#strong = new Uint8Array(this.#weak.length * old.strongLength);
    this.#places = new Float64Array(this.#weak.length);
  }

  /**
   * Adds the blocks of the old state that are completely inside a copied range.
   * A short last block is added only if the file ends with the range.
   *
   * @param offset The offset of the range in the old state, in bytes.
   * @param length The length of the range in bytes.
   * @param place The offset of the range in the file, in bytes.
   * @param isLast Whether the file ends with the range.
   */
  copy(offset: number, length: number, place: number, isLast: boolean): void {
    const { blockSize, fileSize, strongLength, weak, strong } = this.#old;
    const end = Math.min(offset + length, fileSize);
    let block = Math.ceil(offset / blockSize);
    for (; block * blockSize < end; block++) {
      const start = block * blockSize;
      const size = Math.min(blockSize, fileSize - start);
      if (start + size > end || size < blockSize && !isLast) break;
      const from = block * strongLength;
      this.#add(
        weak[block],
        strong.subarray(from, from + strongLength),
        place + start - offset,
        size,
      );
    }
  }

  /**
   * Computes the checksums of a block, and adds the block.
   *
   * @param bytes The content of the block.
   * @param place The offset of the block in the file, in bytes.
   */
  sum(bytes: Uint8Array, place: number): void {
    const weak = this.#weakSum(bytes, 0, bytes.length);
    this.#add(weak, this.#strongSum(bytes), place, bytes.length);
  }

  places(): Float64Array {
    return this.#places.slice(0, this.#count);
  }

  finish(): Signature {
    const { blockSize, strongLength, weakKind, strongKind } = this.#old;
    return new Signature({
      blockSize,
      strongLength,
      weakKind,
      strongKind,
      fileSize: this.#size,
      weak: this.#weak.slice(0, this.#count),
      strong: this.#strong.slice(0, this.#count * strongLength),
    });
  }

  #add(weak: number, strong: Uint8Array, place: number, size: number): void {
    if (this.#count === this.#weak.length) this.#grow();
    this.#weak[this.#count] = weak;
    this.#strong.set(strong, this.#count * this.#old.strongLength);
    this.#places[this.#count++] = place;
    this.#size += size;
  }

  #grow(): void {
    const weak = new Uint32Array(this.#count * 2);
    weak.set(this.#weak);
    const strong = new Uint8Array(weak.length * this.#old.strongLength);
    strong.set(this.#strong);
    const places = new Float64Array(weak.length);
    places.set(this.#places);
    [this.#weak, this.#strong, this.#places] = [weak, strong, places];
  }
}
