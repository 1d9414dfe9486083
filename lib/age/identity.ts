import { DeltarError } from "../bytes/errors.ts";

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
 * Returns the recipient (`age1…`) of an identity.
 *
 * @param identity The text of the identity, or a private X25519 key of Web
 *   Crypto.
 * @throws {Error} If the text or the key is not an age identity.
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

/**
 * Returns the identities in the text of an identity file, as `age-keygen`
 * writes it. Lines that do not begin with `AGE-SECRET-KEY-` are ignored.
 *
 * @param text The text of the file.
 * @param object The name of the file, for errors.
 * @returns The identities, at least one. All of them are valid.
 * @throws {DeltarError} `key` if an identity is not valid, or if the text has
 *   no identity.
 *
 * @example
 * ```ts
 * import { newIdentity, parseIdentities } from "@deltar/deltar/age";
 * import assert from "node:assert/strict";
 *
 * const identity = await newIdentity();
 * const text = `# of the laptop\n${identity}\n`;
 * assert.deepEqual(await parseIdentities(text), [identity]);
 * ```
 */
export async function parseIdentities(
  text: string,
  object?: string,
): Promise<string[]> {
  const found: string[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    const identity = line.trim().toUpperCase();
    if (!identity.startsWith("AGE-SECRET-KEY-")) continue;
    try {
      await recipientOf(identity);
    } catch {
      // The cause is not kept, because its message can contain the identity.
      throw new DeltarError(
        "key",
        `the age identity on line ${at + 1} is not valid; compare the line ` +
          "with a copy of the identity",
        { object },
      );
    }
    found.push(identity);
  }
  if (found.length > 0) return found;
  throw new DeltarError(
    "key",
    "no age identity in this file; `age-keygen -o FILE` makes one",
    { object },
  );
}
