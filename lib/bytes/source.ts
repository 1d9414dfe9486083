import { DeltarError } from "./errors.ts";
import { turnIfDue } from "./turns.ts";

/**
 * A source of bytes. A stream or an iterable is read chunk by chunk, at the
 * reader's pace. A `Uint8Array` is one chunk.
 */
export type ByteSource =
  | Uint8Array
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>
  | Iterable<Uint8Array>;

/**
 * Yields the chunks of a source in order. If the caller's loop ends early, the
 * source is cancelled.
 *
 * @param source The source to pull from.
 *
 * @example
 * ```ts
 * import { chunks } from "@deltar/deltar/storage";
 * import assert from "node:assert/strict";
 *
 * const parts = await Array.fromAsync(chunks([Uint8Array.of(1), Uint8Array.of(2)]));
 * assert.deepEqual(parts, [Uint8Array.of(1), Uint8Array.of(2)]);
 * ```
 */
export async function* chunks(source: ByteSource): AsyncGenerator<Uint8Array> {
  if (source instanceof Uint8Array) {
    yield source;
  } else if (Symbol.asyncIterator in source || Symbol.iterator in source) {
    for await (const chunk of source) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      yield chunk;
    }
  } else {
    // In some browsers, a ReadableStream is not iterable.
    const reader = (source as ReadableStream<Uint8Array>).getReader();
    let done = false;
    try {
      while (!done) {
        const next = await reader.read();
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        done = next.done;
        if (next.value !== undefined) yield next.value;
      }
    } finally {
      if (!done) await reader.cancel();
      reader.releaseLock();
    }
  }
}

/**
 * Returns all bytes of a source in one array, for a source that is known to be
 * small. If the source has only one chunk, that chunk itself is returned.
 *
 * @param source The source to pull from.
 */
export async function collect(source: ByteSource): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks(source)) parts.push(chunk);
  return concat(parts);
}

/**
 * Returns all bytes of a source in one array, up to a maximum.
 *
 * @param source The source to pull from.
 * @param most The maximum number of bytes.
 * @param object The name of the object that is read, for errors.
 * @throws {DeltarError} `limit` as soon as the source yields more than `most`
 *   bytes.
 */
export async function collectAtMost(
  source: ByteSource,
  most: number,
  object: string,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks(source)) {
    length += chunk.length;
    if (length > most) {
      throw new DeltarError(
        "limit",
        `the object is too large: at most ${most} bytes are allowed`,
        { object },
      );
    }
    parts.push(chunk);
  }
  return concat(parts);
}

/**
 * Returns one array with the bytes of all `parts`, in order. If there is only
 * one part, that part itself is returned.
 */
export function concat(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0];
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Returns a `ReadableStream` of the bytes of an iterable. The stream pulls one
 * chunk for each read, so the iterable is read at the reader's pace. An error
 * of the iterable makes the stream fail. Cancelling the stream ends the
 * iterable.
 *
 * @param source The iterable to wrap. It is read once.
 *
 * @example
 * ```ts
 * import { chunks, toStream } from "@deltar/deltar/storage";
 * import assert from "node:assert/strict";
 *
 * const stream = toStream(chunks([Uint8Array.of(1, 2), Uint8Array.of(3)]));
 * assert.deepEqual(await new Response(stream).bytes(), Uint8Array.of(1, 2, 3));
 * ```
 */
export function toStream(
  source: AsyncIterable<Uint8Array>,
): ReadableStream<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await iterator.next();
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel(reason) {
      await iterator.return?.(reason);
    },
  }, { highWaterMark: 0 });
}
