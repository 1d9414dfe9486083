import { encrypt } from "../../age/mod.ts";
import { codeOf, DeltarError } from "../../bytes/errors.ts";
import type { SigningKey } from "../../ssh/mod.ts";
import { AGE_SUFFIX } from "../../storage/names.ts";
import type { Storage } from "../../storage/storage.ts";
import { RECIPIENTS } from "../format/names.ts";
import { encodeSigned, readSigned } from "./signed_object.ts";

const FORMAT = "deltar-recipients";

/**
 * Stores the recipients of a repository. The object is encrypted for all of
 * them, so that the owner of any recovery sheet, even an old one, can find out
 * for which recipient to encrypt.
 *
 * @param storage The storage of the age files.
 * @param recipients The recipients, the newest first.
 * @param admin The admin key, which signs them.
 */
export async function putRecipients(
  storage: Storage,
  recipients: readonly string[],
  admin: SigningKey,
): Promise<void> {
  const bytes = await encodeSigned(FORMAT, { recipients }, admin);
  const file = encrypt([bytes], recipients);
  await storage.put(RECIPIENTS + AGE_SUFFIX, file);
}

/**
 * Returns the recipients of a repository, the newest first. Returns an empty list
 * if there was no rotation.
 *
 * @param storage The objects of the repository, decrypted.
 * @param adminPublicKey The public key that signs them.
 * @throws {DeltarError} `corrupt`, `truncated` or `limit` if the object is
 *   damaged or not signed by the admin key.
 */
export async function readRecipients(
  storage: Storage,
  adminPublicKey: string,
): Promise<string[]> {
  let line;
  try {
    line = await readSigned(storage, RECIPIENTS, FORMAT, adminPublicKey);
  } catch (error) {
    if (codeOf(error) === "not-found") return [];
    throw error;
  }
  const { recipients } = line;
  const isList = Array.isArray(recipients) && recipients.length > 0 &&
    recipients.every((one) => typeof one === "string");
  if (isList) return recipients;
  throw new DeltarError("corrupt", "missing or invalid `recipients`", {
    object: RECIPIENTS,
  });
}
