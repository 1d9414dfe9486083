import { FILTER_BITS } from "./filter.ts";
import { createKernel, type Kernel, LIST_BYTES } from "./kernel.ts";
import { powerOf, rollRabinKarp } from "./rabin_karp.ts";
import type { RollingShape, RollingSum } from "./rolling_sum.ts";

const PAGE_BYTES = 2 ** 16;
/**
 * The addresses of the lists, the state and the filter in the kernel's memory.
 * The buffer follows the filter.
 */
const LISTS_START = FILTER_BITS.byteLength;
const STATE_START = LISTS_START + 4 * LIST_BYTES;
const FILTER_START = STATE_START + 64;
/** The maximum memory in bytes of a kernel that is kept for the next file. */
const MAX_KEPT_BYTES = 2 ** 23;
const LIST_WORDS = LIST_BYTES / 4;
/**
 * The minimum number of windows to scan ahead. For wide windows, the minimum is
 * four times the width of the window instead.
 */
const MIN_SCAN_WINDOWS = 2 ** 13;
/**
 * The maximum number of windows to scan ahead. With this limit, the lists
 * seldom become full.
 */
const MAX_SCAN_WINDOWS = 2 ** 18;

/**
 * The kernels that are kept for the next file. Each kernel reserves gigabytes
 * of address space, so making a new kernel for each of many files would exhaust
 * the address space before the old kernels are garbage-collected.
 */
const spare: Kernel[] = [];

/**
 * The Rabin-Karp sum of a rolling window, computed with WebAssembly.
 *
 * After many positions without a match, four windows scan ahead at the same
 * time. A match makes the rest of a scan useless, so a scan covers at most as
 * many positions as were passed since the last match. Therefore, at most half
 * of all positions are scanned unnecessarily.
 */
export class RabinKarpKernel implements RollingSum {
  readonly buffer: Uint8Array;
  readonly filter: Int32Array;
  readonly #kernel: Kernel;
  readonly #state: Int32Array;
  readonly #lists: Int32Array;
  readonly #width: number;
  readonly #power: number;
  /** The number of positions passed since `start` or since a list was full. */
  #passed = 0;
  /**
   * The position after the last window that was scanned ahead, or 0. The lists
   * contain the scanned windows that passed the filter.
   */
  #scanned = 0;
  /**
   * The index of the list that is being read. `#next` is the index of the next
   * word among the entries of that list.
   */
  #list = 0;
  #next = 0;
  /**
   * Whether the sum must be computed again for the position after the scanned
   * positions.
   */
  #stale = false;

  /**
   * Makes a rolling sum.
   *
   * @returns The sum, or `undefined` if there is no kernel or not enough
   *   memory.
   */
  static create(shape: RollingShape): RabinKarpKernel | undefined {
    const kernel = spare.pop() ?? createKernel();
    if (!kernel) return undefined;
    const length = FILTER_START + shape.filterWords * 4 + shape.capacity + 1;
    const missing = length - kernel.memory.buffer.byteLength;
    try {
      if (missing > 0) kernel.memory.grow(Math.ceil(missing / PAGE_BYTES));
    } catch {
      return undefined;
    }
    return new RabinKarpKernel(kernel, shape);
  }

  private constructor(kernel: Kernel, shape: RollingShape) {
    const { width, capacity, filterWords } = shape;
    const memory = kernel.memory.buffer;
    const filterEnd = FILTER_START + filterWords * 4;
    this.#kernel = kernel;
    this.#width = width;
    this.#power = powerOf(width);
    new Int32Array(memory).set(FILTER_BITS);
    this.#lists = new Int32Array(memory, LISTS_START, LIST_BYTES);
    this.#state = new Int32Array(memory, STATE_START, 1);
    this.filter = new Int32Array(memory, FILTER_START, filterWords).fill(0);
    this.buffer = new Uint8Array(memory, filterEnd, capacity + 1);
  }

  get value(): number {
    return this.#state[0] >>> 0;
  }

  start(at: number): void {
    this.#passed = 0;
    this.#scanned = 0;
    this.#sum(at);
  }

  roll(at: number): void {
    this.#passed++;
    if (at < this.#scanned) return;
    const leaving = this.buffer[at];
    const entering = this.buffer[at + this.#width];
    this.#state[0] = rollRabinKarp(this.value, this.#power, leaving, entering);
  }

  seek(from: number, last: number): number {
    const start = this.buffer.byteOffset;
    const { byteOffset, byteLength } = this.filter;
    let at = from;
    while (at <= last) {
      if (at < this.#scanned) {
        const found = this.#take(at);
        const to = found ?? this.#scanned;
        this.#passed += to - at;
        at = to;
        if (found !== undefined) return at;
        continue;
      }
      if (this.#scan(at, last)) continue;
      if (this.#stale) this.#sum(at);
      const end = Math.min(last + 1, at + this.#patience);
      const to = this.#kernel.seek(
        start + at,
        start + end - 1,
        this.#width,
        this.#power,
        byteOffset,
        byteLength - 4,
        STATE_START,
      ) - start;
      this.#passed += to - at;
      at = to;
      if (at < end) return at;
    }
    return at;
  }

  drop(count: number, end: number): void {
    this.buffer.copyWithin(0, count, end);
    this.#scanned = 0;
  }

  free(): void {
    if (this.buffer.buffer.byteLength <= MAX_KEPT_BYTES) {
      spare.push(this.#kernel);
    }
  }

  /** The number of positions to pass before scanning ahead. */
  get #patience(): number {
    return Math.max(4 * this.#width, MIN_SCAN_WINDOWS);
  }

  #sum(at: number): void {
    const from = this.buffer.byteOffset + at;
    this.#state[0] = this.#kernel.weak(from, from + this.#width, 1);
    this.#stale = false;
  }

  /**
   * Scans ahead from `at` on. Returns `false` if too few positions were passed
   * or remain, or if a list became full, because windows can be missing from a
   * full list.
   */
  #scan(at: number, last: number): boolean {
    const span = Math.min(last + 1 - at, this.#passed, MAX_SCAN_WINDOWS) & ~15;
    if (span < this.#patience) return false;
    const lists = this.#lists;
    for (let list = 0; list < 4; list++) lists[list * LIST_WORDS] = 0;
    this.#kernel.scan(
      this.buffer.byteOffset + at,
      span / 4,
      this.#width,
      this.#power,
      this.filter.byteOffset,
      this.filter.byteLength - 4,
      LISTS_START,
    );
    this.#list = this.#next = 0;
    for (let list = 0; list < 4; list++) {
      if (lists[list * LIST_WORDS] === LIST_BYTES - 8) {
        this.#passed = 0;
        return false;
      }
    }
    this.#scanned = at + span;
    this.#stale = true;
    return true;
  }

  /**
   * Returns the next position in the lists that is not before `at`, and sets
   * `value` to the sum at that position. Returns `undefined` if there is no
   * such position.
   */
  #take(at: number): number | undefined {
    const lists = this.#lists;
    for (; this.#list < 4; this.#list++, this.#next = 0) {
      const from = this.#list * LIST_WORDS;
      while (this.#next < lists[from] / 4) {
        const entry = from + 2 + this.#next;
        this.#next += 2;
        const place = lists[entry] - this.buffer.byteOffset;
        if (place < at) continue;
        this.#state[0] = lists[entry + 1];
        return place;
      }
    }
    return undefined;
  }
}
