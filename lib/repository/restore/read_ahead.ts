import type { ContentReader } from "../content/content.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";

/**
 * The number of frames that are read ahead, so that the latency of a distant
 * storage is paid once and not for each. It is less than the reader keeps.
 */
const FRAMES_AHEAD = 14;

/** Asks for frames before the files in them have their turn. */
export class ReadAhead {
  readonly #reader: ContentReader;
  readonly #files: readonly TreeEntry[];
  /** The frames that had been asked for by each file asked for. */
  readonly #asked: number[] = [];
  #turn = 0;

  /**
   * @param reader What reads the frames.
   * @param files The files, in the order in which they have their turns.
   */
  constructor(reader: ContentReader, files: readonly TreeEntry[]) {
    this.#reader = reader;
    this.#files = files;
  }

  /** A file has its turn. */
  next(): void {
    const done = this.#asked[this.#turn++] ?? 0;
    for (let at = this.#asked.length; at < this.#files.length; at++) {
      const before = this.#asked[at - 1] ?? 0;
      if (before - done >= FRAMES_AHEAD) return;
      this.#asked.push(before + this.#reader.prefetch(this.#files[at]));
    }
  }
}
