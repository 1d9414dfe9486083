import { turnIfDue } from "../bytes/turns.ts";

/**
 * The number of bytes that an engine takes and returns at a time. Each time is a
 * trip to another thread, so the runtimes' default of 16 KiB costs more than the
 * work.
 */
export const CHUNK = 256 * 1024;

/**
 * The same for the compression of that many bytes: room for what comes of a
 * frame, so that it is one trip and needs no putting together.
 */
export function chunkFor(length: number): number {
  return Math.min(4 * CHUNK, length) + 1024;
}

/** The part of a `node:zlib` stream that is used here. */
export interface Engine {
  /** Takes the next chunk, or `null` while there is none. */
  read(): unknown;
  /** Gives a chunk to work on; `done` is called when it is used up. */
  write(chunk: Uint8Array, done: () => void): unknown;
  /** Ends the input. */
  end(): unknown;
  /** Frees the engine. */
  destroy(): unknown;
  /** Listens to `readable`, `end` and `error`. */
  on(event: string, listener: (value?: unknown) => void): unknown;
}

/**
 * Runs bytes through a `node:zlib` stream, pulled: input is asked for only
 * when the last is used up and all its output was taken, so at most one chunk
 * of input and the engine's own buffer are held. Ends when the engine says so,
 * which may be before the input ends.
 *
 * @param engine The stream; it is destroyed in the end.
 * @param pull The next input, `undefined` at its end; what it throws passes.
 * @param explain Makes the error to throw of what the engine reports.
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
    failure = error ?? new Error("the engine failed");
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

/** The bytes as a `Uint8Array` proper: a `Buffer` has another `slice`. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
