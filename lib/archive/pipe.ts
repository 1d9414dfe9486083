/**
 * A pipe from who pushes chunks to who pulls them, one chunk wide: `push`
 * resolves when the chunk was taken, so the writer goes at the reader's pace.
 */
export class Pipe implements AsyncIterable<Uint8Array> {
  #next: { chunk: Uint8Array; onUsed?: () => void } | undefined;
  #ended = false;
  #failure: unknown;
  #failed = false;
  #wake = () => {};
  #taken: PromiseWithResolvers<void> | undefined;

  /**
   * Gives the next chunk; call it again only after it has resolved.
   *
   * @param onUsed Called when the reader has pulled again and so is done with
   * the chunk.
   * @throws What `fail` was given, once that was called.
   */
  async push(chunk: Uint8Array, onUsed?: () => void): Promise<void> {
    if (this.#failed) throw this.#failure;
    this.#next = { chunk, onUsed };
    this.#taken = Promise.withResolvers();
    this.#wake();
    await this.#taken.promise;
  }

  /** There are no more chunks. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** Lets both ends fail with `reason`; the first reason stays. */
  fail(reason: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#failure = reason;
    this.#taken?.reject(reason);
    this.#wake();
  }

  /** The chunks; to be iterated once. */
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
      if (!this.#ended) this.fail(new Error("the reader has left"));
    }
  }
}
