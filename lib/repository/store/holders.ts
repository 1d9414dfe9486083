import { codeOf, DeltarError, isDamage } from "../../bytes/errors.ts";
import type { Line } from "../../bytes/listing.ts";
import type { SigningKey } from "../../ssh/mod.ts";
import type { Storage } from "../../storage/storage.ts";
import { parseTime } from "../format/moment.ts";
import { HOLDERS } from "../format/names.ts";
import { namesUnder } from "../format/note.ts";
import { putSigned, readSigned } from "./signed_object.ts";

const FORMAT = "deltar-holder";

/**
 * The pattern of the names of keys: 1 to 64 ASCII letters, digits, `.`, `_` and
 * `-`. The first character is a letter or digit.
 */
export const KEY_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

/**
 * The value of `RepositoryKeys.openedBy` if the repository was opened with an
 * identity from a recovery sheet. No key can have this name, because the name
 * contains a space.
 */
export const RECOVERY_SHEET = "recovery sheet";

/** The person or machine that holds a key of an encrypted repository. */
export interface Holder {
  /** The name of the key. */
  name: string;
  /**
   * The kind of the key. The holder of a full key can read and write all
   * objects, and can change the keys. The holder of a write-only key can only
   * take snapshots.
   */
  kind: "full" | "write-only";
  /**
   * The recipient (`age1…`) that the key file is encrypted for. Absent if the
   * file is encrypted with a passphrase, or for a recipient that the caller
   * implements.
   */
  recipient?: string;
  /** The public half of the machine's signing key. Absent if none was given. */
  signer?: string;
  /** The time at which the key was added, in milliseconds since 1970. */
  added: number;
}

/**
 * Stores the holder of a key.
 *
 * @param storage The repository's storage, which returns decrypted objects.
 * @param holder The holder.
 * @param admin The admin key, which signs the object.
 */
export async function putHolder(
  storage: Storage,
  { name, kind, recipient, signer, added }: Holder,
  admin: SigningKey,
): Promise<void> {
  const fields = {
    name,
    kind,
    recipient,
    signer,
    added: new Date(added).toISOString(),
  };
  await putSigned(storage, holderName(name), FORMAT, fields, admin);
}

/**
 * Deletes the holder of a key.
 *
 * @param storage The repository's storage, which returns decrypted objects.
 * @param name The name of the key.
 */
export async function deleteHolder(
  storage: Storage,
  name: string,
): Promise<void> {
  await storage.delete(holderName(name));
}

/**
 * Returns the holder of each key, by key name. A holder is omitted if its
 * object is damaged, not signed by the admin key, or not encrypted for the
 * caller.
 *
 * @param storage The repository's storage, which returns decrypted objects.
 * @param adminPublicKey The public admin key, which must have signed each
 * holder.
 */
export async function readHolders(
  storage: Storage,
  adminPublicKey: string,
): Promise<Map<string, Holder>> {
  const holders = new Map<string, Holder>();
  for (const object of await namesUnder(storage, HOLDERS)) {
    const name = object.slice(HOLDERS.length, -".json".length);
    if (object !== holderName(name) || !KEY_NAME.test(name)) continue;
    try {
      const line = await readSigned(storage, object, FORMAT, adminPublicKey);
      holders.set(name, holderOf(line, name, object));
    } catch (error) {
      // Holders that are damaged or cannot be decrypted are omitted. For
      // example, the identities on a recovery sheet that was printed before a
      // rotation cannot decrypt holders that were stored after the rotation.
      if (codeOf(error) !== "key" && !isDamage(error)) throw error;
    }
  }
  return holders;
}

function holderOf(line: Line, name: string, object: string): Holder {
  const { kind, recipient, signer } = line;
  const added = parseTime(line.added);
  if (
    line.name !== name || (kind !== "full" && kind !== "write-only") ||
    added === undefined
  ) {
    throw new DeltarError(
      "corrupt",
      "the holder of a key has a missing or invalid `name`, `kind` or `added`",
      { object },
    );
  }
  return {
    name,
    kind,
    added,
    ...typeof recipient === "string" && { recipient },
    ...typeof signer === "string" && { signer },
  };
}

function holderName(name: string): string {
  return `${HOLDERS}${name}.json`;
}
