/**
 * The age file format (https://c2sp.org/age). The functions of this module
 * encrypt and decrypt streams. deltar itself also decrypts ranges of files.
 *
 * The header of a file contains the encrypted file key. The package
 * `age-encryption` makes headers and decrypts the file keys in them
 * (`header.ts`). The payload is a sequence of chunks of 64 KiB that are
 * encrypted one by one (`payload.ts`), so that a range can be decrypted without
 * decrypting the whole file. In this directory, "chunk" always means one of
 * these parts of a payload, and the parts in which a source yields its bytes
 * are called arrays. `chunk_cipher.ts` chooses an implementation of
 * ChaCha20-Poly1305: the runtime's if it has one, otherwise portable code.
 *
 * @module
 */
import { ByteReader } from "../bytes/byte_reader.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import {
  type AgeKey,
  type AgeRecipient,
  makeHead,
  readHead,
} from "./header.ts";
import { openPayload, sealPayload } from "./payload.ts";

export {
  DeltarError,
  type ErrorCode,
  type ErrorContext,
} from "../bytes/errors.ts";
export type { ByteSource } from "../bytes/source.ts";
export type {
  AgeIdentity,
  AgeKey,
  AgeRecipient,
  AgeRecipientObject,
  AgeStanza,
} from "./header.ts";
export { newIdentity, parseIdentities, recipientOf } from "./identity.ts";

/**
 * Encrypts bytes as an age file, in bounded memory.
 *
 * @param source The plain bytes. The source may reuse the memory of an array
 *   when the next array is pulled.
 * @param recipients The recipients to encrypt for, at least one.
 * @throws {DeltarError} `unsupported` if a recipient is not valid.
 * @throws The errors of the source and of recipient objects.
 *
 * @example
 * ```ts
 * import { decrypt, encrypt, newIdentity, recipientOf } from "@deltar/deltar/age";
 * import assert from "node:assert/strict";
 *
 * const identity = await newIdentity();
 * const file = encrypt([Uint8Array.of(1, 2, 3)], [await recipientOf(identity)]);
 * const plain = await Array.fromAsync(decrypt(file, [identity]));
 * assert.deepEqual(plain, [Uint8Array.of(1, 2, 3)]);
 * ```
 */
export async function* encrypt(
  source: ByteSource,
  recipients: readonly AgeRecipient[],
): AsyncGenerator<Uint8Array> {
  const { bytes, cipher } = await makeHead(recipients);
  yield bytes;
  yield* sealPayload(cipher, source);
}

/**
 * Encrypts a small number of bytes with a passphrase. The key is derived with
 * scrypt, which often takes about a second, so that passphrases cannot be
 * guessed quickly.
 *
 * @param bytes The plain bytes, which are held in memory.
 * @param passphrase The passphrase.
 * @returns The age file.
 *
 * @example
 * ```ts
 * import { decrypt, encryptWith } from "@deltar/deltar/age";
 * import assert from "node:assert/strict";
 *
 * const file = await encryptWith(Uint8Array.of(1, 2), "a long passphrase");
 * const plain = decrypt([file], [{ passphrase: "a long passphrase" }]);
 * assert.deepEqual(await Array.fromAsync(plain), [Uint8Array.of(1, 2)]);
 * ```
 */
export async function encryptWith(
  bytes: Uint8Array,
  passphrase: string,
): Promise<Uint8Array> {
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  return await encrypter.encrypt(bytes);
}

/**
 * Decrypts an age file. Each chunk of 64 KiB is yielded only after it has been
 * authenticated. If the file is damaged or cut off after its first chunk, the
 * chunks before the fault can be yielded before the error is thrown.
 *
 * @param source The file.
 * @param keys The keys to try.
 * @param object The name of the file, for errors.
 * @throws {DeltarError} `key` if none of the keys decrypts the file; `corrupt`
 *   or `truncated` if the file is damaged, armored or not an age file; `limit`
 *   if its header is longer than 64 KiB; `unsupported` if a key is not valid.
 *
 * @example
 * ```ts
 * import { decrypt, encrypt, newIdentity, recipientOf } from "@deltar/deltar/age";
 * import assert from "node:assert/strict";
 *
 * const mine = await newIdentity();
 * const file = encrypt([Uint8Array.of(1)], [await recipientOf(mine)]);
 * const other = decrypt(file, [await newIdentity()], "notes.age");
 * await assert.rejects(Array.fromAsync(other), { code: "key", object: "notes.age" });
 * ```
 */
export async function* decrypt(
  source: ByteSource,
  keys: readonly AgeKey[],
  object?: string,
): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(chunks(source), { object });
  try {
    const { cipher } = await readHead(reader, keys);
    yield* openPayload(cipher, reader.rest(), { object });
  } finally {
    await reader.cancel();
  }
}
