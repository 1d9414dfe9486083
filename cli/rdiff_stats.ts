import { DeltaReader } from "../lib/delta/delta_reader.ts";
import { plural } from "../shared/text.ts";

/** Counts bytes and commands for `--stats`. */
export class Stats {
  readonly #start = performance.now();
  readonly #reader = new DeltaReader();
  #read = 0;
  #copies = 0;
  #copied = 0;
  #literal = 0;

  /**
   * Yields the chunks of a source and counts their bytes. If `isDelta` is true,
   * also counts the commands of the delta in the source.
   */
  async *read(
    source: AsyncIterable<Uint8Array>,
    isDelta = false,
  ): AsyncGenerator<Uint8Array> {
    for await (const bytes of source) {
      this.#read += bytes.length;
      if (isDelta) this.commands(bytes);
      yield bytes;
    }
  }

  /** Counts the commands in the next chunk of a delta. */
  commands(delta: Uint8Array): void {
    for (const command of this.#reader.read(delta)) {
      if (command.kind === "copy") {
        this.#copies++;
        this.#copied += command.length;
      } else {
        this.#literal += command.length;
      }
    }
  }

  /** The line with the numbers of copies, copied bytes and literal bytes. */
  get summary(): string {
    return `${plural(this.#copies, "copy", "copies")} of ` +
      `${plural(this.#copied, "byte")}, ` +
      plural(this.#literal, "literal byte");
  }

  /**
   * Returns the line with the numbers of bytes read and written, the time and
   * the rate.
   *
   * @param written The number of bytes written.
   */
  work(written: number): string {
    const seconds = (performance.now() - this.#start) / 1000;
    const megabytes = Math.max(this.#read, written) / 1e6;
    return `${plural(this.#read, "byte")} read, ${plural(written, "byte")} ` +
      "written in " +
      `${seconds.toFixed(3)} s (${(megabytes / seconds).toFixed(0)} MB/s)`;
  }
}
