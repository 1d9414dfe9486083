/**
 * Returns the text of a new X25519 identity (`AGE-SECRET-KEY-1…`).
 *
 * @example
 * ```ts
 * import { newIdentity } from "@deltar/deltar/age";
 * import assert from "node:assert/strict";
 *
 * assert.match(await newIdentity(), /^AGE-SECRET-KEY-1/);
 * ```
 */
export async function newIdentity(): Promise<string> {
  const { generateX25519Identity } = await import("age-encryption");
  return await generateX25519Identity();
}

/**
 * Returns the recipient of an identity (`age1…`).
 *
 * @param identity The text of the identity, or its private X25519 key of Web
 *   Crypto.
 * @throws {Error} If the text or the key is not an identity of age.
 *
 * @example
 * ```ts
 * import { newIdentity, recipientOf } from "@deltar/deltar/age";
 * import assert from "node:assert/strict";
 *
 * assert.match(await recipientOf(await newIdentity()), /^age1/);
 * ```
 */
export async function recipientOf(
  identity: string | CryptoKey,
): Promise<string> {
  const { identityToRecipient } = await import("age-encryption");
  return await identityToRecipient(identity);
}
