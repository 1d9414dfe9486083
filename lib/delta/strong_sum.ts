import { blake2b } from "@noble/hashes/blake2.js";
import { builtin } from "../bytes/builtin.ts";
import { sha256 } from "../bytes/sha256.ts";

/**
 * The kind of digest that decides whether blocks are equal: SHA-256 in deltar's
 * own signatures, BLAKE2b with 32 bytes in librsync's signatures.
 */
export type StrongKind = "sha256" | "blake2b";

/**
 * Returns the first bytes of the digest of a block. The number of bytes is the
 * `length` that was passed to `strongSum`. The bytes are valid until the next
 * call.
 */
export type StrongSum = (block: Uint8Array) => Uint8Array;

/**
 * Returns the digest function for a kind of strong sum.
 *
 * @param kind The kind of strong sum.
 * @param length The number of bytes of the digest to return, at most 32.
 */
export function strongSum(kind: StrongKind, length: number): StrongSum {
  if (kind === "blake2b") {
    return (block) => blake2b(block, { dkLen: 32 }).subarray(0, length);
  }
  const native = builtin("node:crypto");
  if (!native?.hash) return (block) => sha256(block).subarray(0, length);
  // For small blocks, the one-shot call takes a third of the time that a hash
  // object takes. The digest is read as a string, because an array takes longer
  // to allocate and free.
  const digest = new Uint8Array(length);
  return (block) => {
    const text = native.hash("sha256", block, "hex");
    for (let at = 0; at < length; at++) {
      digest[at] = nibble(text, 2 * at) << 4 | nibble(text, 2 * at + 1);
    }
    return digest;
  };
}

function nibble(text: string, at: number): number {
  const code = text.charCodeAt(at);
  return code < 58 ? code - 48 : code - 87;
}
