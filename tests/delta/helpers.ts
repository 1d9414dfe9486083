import { concat } from "../../lib/bytes/source.ts";

/** A seeded generator of numbers below 2^32 (mulberry32). */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return (mixed ^ mixed >>> 14) >>> 0;
  };
}

export function randomBytes(length: number, seed: number): Uint8Array {
  const next = random(seed);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = next();
  return bytes;
}

export const text = (string: string): Uint8Array =>
  new TextEncoder().encode(string);

/** Applies seeded edits of the usual kinds. */
export function mutate(bytes: Uint8Array, seed: number): Uint8Array {
  const next = random(seed);
  const below = (limit: number) => limit === 0 ? 0 : next() % limit;
  let result = bytes;
  for (let edits = 1 + below(5); edits > 0; edits--) {
    const at = below(result.length + 1);
    const length = below(Math.min(3000, result.length - at + 1));
    const before = result.subarray(0, at);
    const after = result.subarray(at + length);
    const moved = result.subarray(at, at + length);
    result = [
      () => concat([before, randomBytes(length, next()), after]), // overwrite
      () => concat([before, randomBytes(below(3000), next()), moved, after]),
      () => concat([before, after]), // delete
      () => concat([after, moved, before]), // move
      () => concat([before, moved, moved, moved, after]), // repeat
      () => concat([before, new Uint8Array(below(9000)), after]), // zeros
      () => concat([result, randomBytes(below(500), next())]), // append
    ][below(7)]();
  }
  return result;
}

/** Yields `bytes` in pieces of `size`. */
export function* pieces(
  bytes: Uint8Array,
  size: number,
): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
  }
}

/** Returns all bytes of a stream. */
export async function drain(
  stream: ReadableStream<Uint8Array>,
): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
