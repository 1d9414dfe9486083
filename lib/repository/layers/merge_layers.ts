import { mapAhead } from "../../bytes/map_ahead.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import { comparePaths } from "../../tree/path.ts";
import type { LayerLine } from "./tree_layer.ts";

/**
 * The number of merged lines that are collected before they are yielded as a
 * batch.
 */
const LINES_PER_BATCH = 1024;

/**
 * Merges layers while they are read. One batch of each layer is in memory at a
 * time.
 *
 * @param layers The lines of each layer in path order, in batches of any size.
 * If several layers have a line for the same path, the line of the last of
 * these layers is used.
 * @returns The merged lines in path order, in batches of any size, including
 * tombstones.
 */
export async function* mergeLayers(
  layers: readonly AsyncIterable<readonly LayerLine[]>[],
): AsyncGenerator<readonly LayerLine[]> {
  const all = layers.map((layer) => new Cursor(layer));
  try {
    const limits = { most: MAX_REQUESTS_AT_ONCE };
    for await (const _ of mapAhead(all, limits, (one) => one.advance()));
    let open = all.filter((cursor) => !cursor.ended);
    let batch: LayerLine[] = [];
    while (open.length > 1) {
      let least = open[0];
      for (const cursor of open) {
        if (cursor === least) continue;
        const order = comparePaths(cursor.line.path, least.line.path);
        if (order <= 0) least = cursor;
      }
      const { line } = least;
      batch.push(line);
      let ended = false;
      for (const cursor of open) {
        if (cursor.line.path !== line.path) continue;
        if (!cursor.step() && !await cursor.advance()) ended = true;
      }
      if (ended) open = open.filter((cursor) => !cursor.ended);
      if (batch.length >= LINES_PER_BATCH) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        yield batch;
        batch = [];
      }
    }
    if (batch.length > 0) yield batch;
    if (open.length === 1) yield* open[0].rest();
  } finally {
    for (const cursor of all) await cursor.close();
  }
}

/** A cursor that moves through the lines of a layer. */
export class Cursor {
  /** Whether the cursor is after the last line. */
  ended = false;
  readonly #source: AsyncIterator<readonly LayerLine[]>;
  #lines: readonly LayerLine[] = [];
  #at = 0;

  constructor(source: AsyncIterable<readonly LayerLine[]>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The current line. */
  get line(): LayerLine {
    return this.#lines[this.#at];
  }

  /**
   * Moves to the next line if it is in memory. Returns `false` if `advance`
   * must load the line first.
   */
  step(): boolean {
    this.#at++;
    return this.#at < this.#lines.length;
  }

  /**
   * Loads the next lines and moves to the first of them. Returns `false` if
   * there are no more lines.
   */
  async advance(): Promise<boolean> {
    do {
      const { done, value } = await this.#source.next();
      if (done) {
        this.ended = true;
        return false;
      }
      this.#lines = value;
      this.#at = 0;
    } while (this.#lines.length === 0);
    return true;
  }

  /** Yields the current line and all lines after it, in batches. */
  async *rest(): AsyncGenerator<readonly LayerLine[]> {
    do yield this.#lines.slice(this.#at); while (await this.advance());
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
