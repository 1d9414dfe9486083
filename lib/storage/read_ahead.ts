import { checkAborted } from "../bytes/abort.ts";
import { rangeIn } from "./range.ts";
import type { GetOptions } from "./storage.ts";

/** The maximum number of bytes of an object that are read as one window. */
export const MAX_WINDOW_BYTES = 8 << 20;
/** The number of windows that are requested ahead of the current window. */
const WINDOWS_AHEAD = 3;

/** A range of an object that is read with one call. */
export interface Window {
  /** The requested bytes, up to the end of the object. */
  bytes: Uint8Array;
  /** The length of the whole object, in bytes. */
  size: number;
  /**
   * The entity tag of the object; absent if the server sent no strong tag. The
   * later windows are requested with this tag, to detect that the object was
   * replaced.
   */
  tag?: string;
}

/**
 * A function that reads the bytes of an object from offset `from` up to, but
 * not including, `to`. `tag` is the entity tag of the first window of the read,
 * if that window had an entity tag. For the first window itself, `tag` is
 * `undefined`. `signal` aborts the read.
 */
export type ReadWindow = (
  from: number,
  to: number,
  tag: string | undefined,
  signal: AbortSignal | undefined,
) => Promise<Window>;

/**
 * Reads a range in windows. Several windows are requested ahead, to make full
 * use of a connection with a high latency. Each window is a separate request,
 * so a connection that breaks affects only one window. The memory use does not
 * depend on how much the runtime's streams buffer.
 *
 * @param name The name of the object, for errors.
 * @param read Called to read each window.
 * @param options The range to read, in bytes, and the signal.
 * @throws {DeltarError} `truncated` if the range begins beyond the end of the
 *   object, or reaches beyond the end and `clamp` is not set; `aborted` if the
 *   signal fired; and the errors of `read`.
 */
export async function* readWindows(
  name: string,
  read: ReadWindow,
  options: GetOptions,
): AsyncGenerator<Uint8Array> {
  const { offset = 0, length, signal } = options;
  const whole = length ?? Infinity;
  const first = await read(
    offset,
    offset + Math.min(whole, MAX_WINDOW_BYTES),
    undefined,
    signal,
  );
  const { size, tag } = first;
  const { end } = rangeIn(name, size, options);
  const stop = new AbortController();
  const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const coming: Promise<Window>[] = [];
  let asked = offset + first.bytes.length;
  try {
    for (let window: Window | undefined = first; window !== undefined;) {
      while (asked < end && coming.length < WINDOWS_AHEAD) {
        const to = Math.min(asked + MAX_WINDOW_BYTES, end);
        const next = read(asked, to, tag, both);
        // The error is handled when this window is awaited. Until then, this
        // empty handler keeps the runtime from reporting an unhandled error.
        next.catch(() => {});
        coming.push(next);
        asked = to;
      }
      checkAborted(signal);
      if (window.bytes.length > 0) yield window.bytes;
      window = await coming.shift();
    }
  } finally {
    stop.abort();
  }
}
