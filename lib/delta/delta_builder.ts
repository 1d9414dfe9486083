import { builtin } from "../bytes/builtin.ts";
import { DeltarError } from "../bytes/errors.ts";
import { BlockTable } from "./block_table.ts";
import { DeltaWriter } from "./delta_writer.ts";
import { HashHelper } from "./hash_helper.ts";
import { fillFilter, filterWords } from "./filter.ts";
import type { OldPart, OldParts } from "./old_parts.ts";
import { type RollingSum, rollingSum, weakSum } from "./rolling_sum.ts";
import type { Signature } from "./signature.ts";
import { type StrongSum, strongSum } from "./strong_sum.ts";

/**
 * The minimum number of bytes of a large file that are searched at a time. The
 * window in memory is one block larger.
 */
const MIN_SEARCH_BYTES = 2 ** 18;

/**
 * The number of expected blocks that must be confirmed in a row before the
 * builder confirms several blocks together on two threads.
 */
const LONG_RUN_BLOCKS = 32;
/** The minimum number of bytes that are hashed together on two threads. */
const MIN_SHARED_BYTES = 2 ** 16;
/**
 * The minimum size in bytes of a file for which a second thread is started. A
 * smaller file would be finished before the thread has started.
 */
const LARGE_BYTES = 2 ** 22;

/**
 * The number of expected blocks that must match in a row before the builder
 * loads a part of the old content that does not follow the last loaded part.
 */
const MIN_LOADED_STREAK = 8;
/**
 * The maximum gap in bytes between the end of the last loaded part of the old
 * content and the next part. If the gap is larger, the next part does not count
 * as following the last one.
 */
const MAX_FOLLOWING_BYTES = 2 ** 21;
/**
 * The maximum number of bytes of the old content that are loaded without a
 * match in the loaded bytes. If content has moved, loaded bytes do not match,
 * so loading more of them saves no time.
 */
const MAX_VAIN_BYTES = 2 ** 22;
/**
 * The number of additional bytes that can be loaded for each loaded byte that
 * was matched. The number is small, because loading bytes takes only slightly
 * less time than computing their strong sums.
 */
const LOADED_GAIN = 1.25;
/**
 * The maximum number of further blocks that are compared with the old content,
 * at their expected offsets, after a block has differed.
 */
const MAX_SKIPPED_BLOCKS = 8;
/**
 * The maximum number of old bytes between two copies, beyond twice the number
 * of new bytes between these copies. If there are more old bytes, none of them
 * are kept.
 */
const MAX_EXTRA_KEPT_BYTES = 2 ** 12;

/** Options for a {@linkcode DeltaBuilder}. */
export interface DeltaBuilderOptions {
  /**
   * The expected size of the file in bytes. For a small file, the builder
   * allocates less memory and does not use a second thread. Default:
   * `Infinity`.
   */
  size?: number;
  /**
   * The old content. Only the parts that hold changed blocks are read. By
   * default, the delta is made from the signature alone.
   */
  old?: OldParts;
}

/**
 * Called with the next bytes of the delta. The bytes are valid until the call
 * returns or, if it returns a promise, until the promise is fulfilled. A sink
 * that keeps the bytes must copy them.
 */
export type DeltaSink = (bytes: Uint8Array) => void | Promise<void>;

/**
 * Makes the delta of a file against the signature of its basis. The file is
 * pushed part by part. The builder uses the search of the rsync algorithm (A.
 * Tridgell, "Efficient Algorithms for Sorting and Synchronization", 1999,
 * chapter 3).
 *
 * The file passes through a window in memory. At the start, and after a block
 * that matched, the next block of the basis is expected and confirmed by its
 * strong sum alone. If that block does not match, the search continues byte by
 * byte, with a rolling sum, until any block of the basis matches.
 *
 * If the old content is given and an expected block does not match, the builder
 * can load the part of the old content that holds this block. The following
 * expected blocks in this part are compared byte by byte, which takes less time
 * than computing strong sums. The old bytes between two copies are kept, so
 * that the delta can be refined without reading them again.
 */
export class DeltaBuilder {
  readonly #basis: Signature;
  readonly #sink: DeltaSink;
  readonly #table: BlockTable;
  readonly #writer: DeltaWriter;
  /**
   * The rolling sum of the search. Its buffer holds the window and one spare
   * byte.
   */
  #rolling: RollingSum;
  readonly #strongSum: StrongSum;
  /** The maximum size of the window in bytes. */
  readonly #capacity: number;
  /** The number of bytes of the file that are in the window. */
  #end = 0;
  /**
   * The offset of the search in the window. Each byte before this offset has
   * been assigned to a copy or a literal.
   */
  #at = 0;
  /**
   * The offset in the window of the first literal byte that is not written yet.
   */
  #literal = 0;
  /** Whether the rolling sum is positioned at `#at`. */
  #rolled = false;
  /**
   * The number of the block that is expected at `#at`, or -1 if no block is
   * expected.
   */
  #expected: number;
  /** The number of expected blocks that were confirmed in a row. */
  #streak = 0;
  /** Whether the file is large enough for a second thread. */
  readonly #isLarge: boolean;
  readonly #old: OldParts | undefined;
  /** The number of bytes of the old content that can still be loaded. */
  #room = MAX_VAIN_BYTES;
  /**
   * The offset in the old content of the byte to load next, or -1 if nothing is
   * to be loaded.
   */
  #wanted = -1;
  /**
   * The end of the last loaded part, as an offset in the old content in bytes.
   */
  #loaded = 0;
  /** The end of the last copy, as an offset in the old content in bytes. */
  #copied = 0;

  /**
   * Makes a builder.
   *
   * @param basis The signature of the basis.
   * @param sink Called with the next bytes of the delta.
   * @param options The expected size and the old content.
   */
  constructor(
    basis: Signature,
    sink: DeltaSink,
    { size = Infinity, old }: DeltaBuilderOptions = {},
  ) {
    const { blockSize } = basis;
    this.#basis = basis;
    this.#sink = sink;
    this.#old = old;
    this.#table = new BlockTable(basis);
    this.#strongSum = strongSum(basis.strongKind, basis.strongLength);
    this.#capacity = blockSize + Math.max(blockSize, MIN_SEARCH_BYTES);
    this.#isLarge = size >= LARGE_BYTES;
    this.#rolling = this.#roll(Math.min(size, this.#capacity));
    this.#writer = new DeltaWriter();
    this.#expected = basis.weak.length > 0 ? 0 : -1;
  }

  /** The size of the delta in bytes, once `finish` has been called. */
  get deltaSize(): number {
    return this.#writer.size;
  }

  /**
   * Processes the next bytes of the file. Returns a promise if the sink returns
   * one or if old content is loaded. Before the caller calls `push` again or
   * reuses the array, it must wait until any returned promise is fulfilled.
   */
  push(bytes: Uint8Array): void | Promise<void> {
    for (let from = 0; from < bytes.length;) {
      const window = this.#window;
      const room = window.length - this.#end;
      if (room === 0) {
        this.#grow();
        continue;
      }
      const part = bytes.subarray(from, from + room);
      window.set(part, this.#end);
      this.#end += part.length;
      from += part.length;
      if (this.#end < this.#capacity) continue;
      const wait = this.#advance();
      if (wait) return wait.then(() => this.push(bytes.subarray(from)));
    }
  }

  /**
   * Searches the full window, makes room for the next bytes, and passes the
   * written commands to the sink.
   */
  #advance(): void | Promise<void> {
    this.#search(this.#end - this.#basis.blockSize - 1);
    if (this.#wanted >= 0) return this.#load().then(() => this.#advance());
    this.#compact();
    return this.#sink(this.#writer.take());
  }

  /**
   * Marks the end of the file, and passes the rest of the delta to the sink.
   * Returns a promise if the sink returns one or if old content is loaded.
   */
  finish(): void | Promise<void> {
    this.#search(this.#end - this.#basis.blockSize);
    if (this.#wanted >= 0) return this.#load().then(() => this.finish());
    if (this.#expected >= 0) this.#matchExpected();
    this.#matchTail();
    this.#writeLiteral(this.#end);
    this.#rolling.free();
    this.#writer.end();
    return this.#sink(this.#writer.take());
  }

  /** The bytes of the window, without the spare byte. */
  get #window(): Uint8Array {
    return this.#rolling.buffer.subarray(0, -1);
  }

  #roll(capacity: number): RollingSum {
    const rolling = rollingSum(this.#basis.weakKind, {
      width: this.#basis.blockSize,
      capacity,
      filterWords: filterWords(this.#basis),
    });
    fillFilter(rolling.filter, this.#basis);
    return rolling;
  }

  /**
   * Enlarges the window to its maximum size, for a file that is larger than
   * expected.
   */
  #grow(): void {
    const small = this.#rolling;
    this.#rolling = this.#roll(this.#capacity);
    this.#rolling.buffer.set(small.buffer.subarray(0, this.#end));
    this.#rolled = false;
    small.free();
  }

  /**
   * Searches for blocks at all positions up to `last`. If a part of the old
   * content must be loaded first, sets `#wanted` and stops earlier.
   */
  #search(last: number): void {
    const { blockSize } = this.#basis;
    const rolling = this.#rolling;
    const digest = () => this.#digest(blockSize);
    while (this.#at <= last) {
      if (this.#expected >= 0) {
        const matches = this.#matchLoaded();
        if (matches) continue;
        if (matches === undefined) {
          if (this.#streak >= LONG_RUN_BLOCKS && this.#matchRun()) continue;
          if (this.#matchExpected()) continue;
          if (this.#wants(this.#expected)) return;
        }
        this.#streak = 0;
        this.#expected = -1;
      }
      if (!this.#rolled) rolling.start(this.#at);
      this.#rolled = true;
      this.#at = rolling.seek(this.#at, last);
      if (this.#at > last) return;
      const block = this.#table.find(rolling.value, digest);
      if (block >= 0) {
        this.#copy(block, blockSize);
      } else {
        rolling.roll(this.#at++);
      }
    }
  }

  /**
   * Returns whether to load the part of the old content that holds an expected
   * block that did not match. If so, sets `#wanted`.
   */
  #wants(block: number): boolean {
    if (this.#old === undefined || this.#room <= 0) return false;
    const place = block * this.#basis.blockSize;
    const isFollowing = place >= this.#loaded &&
      place < this.#loaded + MAX_FOLLOWING_BYTES;
    if (!isFollowing && this.#streak < MIN_LOADED_STREAK) return false;
    if (this.#partAt(place) !== undefined) return false;
    this.#wanted = place;
    return true;
  }

  /**
   * Loads the wanted part of the old content. If the part cannot be read, no
   * further part is loaded.
   */
  async #load(): Promise<void> {
    const place = this.#wanted;
    this.#wanted = -1;
    try {
      await this.#old?.load(place);
    } catch (error) {
      if (!(error instanceof DeltarError) || error.code === "aborted") {
        throw error;
      }
    }
    const part = this.#partAt(place);
    this.#room -= part?.bytes.length ?? Infinity;
    if (part !== undefined) this.#loaded = part.offset + part.bytes.length;
  }

  /**
   * Returns the loaded part of the old content that holds the byte at an
   * offset, or `undefined` if this byte is not loaded.
   */
  #partAt(place: number): OldPart | undefined {
    return this.#old?.parts.find(({ offset, bytes }) =>
      offset <= place && place < offset + bytes.length
    );
  }

  /**
   * Compares the next expected blocks with the loaded old content. If the first
   * of these blocks differs, searches for the first later block that matches.
   * Returns whether a block matched, or `undefined` if the old content or the
   * window does not hold the whole expected block.
   */
  #matchLoaded(): boolean | undefined {
    if (this.#old === undefined) return undefined;
    const { blockSize, fileSize } = this.#basis;
    const first = this.#expected;
    const place = first * blockSize;
    const part = this.#partAt(place);
    if (part === undefined) return undefined;
    const most = Math.min(
      Math.floor((this.#end - this.#at) / blockSize),
      Math.floor((part.offset + part.bytes.length - place) / blockSize),
      Math.floor(fileSize / blockSize) - first,
    );
    if (most <= 0) return undefined;
    const matches = (block: number) => {
      const skip = block * blockSize;
      const from = place - part.offset + skip;
      const at = this.#at + skip;
      return areEqual(this.#rolling.buffer, at, part.bytes, from, blockSize);
    };
    let start = 0;
    const last = Math.min(most, 1 + MAX_SKIPPED_BLOCKS);
    while (start < last && !matches(start)) start++;
    if (start >= last) return false;
    let end = start + 1;
    while (end < most && matches(end)) end++;
    const same = end - start;
    this.#at += start * blockSize;
    this.#copy(first + start, same * blockSize);
    this.#streak = start === 0 ? this.#streak + same : same;
    this.#room = Math.min(
      MAX_VAIN_BYTES,
      this.#room + LOADED_GAIN * same * blockSize,
    );
    return true;
  }

  /**
   * Tries to confirm the next expected blocks in the window together, on two
   * threads. The number of these blocks is at most the number of blocks that
   * have matched in a row. Returns whether at least the first block matched.
   */
  #matchRun(): boolean {
    const { blockSize, fileSize, strongKind, strongLength } = this.#basis;
    if (!this.#isLarge || strongKind !== "sha256") return false;
    const helper = HashHelper.get(blockSize);
    if (!helper) return false;
    const blocks = Math.min(
      this.#streak,
      Math.floor((this.#end - this.#at) / blockSize),
      Math.floor(helper.capacity(blockSize) / blockSize),
      Math.floor(fileSize / blockSize) - this.#expected,
    );
    if (blocks * blockSize < MIN_SHARED_BYTES) return false;
    const end = this.#at + blocks * blockSize;
    const run = this.#rolling.buffer.subarray(this.#at, end);
    let same = 0;
    helper.start(run, blockSize, strongLength, (digests) => {
      const first = this.#expected * strongLength;
      const { strong } = this.#basis;
      let at = 0;
      while (at < digests.length && digests[at] === strong[first + at]) at++;
      same = Math.floor(at / strongLength);
    });
    helper.finish();
    if (same === 0) {
      this.#streak = 0;
      return false;
    }
    this.#streak = same < blocks ? 0 : this.#streak + same;
    this.#copy(this.#expected, same * blockSize);
    return true;
  }

  /**
   * Tries to confirm the expected block, which can be the short last block.
   * Returns whether the block matched.
   */
  #matchExpected(): boolean {
    const length = this.#lengthOf(this.#expected);
    if (this.#at + length > this.#end || !this.#same(this.#expected, length)) {
      return false;
    }
    this.#copy(this.#expected, length);
    this.#streak++;
    return true;
  }

  /**
   * Searches for the short last block of the basis at the end of the file. A
   * signature in librsync's format does not contain the length of that block.
   * Without a known length, every length is tried.
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
      if (sum(this.#rolling.buffer, start, this.#end) !== weak[block]) continue;
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
    return this.#strongSum(
      this.#rolling.buffer.subarray(this.#at, this.#at + length),
    );
  }

  #copy(block: number, length: number): void {
    const place = block * this.#basis.blockSize;
    this.#keep(place);
    this.#writeLiteral(this.#at);
    this.#writer.copy(place, length);
    this.#copied = place + length;
    this.#at += length;
    this.#literal = this.#at;
    this.#rolled = false;
    const next = block + Math.ceil(length / this.#basis.blockSize);
    this.#expected = next < this.#basis.weak.length ? next : -1;
  }

  /**
   * Keeps the loaded bytes of the old content between the last copy and the
   * next one, unless there are far more old bytes than new bytes.
   *
   * @param next The offset of the next copy in the old content, in bytes.
   */
  #keep(next: number): void {
    const gap = next - this.#copied;
    const most = 2 * (this.#at - this.#literal) + MAX_EXTRA_KEPT_BYTES;
    if (gap > 0 && gap <= most) this.#old?.keep(this.#copied, next);
  }

  #writeLiteral(end: number): void {
    if (end > this.#literal) {
      this.#writer.literal(this.#rolling.buffer.subarray(this.#literal, end));
    }
    this.#literal = end;
  }

  /**
   * Writes the literal bytes that are not written yet, and removes the searched
   * bytes from the window.
   */
  #compact(): void {
    this.#writeLiteral(this.#at);
    this.#rolling.drop(this.#at, this.#end);
    this.#end -= this.#at;
    this.#at = this.#literal = 0;
  }
}

const buffers = builtin("node:buffer")?.Buffer;

/** Returns whether two ranges of `length` bytes are equal. */
function areEqual(
  one: Uint8Array,
  at: number,
  other: Uint8Array,
  place: number,
  length: number,
): boolean {
  const first = one.subarray(at, at + length);
  const second = other.subarray(place, place + length);
  if (buffers !== undefined) return buffers.compare(first, second) === 0;
  return first.every((byte, index) => byte === second[index]);
}
