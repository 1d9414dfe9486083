import { DeltarError, type ErrorContext } from "./errors.ts";
import { concat } from "./source.ts";

const NOTHING = new Uint8Array(0);

/**
 * Reads bytes from a source of chunks of any size. The reader pulls a chunk
 * only when it needs one, and never allocates memory for bytes that have not
 * arrived yet.
 */
export class ByteReader {
  /** The name of the object that is read, for messages. */
  readonly object: string | undefined;
  /** The offset of the next byte, in bytes from the start of the object. */
  offset: number;
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = NOTHING;
  #ended = false;

  /**
   * Makes a reader. Nothing is pulled yet.
   *
   * @param source The bytes to read.
   * @param place The object's name and the offset of the source's first byte,
   *   for messages.
   */
  constructor(source: AsyncIterable<Uint8Array>, place: ErrorContext = {}) {
    this.#source = source[Symbol.asyncIterator]();
    this.object = place.object;
    this.offset = place.offset ?? 0;
  }

  /** Returns whether the source has ended and all of its bytes were read. */
  async atEnd(): Promise<boolean> {
    return await this.#fill() === 0;
  }

  /**
   * Returns the next bytes as soon as some have arrived, or `undefined` at the
   * end of the source.
   *
   * @param most The maximum number of bytes to return, at least one.
   */
  async some(most: number = Infinity): Promise<Uint8Array | undefined> {
    const there = this.#chunk.length || await this.#fill();
    return there === 0 ? undefined : this.#take(Math.min(there, most));
  }

  /**
   * Returns the next `length` bytes if they are already buffered in one chunk,
   * otherwise `undefined`. Unlike `exactly`, this method needs no `await`, so
   * small reads are faster.
   */
  now(length: number): Uint8Array | undefined {
    return this.#chunk.length >= length ? this.#take(length) : undefined;
  }

  /**
   * Returns the next `length` bytes.
   *
   * @param length The number of bytes. The caller must limit this number,
   *   because all of the bytes are held in memory.
   * @param what The name of the part that is read, for error messages.
   * @throws {DeltarError} `truncated` if the source has fewer bytes left.
   */
  async exactly(length: number, what: string): Promise<Uint8Array> {
    return this.now(length) ?? concat(await this.parts(length, what));
  }

  /**
   * Returns exactly `length` bytes in parts, as the source yields them. The
   * parts are not copied.
   *
   * @param length The number of bytes. The caller must limit this number,
   *   because all of the bytes are held in memory.
   * @param what The name of the part that is read, for error messages.
   * @throws {DeltarError} `truncated` if the source has fewer bytes left.
   */
  async parts(length: number, what: string): Promise<Uint8Array[]> {
    const start = this.offset;
    const parts: Uint8Array[] = [];
    for (let missing = length; missing > 0;) {
      const part = await this.some(missing);
      if (part === undefined) throw this.truncated(what, start);
      parts.push(part);
      missing -= part.length;
    }
    return parts;
  }

  /**
   * Puts back the bytes that were read last, so that they are read again. The
   * caller must not have changed them.
   */
  unread(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.offset -= bytes.length;
    this.#chunk = this.#chunk.length === 0
      ? bytes
      : concat([bytes, this.#chunk]);
  }

  /** Yields the remaining bytes. A loop that ends early cancels the source. */
  async *rest(): AsyncGenerator<Uint8Array> {
    try {
      for (let part; (part = await this.some()) !== undefined;) yield part;
    } finally {
      await this.cancel();
    }
  }

  /**
   * Cancels the source, for a caller that stops before the end. Does nothing if
   * the source has ended.
   */
  async cancel(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#chunk = NOTHING;
    await this.#source.return?.();
  }

  /** Returns the error for a source that ended inside the part named `what`. */
  truncated(what: string, offset: number = this.offset): DeltarError {
    return new DeltarError("truncated", `the input ends inside ${what}`, {
      object: this.object,
      offset,
    });
  }

  /** Returns the error for invalid bytes. */
  corrupt(
    message: string,
    offset: number = this.offset,
    cause?: unknown,
  ): DeltarError {
    return new DeltarError("corrupt", message, {
      object: this.object,
      offset,
      cause,
    });
  }

  #take(length: number): Uint8Array {
    const taken = this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.subarray(length);
    this.offset += length;
    return taken;
  }

  async #fill(): Promise<number> {
    while (this.#chunk.length === 0 && !this.#ended) {
      const next = await this.#source.next();
      if (next.done) this.#ended = true;
      else this.#chunk = next.value;
    }
    return this.#chunk.length;
  }
}
