import { sha256 as portable } from "@noble/hashes/sha2.js";
import { builtin } from "./builtin.ts";
import { createOnThread } from "./sha256_thread.ts";

/** A SHA-256 computation (FIPS 180-4) that receives its input part by part. */
export interface Sha256 {
  /** Adds the next bytes of the input. */
  update(bytes: Uint8Array): unknown;
  /** Ends the input and returns the 32 bytes of the sum. */
  digest(): Uint8Array;
}

/**
 * The minimum size in bytes of input that is hashed on a separate thread. For
 * smaller input, starting a thread takes too long.
 */
const LARGE_BYTES = 2 ** 24;

/** Bun's global object, if any. Its hash does not need `node:crypto`. */
const { Bun } = globalThis as { Bun?: { SHA256: new () => Sha256 } };
const crypto = Bun === undefined ? builtin("node:crypto") : undefined;

/**
 * The function that starts a SHA-256 with the runtime's own hash, or
 * `undefined` in a browser.
 */
const startNative: (() => Sha256) | undefined = Bun
  ? () => new Bun.SHA256()
  : crypto && (() => crypto.createHash("sha256"));

/**
 * Starts a SHA-256 of input that arrives in parts. Web Crypto can only hash
 * whole buffers, so the runtime's own hash is used in Deno, Bun and Node, and
 * portable code in a browser. If `size` is at least 16 MiB and the runtime has
 * threads, the input is hashed on a separate thread. In that case, `update`
 * waits while the thread has four parts left to hash, and `update` and `digest`
 * throw `io` if the thread has stopped.
 *
 * @param size The expected number of bytes. Default: 0, for input that is small
 *   or of unknown size.
 */
export function createSha256(size = 0): Sha256 {
  const threaded = size >= LARGE_BYTES ? createOnThread() : undefined;
  if (threaded) return threaded;
  return startNative ? startNative() : portable.create();
}

/** Returns the 32 bytes of the SHA-256 of a buffer. */
export function sha256(bytes: Uint8Array): Uint8Array {
  if (startNative === undefined) return portable(bytes);
  const sum = startNative();
  sum.update(bytes);
  return sum.digest();
}
