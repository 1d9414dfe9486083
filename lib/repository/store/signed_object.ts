import { DeltarError } from "../../bytes/errors.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import type { SigningKey } from "../../ssh/mod.ts";
import type { PutOptions, Storage } from "../../storage/storage.ts";
import { readObject } from "../format/note.ts";
import { signerOf, signListing } from "../format/signed_listing.ts";

const VERSION = 1;

/**
 * Encodes an object with one line, signed with a key.
 *
 * @param format The name of the format.
 * @param fields The fields of the line.
 * @param key The key that signs the object.
 */
export function encodeSigned(
  format: string,
  fields: Line,
  key: SigningKey,
): Promise<Uint8Array> {
  return signListing(encodeLines(format, VERSION, fields, []), key);
}

/**
 * Stores an object with one line, signed with a key.
 *
 * @param storage The repository's storage, which returns decrypted objects.
 * @param name The name of the object.
 * @param format The name of the format.
 * @param fields The fields of the line.
 * @param key The key that signs the object.
 * @param options The options of `Storage.put`.
 * @throws {DeltarError} `exists` if an object has this name and
 *   `options.ifAbsent` is set.
 */
export async function putSigned(
  storage: Storage,
  name: string,
  format: string,
  fields: Line,
  key: SigningKey,
  options?: PutOptions,
): Promise<void> {
  await storage.put(name, await encodeSigned(format, fields, key), options);
}

/**
 * Returns the line of an object that `putSigned` stored.
 *
 * @param storage The repository's storage, which returns decrypted objects.
 * @param name The name of the object.
 * @param format The name of the format.
 * @param signer The public key that must have signed the object.
 * @throws {DeltarError} `corrupt` if the object is not signed or is signed by
 *   another key; `corrupt`, `truncated` or `limit` if it is damaged;
 *   `unsupported` if its version is too new; `not-found` if there is no such
 *   object; `key` if it is not encrypted for the caller.
 */
export async function readSigned(
  storage: Storage,
  name: string,
  format: string,
  signer: string,
): Promise<Line> {
  const bytes = await readObject(storage, name, { fresh: true });
  const { header } = decodeLines(bytes, format, VERSION, name);
  if (await signerOf(bytes, name) === signer) return header;
  throw new DeltarError(
    "corrupt",
    "the object is not signed by the admin key of the repository",
    { object: name },
  );
}
