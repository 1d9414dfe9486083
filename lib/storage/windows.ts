import { checkAborted } from "../bytes/abort.ts";
import { DeltarError } from "../bytes/errors.ts";
import type { GetOptions } from "./storage.ts";

/** The number of bytes of an object that one request asks for. */
export const WINDOW = 8 << 20;
/** The number of windows that are requested ahead of the one in use. */
const AHEAD = 3;

/** A part of an object, read whole. */
export interface Window {
  /** The bytes: all that was asked for, or those up to the object's end. */
  bytes: Uint8Array;
  /** The length of the whole object, in bytes. */
  size: number;
  /** Tells whether later parts are of the same object. */
  tag?: string;
}

/**
 * Reads a part of an object: bytes `from` up to `to`, not included; `tag` is
 * that of the parts before.
 */
export type ReadWindow = (
  from: number,
  to: number,
  tag: string | undefined,
  signal: AbortSignal | undefined,
) => Promise<Window>;

/**
 * The bytes of a range, read in windows of which some are on their way while
 * one is used: a line with a long way is used to its width, memory stays
 * bounded whatever the runtime's own streams hold, and a connection that breaks
 * costs one window.
 *
 * @param name The object, for errors.
 * @param read Reads a window.
 * @throws {DeltarError} `truncated` if the range reaches beyond the end.
 */
export async function* readWindows(
  name: string,
  read: ReadWindow,
  { offset = 0, length, signal }: GetOptions,
): AsyncGenerator<Uint8Array> {
  const whole = length ?? Infinity;
  const first = await read(
    offset,
    offset + Math.min(whole, WINDOW),
    undefined,
    signal,
  );
  const { size, tag } = first;
  const end = length === undefined ? size : offset + length;
  if (offset > size || end > size) {
    throw new DeltarError("truncated", "the object ends before the range", {
      object: name,
      offset: size,
    });
  }
  const stop = new AbortController();
  const both = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const coming: Promise<Window>[] = [];
  let asked = offset + first.bytes.length;
  try {
    for (let window: Window | undefined = first; window !== undefined;) {
      while (asked < end && coming.length < AHEAD) {
        const to = Math.min(asked + WINDOW, end);
        const next = read(asked, to, tag, both);
        // Its fault is met in its turn; until then nobody listens.
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
