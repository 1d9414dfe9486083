import { encrypt } from "../../age/mod.ts";
import { codeOf, DeltarError } from "../../bytes/errors.ts";
import type { SigningKey } from "../../ssh/mod.ts";
import { AGE_SUFFIX } from "../../storage/names.ts";
import type { Storage } from "../../storage/storage.ts";
import { RECIPIENTS } from "../format/names.ts";
import { encodeSigned, readSigned } from "./signed_object.ts";

const FORMAT = "deltar-recipients";

/** The recipients of a repository. */
export interface Recipients {
  /**
   * The recipients that are not retired, the newest first. New objects are
   * encrypted for the newest one.
   */
  recipients: readonly string[];
  /** The recipients whose identities a rekey has retired, the newest first. */
  retired: readonly string[];
}

/**
 * Stores the recipients of a repository. The object is encrypted for all
 * recipients that are not retired. So the owner of a recovery sheet that was
 * printed before a rotation can find out the newest recipient.
 *
 * @param storage The storage of the encrypted objects.
 * @param list The recipients.
 * @param admin The admin key, which signs the object.
 */
export async function putRecipients(
  storage: Storage,
  { recipients, retired }: Recipients,
  admin: SigningKey,
): Promise<void> {
  const fields = { recipients, ...retired.length > 0 && { retired } };
  const bytes = await encodeSigned(FORMAT, fields, admin);
  const file = encrypt([bytes], recipients);
  await storage.put(RECIPIENTS + AGE_SUFFIX, file);
}

/**
 * Returns the current and the retired recipients of a repository. Both lists
 * are empty if the keys have never been rotated.
 *
 * @param storage The repository's storage, which returns decrypted objects.
 * @param adminPublicKey The public admin key, which must have signed the
 *   object.
 * @throws {DeltarError} `corrupt`, `truncated` or `limit` if the object is
 *   damaged or not signed by the admin key; `key` if the object is not
 *   encrypted for the keys of the storage.
 */
export async function readRecipients(
  storage: Storage,
  adminPublicKey: string,
): Promise<Recipients> {
  let line;
  try {
    line = await readSigned(storage, RECIPIENTS, FORMAT, adminPublicKey);
  } catch (error) {
    if (codeOf(error) === "not-found") return { recipients: [], retired: [] };
    throw error;
  }
  const { recipients, retired = [] } = line;
  if (isTexts(recipients) && recipients.length > 0 && isTexts(retired)) {
    return { recipients, retired };
  }
  throw new DeltarError("corrupt", "missing or invalid recipients", {
    object: RECIPIENTS,
  });
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((one) => typeof one === "string");
}
