import { BlockTable } from "./block_table.ts";
import { DeltaWriter } from "./delta_writer.ts";
import { rollingSum, weakSum } from "./rolling_sum.ts";
import type { RollingSum } from "./rolling_sum.ts";
import type { Signature } from "./signature.ts";
import { type StrongSum, strongSum } from "./strong_sum.ts";

/** How much of the file is looked at in one go, besides a block. */
const WINDOW = 2 ** 18;

/**
 * Takes the bytes of the delta. They are valid until it returns, or until the
 * promise that it returns is fulfilled; who wants to keep them copies them.
 */
export type DeltaSink = (bytes: Uint8Array) => void | Promise<void>;

/**
 * Writes the delta of a file that is pushed piece by piece against the
 * signature of its basis: the search of the rsync algorithm (A. Tridgell,
 * "Efficient Algorithms for Sorting and Synchronization", 1999, chapter 3).
 *
 * The file passes through a window in memory. Behind a block that matched, the
 * basis's next block is expected and confirmed by its strong sum alone; only
 * where that fails the weak sum rolls on to the next block that the table knows.
 */
export class DeltaBuilder {
  readonly #basis: Signature;
  readonly #sink: DeltaSink;
  readonly #table: BlockTable;
  readonly #writer: DeltaWriter;
  readonly #rolling: RollingSum;
  readonly #strongSum: StrongSum;
  /** The largest that the window gets. */
  readonly #capacity: number;
  /** Bytes of the file from `#literal` on, and one to spare behind `#end`. */
  #window: Uint8Array;
  #end = 0;
  /** Where the search is: all before is either copied or literal. */
  #at = 0;
  /** Where the literal bytes start that are not written yet. */
  #literal = 0;
  /** Whether the rolling sum stands at `#at`. */
  #rolled = false;
  /** The block expected at `#at`, or -1. */
  #expected: number;

  /**
   * @param basis The signature of the basis.
   * @param sink Takes the delta.
   * @param size Expected size of the file; a small one saves memory.
   */
  constructor(basis: Signature, sink: DeltaSink, size = Infinity) {
    const { blockSize } = basis;
    this.#basis = basis;
    this.#sink = sink;
    this.#table = new BlockTable(basis);
    this.#rolling = rollingSum(basis.weakKind, blockSize);
    this.#strongSum = strongSum(basis.strongKind);
    this.#capacity = blockSize + Math.max(blockSize, WINDOW);
    this.#window = new Uint8Array(Math.min(size, this.#capacity) + 1);
    this.#writer = new DeltaWriter();
    this.#expected = basis.weak.length > 0 ? 0 : -1;
  }

  /** Size of the delta so far, in bytes. */
  get deltaSize(): number {
    return this.#writer.size;
  }

  /**
   * Takes the next bytes; the array may be reused once this returned, or once
   * the promise it returned is fulfilled (if the sink returned one).
   */
  push(bytes: Uint8Array): void | Promise<void> {
    for (let from = 0; from < bytes.length;) {
      if (this.#end === this.#window.length - 1) this.#grow();
      const capacity = this.#window.length - 1;
      const taken = Math.min(bytes.length - from, capacity - this.#end);
      this.#window.set(bytes.subarray(from, from + taken), this.#end);
      this.#end += taken;
      from += taken;
      if (this.#end < this.#capacity) continue;
      this.#search(this.#end - this.#basis.blockSize - 1);
      this.#compact();
      const wait = this.#sink(this.#writer.take());
      if (wait) return wait.then(() => this.push(bytes.subarray(from)));
    }
  }

  /** Ends the file and the delta. */
  finish(): void | Promise<void> {
    this.#search(this.#end - this.#basis.blockSize);
    if (this.#expected >= 0) this.#matchExpected();
    this.#matchTail();
    this.#writeLiteral(this.#end);
    this.#writer.end();
    return this.#sink(this.#writer.take());
  }

  /** Looks for blocks at all places up to `last`. */
  #search(last: number): void {
    const { blockSize } = this.#basis;
    const window = this.#window;
    const table = this.#table;
    const digest = () => this.#digest(blockSize);
    while (this.#at <= last) {
      if (this.#expected >= 0) {
        if (this.#matchExpected()) continue;
        this.#expected = -1;
      }
      const rolling = this.#rolling;
      if (!this.#rolled) rolling.start(window, this.#at);
      this.#rolled = true;
      this.#at = rolling.seek(
        window,
        this.#at,
        last,
        table.filter,
        table.filterShift,
      );
      if (this.#at > last) return;
      const block = table.find(rolling.value, digest);
      if (block >= 0) {
        this.#copy(block, blockSize);
      } else {
        rolling.roll(window, this.#at++);
      }
    }
  }

  /** Confirms the expected block, which may be the short last one. */
  #matchExpected(): boolean {
    const length = this.#lengthOf(this.#expected);
    if (this.#at + length > this.#end || !this.#same(this.#expected, length)) {
      return false;
    }
    this.#copy(this.#expected, length);
    return true;
  }

  /**
   * Looks for the basis's short last block at the very end. A librsync
   * signature does not tell its length, so then every length is tried.
   */
  #matchTail(): void {
    const { blockSize, fileSize, sizeKnown, weak, weakKind } = this.#basis;
    const block = weak.length - 1;
    const room = Math.min(this.#end - this.#at, blockSize - 1);
    const known = fileSize % blockSize;
    if (block < 0 || sizeKnown && (known === 0 || known > room)) return;
    const sum = weakSum(weakKind);
    for (
      let length = sizeKnown ? known : room;
      length >= (sizeKnown ? known : 1);
      length--
    ) {
      const start = this.#end - length;
      if (sum(this.#window, start, this.#end) !== weak[block]) continue;
      this.#at = start;
      if (this.#same(block, length)) return this.#copy(block, length);
    }
  }

  #lengthOf(block: number): number {
    const { blockSize, fileSize } = this.#basis;
    return Math.min(blockSize, fileSize - block * blockSize);
  }

  #same(block: number, length: number): boolean {
    return this.#basis.hasStrong(block, this.#digest(length));
  }

  #digest(length: number): Uint8Array {
    return this.#strongSum(this.#window.subarray(this.#at, this.#at + length));
  }

  #copy(block: number, length: number): void {
    this.#writeLiteral(this.#at);
    this.#writer.copy(block * this.#basis.blockSize, length);
    this.#at += length;
    this.#literal = this.#at;
    this.#rolled = false;
    this.#expected = block + 1 < this.#basis.weak.length ? block + 1 : -1;
  }

  #writeLiteral(end: number): void {
    if (end > this.#literal) {
      this.#writer.literal(this.#window.subarray(this.#literal, end));
    }
    this.#literal = end;
  }

  #grow(): void {
    const window = new Uint8Array(this.#capacity + 1);
    window.set(this.#window.subarray(0, this.#end));
    this.#window = window;
  }

  /** Makes room: what was searched leaves the window. */
  #compact(): void {
    this.#writeLiteral(this.#at);
    this.#window.copyWithin(0, this.#at, this.#end);
    this.#end -= this.#at;
    this.#at = this.#literal = 0;
  }
}
