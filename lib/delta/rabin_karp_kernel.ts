import { filterShift } from "./filter.ts";
import { createKernel, type Kernel } from "./kernel.ts";
import { fillLeaving, rollRabinKarp } from "./rabin_karp.ts";
import type { RollingShape, RollingSum } from "./rolling_sum.ts";

const PAGE = 2 ** 16;
/** Of the table of what the bytes take out; the sum lies behind it. */
const LEAVING_LENGTH = 1024;
const FILTER_START = LEAVING_LENGTH + 64;
/** A kernel with more memory than this is not kept for the next file. */
const MOST_KEPT = 2 ** 23;

/**
 * Kernels that wait for the next file: each reserves gigabytes of address space,
 * so a new one for each of many files would exhaust it before they are collected.
 */
const spare: Kernel[] = [];

/**
 * The Rabin-Karp sum of a rolling window in WebAssembly. In its memory lie what
 * the bytes take out, the filter, and the buffer.
 */
export class RabinKarpKernel implements RollingSum {
  readonly buffer: Uint8Array;
  readonly filter: Int32Array;
  readonly #kernel: Kernel;
  readonly #leaving: Int32Array;
  readonly #state: Int32Array;
  readonly #shift: number;
  readonly #width: number;

  /** @returns One, or `undefined` where there is no kernel or no memory. */
  static create(shape: RollingShape): RabinKarpKernel | undefined {
    const kernel = spare.pop() ?? createKernel();
    if (!kernel) return undefined;
    const length = FILTER_START + shape.filterWords * 4 + shape.capacity + 1;
    const missing = length - kernel.memory.buffer.byteLength;
    try {
      if (missing > 0) kernel.memory.grow(Math.ceil(missing / PAGE));
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
    this.#shift = filterShift(filterWords);
    this.#leaving = new Int32Array(memory, 0, LEAVING_LENGTH / 4);
    this.#state = new Int32Array(memory, LEAVING_LENGTH, 1);
    this.filter = new Int32Array(memory, FILTER_START, filterWords).fill(0);
    this.buffer = new Uint8Array(memory, filterEnd, capacity + 1);
    fillLeaving(this.#leaving, width);
  }

  get value(): number {
    return this.#state[0] >>> 0;
  }

  start(at: number): void {
    const from = this.buffer.byteOffset + at;
    this.#state[0] = this.#kernel.weak(from, from + this.#width, 1);
  }

  roll(at: number): void {
    const { buffer } = this;
    const leaving = this.#leaving[buffer[at]];
    const entering = buffer[at + this.#width];
    this.#state[0] = rollRabinKarp(this.value, leaving, entering);
  }

  seek(from: number, last: number): number {
    const start = this.buffer.byteOffset;
    const { byteOffset } = this.filter;
    return this.#kernel.seek(
      start + from,
      start + last,
      this.#width,
      byteOffset,
      this.#shift,
      0,
      LEAVING_LENGTH,
    ) - start;
  }

  free(): void {
    if (this.buffer.buffer.byteLength <= MOST_KEPT) spare.push(this.#kernel);
  }
}
