import { checkAborted } from "../bytes/abort.ts";
import { DeltarError } from "../bytes/errors.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";

/**
 * The size in bytes of each of the first 2,000 parts of an object: the minimum
 * that S3 allows.
 */
export const FIRST_PART_BYTES = 5 << 20;
/**
 * The maximum total size, in bytes, of the parts that are sent at the same
 * time. A part that is larger than this maximum is sent alone.
 */
export const MAX_SENDING_BYTES = 3 * FIRST_PART_BYTES;

/**
 * Returns the size in bytes of part `n`, counted from 1. The first 2,000 parts
 * have the same size. From part 2,001 on, the size doubles every 1,000 parts,
 * at most six times. The first parts are small to save memory. The later parts
 * are large because S3 allows only 10,000 parts. The maximum size of an object
 * is 1.2 TiB.
 */
export function partSize(n: number): number {
  return n <= 2000
    ? FIRST_PART_BYTES
    : FIRST_PART_BYTES * 2 ** Math.min(6, Math.ceil((n - 2000) / 1000));
}

/**
 * Cuts a source into the parts of an upload. All parts but the last are full,
 * and a part is empty only if the source is empty. Each part has a new buffer,
 * or a buffer that the caller put into `spare`.
 *
 * @param name The name of the object, for errors.
 * @param source The bytes of the object.
 * @param spare The buffers of sent parts. They are reused because runtimes are
 *   slow to free buffers of this size.
 * @param signal The signal that aborts the operation with an error of code
 *   `aborted`.
 * @throws {DeltarError} `aborted` if the signal fired, `limit` if the source is
 *   larger than about 1.2 TiB, and the errors of the source.
 */
export async function* parts(
  name: string,
  source: ByteSource,
  spare: Uint8Array<ArrayBuffer>[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let n = 1;
  let part = new Uint8Array(0);
  let filled = 0;
  for await (const chunk of chunks(source)) {
    checkAborted(signal);
    for (let at = 0; at < chunk.length;) {
      if (filled === partSize(n)) {
        yield part;
        if (++n > 10_000) {
          throw new DeltarError(
            "limit",
            "the object is larger than 1.2 TiB, the maximum that deltar can store on S3",
            {
              object: name,
            },
          );
        }
        part = spare.pop() ?? new Uint8Array(0);
        if (part.length > partSize(n)) part = new Uint8Array(0);
        filled = 0;
      }
      const take = Math.min(chunk.length - at, partSize(n) - filled);
      if (filled + take > part.length) part = grown(part, filled + take, n);
      part.set(chunk.subarray(at, at + take), filled);
      filled += take;
      at += take;
    }
  }
  checkAborted(signal);
  yield part.subarray(0, filled);
}

/**
 * Returns a larger buffer for part `n`. The buffer begins with the bytes of
 * `part` and has at least `least` bytes.
 */
function grown(
  part: Uint8Array,
  least: number,
  n: number,
): Uint8Array<ArrayBuffer> {
  const length = n > 1 ? partSize(n) : Math.max(least, 2 * part.length, 65_536);
  const larger = new Uint8Array(Math.min(length, partSize(n)));
  larger.set(part);
  return larger;
}
