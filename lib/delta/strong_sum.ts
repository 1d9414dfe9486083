import { blake2b } from "@noble/hashes/blake2.js";
import { builtin } from "../bytes/builtin.ts";
import { sha256 } from "../bytes/sha256.ts";

/**
 * The digest that tells blocks apart for good: SHA-256 in deltar's own
 * signatures, BLAKE2b-256 in librsync's.
 */
export type StrongKind = "sha256" | "blake2b";

/**
 * Digests one block; the first bytes of the digest come back, as many as were
 * asked for, and are valid until the next call.
 */
export type StrongSum = (block: Uint8Array) => Uint8Array;

/**
 * The digest function of a kind of strong sum.
 *
 * @param length How many bytes of a digest are wanted, at most 32.
 */
export function strongSum(kind: StrongKind, length: number): StrongSum {
  if (kind === "blake2b") {
    return (block) => blake2b(block, { dkLen: 32 }).subarray(0, length);
  }
  const native = builtin("node:crypto");
  if (!native?.hash) return (block) => sha256(block).subarray(0, length);
  // The one-shot call costs a third of a hash object on small blocks, and a
  // string less than an array, which has memory of its own to be made and freed.
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
