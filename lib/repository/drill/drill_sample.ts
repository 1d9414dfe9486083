import { storedSize } from "../../tree/entry_line.ts";
import { comparePaths } from "../../tree/path.ts";
import type { TreeFileEntry } from "../layers/tree_layer.ts";

/**
 * The files of a drill: first those after the last file of the previous sample,
 * then those from the start of the tree.
 */
export class DrillSample {
  /**
   * The number of offered files that are larger than the maximum size of the
   * sample.
   */
  tooLarge = 0;
  readonly #after: string | undefined;
  readonly #most: { files: number; bytes: number };
  readonly #behind = new Part();
  readonly #before = new Part();

  /**
   * Creates an empty sample, which `offer` fills.
   *
   * @param after The last path of the previous sample, if there was one.
   * @param most The maximum number of files in the sample, and their maximum
   * total size in bytes.
   */
  constructor(
    after: string | undefined,
    most: { files: number; bytes: number },
  ) {
    this.#after = after;
    this.#most = most;
  }

  /**
   * Adds a file to the sample if it fits. Must be called with the files in path
   * order.
   */
  offer(entry: TreeFileEntry): void {
    if (storedSize(entry) > this.#most.bytes) {
      this.tooLarge++;
      return;
    }
    const isBehind = this.#after === undefined ||
      comparePaths(entry.path, this.#after) > 0;
    (isBehind ? this.#behind : this.#before).add(entry, this.#most);
  }

  /**
   * Returns the files of the sample.
   *
   * @param left The maximum number of files to return, and their maximum total
   * size in bytes. Default: the limits of the sample.
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

/** Consecutive files, up to the first one that would exceed a limit. */
class Part {
  readonly entries: TreeFileEntry[] = [];
  isFull = false;
  #bytes = 0;

  add(entry: TreeFileEntry, most: { files: number; bytes: number }): void {
    const size = storedSize(entry);
    this.isFull ||= this.entries.length === most.files ||
      this.#bytes + size > most.bytes;
    if (this.isFull) return;
    this.entries.push(entry);
    this.#bytes += size;
  }
}
