import { DeltarError } from "../bytes/errors.ts";
import type { Exchange } from "./exchange.ts";
import { PassingFault, retried } from "./retry.ts";
import type { Window } from "./read_ahead.ts";

/** An object that is read in ranges from an HTTP server. */
export interface RangeSource {
  /** The name of the object, for errors. */
  name: string;
  /**
   * Called with the header fields of a request. Sends the request, and returns
   * the exchange if the response has status 416 or a 2xx status. Throws an
   * error for any other status.
   */
  send: (headers: Record<string, string>) => Promise<Exchange>;
  /**
   * Called to request the length of the object. Returns the length in bytes.
   */
  sizeOf: () => Promise<number>;
  /** A signal that aborts the read. */
  signal: AbortSignal | undefined;
}

/**
 * Reads the bytes of an object from offset `from` up to, but not including,
 * `to` with a ranged request (RFC 9110, section 14). If the response breaks
 * off, another request reads the remaining bytes.
 *
 * @param source The object, and the functions that send requests for it.
 * @param from The offset of the first byte.
 * @param to The offset after the last byte. It can be beyond the end of the
 *   object.
 * @param tag The entity tag that the object must have; `undefined` if any tag
 *   is accepted.
 * @throws {DeltarError} `io` if the object was replaced, or if the server fails
 *   or does not support byte ranges; and the errors of `send` and `sizeOf`,
 *   such as `not-found` and `aborted`.
 */
export async function readWindow(
  { name, send, sizeOf, signal }: RangeSource,
  from: number,
  to: number,
  tag: string | undefined,
): Promise<Window> {
  if (to <= from) return { bytes: new Uint8Array(), size: await sizeOf(), tag };
  let size = 0;
  let bytes: Uint8Array | undefined;
  let got = 0;
  let match = tag;
  return await retried(async () => {
    const exchange = await send({
      range: `bytes=${from + got}-${to - 1}`,
      ...match !== undefined && { "if-match": match },
    });
    const { status, headers } = exchange.response;
    if (status === 416) {
      await exchange.drop();
      return { bytes: new Uint8Array(), size: await sizeOf() };
    }
    const range = rangeOf(status, headers);
    const encoding = headers.get("content-encoding") ?? "identity";
    if (range?.start !== from + got || encoding !== "identity") {
      await exchange.drop();
      throw new DeltarError(
        "io",
        encoding === "identity"
          ? "the server does not support byte ranges; use a server that does"
          : `the server sends the object encoded as ${encoding}; turn off this ` +
            "encoding on the server",
        { object: name },
      );
    }
    size = range.size;
    match ??= strongTag(headers);
    const length = Math.min(to, size) - from;
    bytes ??= new Uint8Array(length);
    if (bytes.length !== length) {
      await exchange.drop();
      throw new DeltarError(
        "io",
        "the object was replaced while it was being read; try again",
        {
          object: name,
        },
      );
    }
    for await (const chunk of exchange.body()) {
      // A server that ignores the end of a range also sends the bytes after the
      // range.
      const part = chunk.subarray(0, length - got);
      bytes.set(part, got);
      got += part.length;
      if (got === length) break;
    }
    if (got < length) {
      throw new PassingFault(
        new DeltarError(
          "io",
          "the server's responses end early; check the network and try again",
          {
            object: name,
            offset: from + got,
          },
        ),
      );
    }
    return { bytes, size, tag: match };
  }, { signal });
}

/**
 * Returns the entity tag of a response, or `undefined` if the tag is missing or
 * weak. Different bytes can have the same weak tag.
 */
function strongTag(headers: Headers): string | undefined {
  const tag = headers.get("etag") ?? undefined;
  return tag?.startsWith("W/") ? undefined : tag;
}

/**
 * Returns the offset of the first byte of the response, and the length of the
 * object. Returns `undefined` if the response does not state both numbers.
 */
function rangeOf(
  status: number,
  headers: Headers,
): { start: number; size: number } | undefined {
  const text = status === 206
    ? headers.get("content-range")
    : `bytes 0-/${headers.get("content-length")}`;
  const found = /^bytes (\d+)-\d*\/(\d+)$/.exec(text ?? "");
  if (found === null) return undefined;
  const [start, size] = [Number(found[1]), Number(found[2])];
  return Number.isSafeInteger(size) && start <= size
    ? { start, size }
    : undefined;
}
