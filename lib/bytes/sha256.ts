import { sha256 as portable } from "@noble/hashes/sha2.js";
import { builtin } from "./builtin.ts";
import { createOnThread } from "./sha256_thread.ts";

/** A SHA-256 that takes its input in pieces (FIPS 180-4). */
export interface Sha256 {
  /** Takes the next bytes of the input. */
  update(bytes: Uint8Array): unknown;
  /** Ends the input and gives the 32 bytes of the sum. */
  digest(): Uint8Array;
}

/**
 * The size in bytes from which a sum is worth a thread, which takes a while to start.
 */
const LARGE = 2 ** 24;

/** Bun's own hash, which is there without any of `node:crypto`. */
const { Bun } = globalThis as { Bun?: { SHA256: new () => Sha256 } };
const crypto = Bun === undefined ? builtin("node:crypto") : undefined;

/** Starts a SHA-256 by the runtime's own hash; in a browser there is none. */
const startNative: (() => Sha256) | undefined = Bun
  ? () => new Bun.SHA256()
  : crypto && (() => crypto.createHash("sha256"));

/**
 * Starts a SHA-256 over input that arrives in pieces. Web Crypto digests whole
 * buffers only, so this takes the runtime's own hash where there is one (Deno,
 * Bun, Node) and portable code in a browser. The sum of much is taken on a thread
 * of its own, if there are threads; its caller waits for it at times.
 *
 * @param size How many bytes are expected.
 */
export function createSha256(size = 0): Sha256 {
  const threaded = size >= LARGE ? createOnThread() : undefined;
  if (threaded) return threaded;
  return startNative ? startNative() : portable.create();
}

/** The SHA-256 of one buffer, 32 bytes, at once. */
export function sha256(bytes: Uint8Array): Uint8Array {
  if (startNative === undefined) return portable(bytes);
  const sum = startNative();
  sum.update(bytes);
  return sum.digest();
}
