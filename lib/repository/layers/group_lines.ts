import { mapAhead } from "../../bytes/map_ahead.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import { comparePaths } from "../../tree/path.ts";
import { Cursor } from "./merge_layers.ts";
import type { LayerLine } from "./tree_layer.ts";

/** The number of groups that are collected before they are yielded together. */
const GROUPS_PER_BATCH = 1024;

/** A line of a layer, and the index of the layer. */
export interface NumberedLine {
  /** The line. */
  line: LayerLine;
  /** The index of the layer in the list that was passed to `groupLines`. */
  layer: number;
}

/**
 * Reads many layers at the same time, and groups their lines by path. Unlike
 * `mergeLayers`, this function keeps the lines of all layers, so the layers can
 * belong to different trees. One batch of each layer is in memory at a time.
 * With n layers, finding the next line takes at most about 2 log2(n)
 * comparisons of paths, but only about two if the line is in the same layer as
 * the previous one.
 *
 * @param layers The lines of each layer in path order, in batches of any size.
 * @returns The lines in path order, in batches of groups. All lines of a group
 * have the same path, and are sorted by the index of the layer.
 */
export async function* groupLines(
  layers: readonly AsyncIterable<readonly LayerLine[]>[],
): AsyncGenerator<NumberedLine[][]> {
  const cursors = layers.map((layer) => new Cursor(layer));
  try {
    const limits = { most: MAX_REQUESTS_AT_ONCE };
    for await (const _ of mapAhead(cursors, limits, (one) => one.advance()));
    const heap = new CursorHeap(cursors);
    let batch: NumberedLine[][] = [];
    while (heap.length > 0) {
      const group: NumberedLine[] = [];
      do {
        const layer = heap.first;
        const cursor = cursors[layer];
        group.push({ line: cursor.line, layer });
        if (cursor.step() || await cursor.advance()) heap.settle();
        else heap.shift();
      } while (
        heap.length > 0 && cursors[heap.first].line.path === group[0].line.path
      );
      batch.push(group);
      if (batch.length < GROUPS_PER_BATCH) continue;
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      yield batch;
      batch = [];
    }
    if (batch.length > 0) yield batch;
  } finally {
    for (const cursor of cursors) await cursor.close();
  }
}

/**
 * A binary heap of cursors. Each cursor is represented by its index in the list
 * of cursors. The heap is ordered by the paths of the cursors' current lines,
 * and then by the indexes.
 */
class CursorHeap {
  readonly #cursors: readonly Cursor[];
  readonly #numbers: number[];

  /** Makes a heap of the cursors that are not at their end. */
  constructor(cursors: readonly Cursor[]) {
    this.#cursors = cursors;
    this.#numbers = [...cursors.keys()].filter((at) => !cursors[at].ended);
    for (let at = this.#numbers.length >> 1; at-- > 0;) this.#sink(at);
  }

  /** The number of cursors in the heap. */
  get length(): number {
    return this.#numbers.length;
  }

  /** The index of the heap's first cursor in the list of cursors. */
  get first(): number {
    return this.#numbers[0];
  }

  /** Restores the order after the first cursor has moved to a later line. */
  settle(): void {
    this.#sink(0);
  }

  /** Removes the first cursor. */
  shift(): void {
    const last = this.#numbers.pop();
    if (last === undefined || this.length === 0) return;
    this.#numbers[0] = last;
    this.#sink(0);
  }

  #sink(at: number): void {
    const numbers = this.#numbers;
    const number = numbers[at];
    while (true) {
      let next = 2 * at + 1;
      if (next >= numbers.length) break;
      if (
        next + 1 < numbers.length &&
        this.#isBefore(numbers[next + 1], numbers[next])
      ) next++;
      if (!this.#isBefore(numbers[next], number)) break;
      numbers[at] = numbers[next];
      at = next;
    }
    numbers[at] = number;
  }

  #isBefore(one: number, other: number): boolean {
    const order = comparePaths(
      this.#cursors[one].line.path,
      this.#cursors[other].line.path,
    );
    return order < 0 || order === 0 && one < other;
  }
}
