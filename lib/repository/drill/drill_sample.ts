import { comparePaths } from "../../tree/path.ts";
import type { TreeFileEntry } from "../layers/tree_layer.ts";

/**
 * The next files of a round through a tree: those behind where the last sample
 * ended, then, from the start, those before.
 */
export class DrillSample {
  /** Files that are larger than a whole sample may be. */
  tooLarge = 0;
  readonly #after: string | undefined;
  readonly #most: { files: number; bytes: number };
  readonly #behind = new Part();
  readonly #before = new Part();

  /**
   * Makes a sample that is filled by `offer`.
   *
   * @param after The last path of the sample before, if there was one.
   * @param most How many files and bytes it may have.
   */
  constructor(
    after: string | undefined,
    most: { files: number; bytes: number },
  ) {
    this.#after = after;
    this.#most = most;
  }

  /** Considers a file; files come in path order. */
  offer(entry: TreeFileEntry): void {
    if (entry.size > this.#most.bytes) {
      this.tooLarge++;
      return;
    }
    const isBehind = this.#after === undefined ||
      comparePaths(entry.path, this.#after) > 0;
    (isBehind ? this.#behind : this.#before).add(entry, this.#most);
  }

  /**
   * The files of the sample.
   *
   * @param left How many files and bytes it may have after all.
   */
  files(left: { files: number; bytes: number } = this.#most): TreeFileEntry[] {
    const all = new Part();
    const whole = { files: left.files, bytes: left.bytes };
    for (const entry of this.#behind.entries) all.add(entry, whole);
    if (!this.#behind.isFull) {
      for (const entry of this.#before.entries) all.add(entry, whole);
    }
    return all.entries;
  }
}

/** Files one behind the other, until one does not fit any more. */
class Part {
  readonly entries: TreeFileEntry[] = [];
  isFull = false;
  #bytes = 0;

  add(entry: TreeFileEntry, most: { files: number; bytes: number }): void {
    this.isFull ||= this.entries.length === most.files ||
      this.#bytes + entry.size > most.bytes;
    if (this.isFull) return;
    this.entries.push(entry);
    this.#bytes += entry.size;
  }
}
