import { turnIfDue } from "../bytes/turns.ts";

/**
 * The size in bytes of the chunks that an engine accepts and returns. Each
 * chunk needs a round trip to another thread. With the runtimes' default of 16
 * KiB, the round trips would take longer than the compression.
 */
export const CHUNK_BYTES = 256 * 1024;

/**
 * Returns the chunk size, in bytes, for compressing `length` bytes. If `length`
 * is at most 1 MiB, the compressed bytes fit in one chunk, which takes one
 * round trip and no concatenation.
 */
export function chunkFor(length: number): number {
  return Math.min(4 * CHUNK_BYTES, length) + 1024;
}

/** The methods of a `node:zlib` stream that `drive` uses. */
export interface Engine {
  /** Returns the next chunk of output, or `null` if no output is ready. */
  read(): unknown;
  /**
   * Writes a chunk of input. `done` is called when the chunk has been consumed.
   */
  write(chunk: Uint8Array, done: () => void): unknown;
  /** Marks the end of the input. */
  end(): unknown;
  /** Ends the stream and frees its memory. */
  destroy(): unknown;
  /** Adds a listener for `readable`, `end` or `error`. */
  on(event: string, listener: (value?: unknown) => void): unknown;
}

/**
 * Yields the output of a `node:zlib` stream. Input is pulled only after the
 * previous input has been consumed and all of its output has been taken, so
 * memory holds at most one chunk of input and the engine's own buffer. The
 * output ends when the stream ends, which can be before the input ends.
 *
 * @param engine The stream. It is destroyed at the end.
 * @param pull Called for the next input. Returns `undefined` at the end of the
 *   input. An error that `pull` throws is rethrown.
 * @param explain Called with an error of the stream. Returns the error to
 *   throw.
 */
export async function* drive(
  engine: Engine,
  pull: () => Promise<Uint8Array | undefined>,
  explain: (cause: unknown) => Error,
): AsyncGenerator<Uint8Array> {
  let wake = () => {};
  let failure: unknown;
  let ended = false;
  let hungry = true;
  engine.on("readable", () => wake());
  engine.on("end", () => {
    ended = true;
    wake();
  });
  engine.on("error", (error) => {
    failure = error ?? new Error("the zlib stream failed");
    wake();
  });
  const used = () => {
    hungry = true;
    wake();
  };
  try {
    while (true) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      const output = engine.read() as Uint8Array | null;
      if (failure !== undefined) throw explain(failure);
      if (output !== null) {
        yield plainBytes(output);
      } else if (ended) {
        return;
      } else if (hungry) {
        hungry = false;
        const chunk = await pull();
        if (chunk === undefined) engine.end();
        else engine.write(chunk, used);
      } else {
        await new Promise<void>((resolve) => wake = resolve);
      }
    }
  } finally {
    engine.destroy();
  }
}

/**
 * Returns the bytes as a plain `Uint8Array`, because the `slice` of a
 * `Uint8Array` copies bytes, and the `slice` of a `Buffer` does not.
 */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
