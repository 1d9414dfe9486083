import { release } from "../bytes/release.ts";
import type { Codec } from "./codec.ts";

/** The size of a block, in bytes. */
const BLOCK_BYTES = 1 << 19;

/** The maximum number of blocks that are compressed at the same time. */
const MAX_PENDING_BLOCKS = 3;

/**
 * Yields the bytes of a source in blocks of 512 KiB. The last block can be
 * shorter. Each block has its own buffer.
 */
export async function* inBlocks(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let block = new Uint8Array(BLOCK_BYTES);
  let used = 0;
  for await (const bytes of source) {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + BLOCK_BYTES - used);
      block.set(part, used);
      used += part.length;
      at += part.length;
      if (used < BLOCK_BYTES) continue;
      yield block;
      block = new Uint8Array(BLOCK_BYTES);
      used = 0;
    }
  }
  if (used > 0) yield block.subarray(0, used);
}

/**
 * Compresses each block of 512 KiB of a source to a separate gzip member or
 * zstd frame. Up to three blocks are compressed at the same time.
 *
 * @throws {DeltarError} The errors of the codec.
 * @throws The errors of the source.
 */
export async function* compressBlocks(
  source: AsyncIterable<Uint8Array>,
  codec: Codec,
): AsyncGenerator<Uint8Array> {
  const pending: Promise<Uint8Array>[] = [];
  for await (const block of inBlocks(source)) {
    const packed = codec.compress(block).finally(() => release(block));
    // An error is thrown below, after the earlier blocks have been yielded.
    // Without a handler until then, the runtime would report an unhandled
    // rejection.
    packed.catch(() => {});
    pending.push(packed);
    if (pending.length < MAX_PENDING_BLOCKS) continue;
    const [first] = pending.splice(0, 1);
    yield await first;
  }
  for (const packed of pending) yield await packed;
}
