/**
 * A pipe between a writer that pushes chunks and a reader that pulls them. The
 * pipe holds at most one chunk. `push` resolves when the reader has taken the
 * chunk, so the writer is never more than one chunk ahead.
 */
export class Pipe implements AsyncIterable<Uint8Array> {
  #next: { chunk: Uint8Array; onUsed?: () => void } | undefined;
  #ended = false;
  #failure: unknown;
  #failed = false;
  #wake = () => {};
  #taken: PromiseWithResolvers<void> | undefined;

  /**
   * Passes the next chunk to the reader. Call `push` again only after the
   * returned promise has resolved.
   *
   * @param onUsed Called when the reader no longer needs the chunk, because it
   *   asks for the next one.
   * @throws The reason that was passed to `fail`, or an error if the reader
   *   stopped before the end.
   */
  async push(chunk: Uint8Array, onUsed?: () => void): Promise<void> {
    if (this.#failed) throw this.#failure;
    this.#next = { chunk, onUsed };
    this.#taken = Promise.withResolvers();
    this.#wake();
    await this.#taken.promise;
  }

  /** Ends the sequence of chunks. The reader ends after the last chunk. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /**
   * Makes the writer and the reader fail with `reason`. Later calls to `fail`
   * have no effect.
   */
  fail(reason: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = reason;
    this.#taken?.reject(reason);
    this.#wake();
  }

  /** Yields the chunks. The pipe can be iterated only once. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      while (true) {
        if (this.#failed) throw this.#failure;
        const next = this.#next;
        if (next !== undefined) {
          this.#next = undefined;
          this.#taken?.resolve();
          yield next.chunk;
          next.onUsed?.();
        } else if (this.#ended) {
          return;
        } else {
          await new Promise<void>((resolve) => this.#wake = resolve);
        }
      }
    } finally {
      if (!this.#ended) {
        this.fail(new Error("the reader of the pipe stopped before the end"));
      }
    }
  }
}
