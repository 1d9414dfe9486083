import { blake2b } from "@noble/hashes/blake2.js";
import { builtin } from "../bytes/builtin.ts";
import { sha256 } from "../bytes/sha256.ts";

/**
 * The digest that tells blocks apart for good: SHA-256 in deltar's own
 * signatures, BLAKE2b-256 in librsync's.
 */
export type StrongKind = "sha256" | "blake2b";

/** Digests one block; 32 bytes come back. */
export type StrongSum = (block: Uint8Array) => Uint8Array;

const native = builtin("node:crypto");

/** @returns The digest function of a kind of strong sum. */
export function strongSum(kind: StrongKind): StrongSum {
  if (kind === "blake2b") return (block) => blake2b(block, { dkLen: 32 });
  // The one-shot call costs a third of a hash object on small blocks.
  return native?.hash
    ? (block) => native.hash("sha256", block, "buffer")
    : sha256;
}
