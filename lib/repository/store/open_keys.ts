import { decrypt } from "../../age/mod.ts";
import type { AgeKey } from "../../age/header.ts";
import { recipientOf } from "../../age/identity.ts";
import { codeOf, DeltarError, isDamage } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import { collectAtMost } from "../../bytes/source.ts";
import type { SigningKey } from "../../ssh/mod.ts";
import { EncryptedStorage } from "../../storage/encrypted.ts";
import { AGE_SUFFIX } from "../../storage/names.ts";
import type { Storage } from "../../storage/storage.ts";
import { KEYS } from "../format/names.ts";
import { LOST_ID } from "../format/settings.ts";
import { adminKeyOf } from "./admin_key.ts";
import { KEY_NAME, RECOVERY_SHEET } from "./holders.ts";
import { decodeKeyFile, type KeyFile } from "./key_file.ts";
import { readRecipients, type Recipients } from "./recipients.ts";

/** The maximum size of a decrypted key file, in bytes. */
const MAX_KEY_BYTES = 1 << 16;
/** The maximum size of an encrypted key file, in bytes. */
const MAX_FILE_BYTES = 1 << 18;

/** The content of a key file that was decrypted, or of a recovery sheet. */
export interface OpenedKey {
  /** The content of the key file or recovery sheet. */
  file: KeyFile;
  /** The admin key, or only its public half if the key is write-only. */
  admin: SigningKey | string;
  /**
   * The SHA-256 of the first identity's recipient, in hexadecimal. `undefined`
   * if it is not known.
   */
  sum: string | undefined;
  /** The name of the key; `recovery sheet` if a recovery sheet was used. */
  name: string;
  /**
   * The caller's key that decrypted the key file. With a recovery sheet, the
   * first identity.
   */
  own: AgeKey;
}

/**
 * Opens a repository with a recovery sheet or a key file, and returns the
 * content of the sheet or file.
 *
 * @param storage The storage of the key files.
 * @param id The id of the repository.
 * @param own The keys of the caller.
 * @param sum The SHA-256 of the first identity's recipient, in hexadecimal.
 *   `undefined` if the settings are lost; any identity is then accepted.
 * @throws {DeltarError} `key` if no key was given, or none of the given keys
 *   opens the repository; `mismatch` if the key file that a given key decrypts
 *   belongs to another repository; `corrupt`, `truncated` or `limit` if a key
 *   file is damaged and no other one can be used, or `recipients.json` is
 *   damaged.
 */
export async function openKeys(
  storage: Storage,
  id: string,
  own: readonly AgeKey[],
  sum: string | undefined,
): Promise<OpenedKey> {
  if (own.length === 0) {
    throw new DeltarError("key", "the repository is encrypted; give a key", {
      object: storage.location,
    });
  }
  const sheet = sum === undefined
    ? undefined
    : await openSheet(storage, id, own, sum);
  return sheet ?? await openKeyFiles(storage, id, own, sum);
}

/**
 * Opens a repository with the identities on a recovery sheet. No key file is
 * needed. Returns `undefined` if the repository's first identity is not among
 * the given keys.
 */
async function openSheet(
  storage: Storage,
  id: string,
  own: readonly AgeKey[],
  sum: string,
): Promise<OpenedKey | undefined> {
  const given = new Map<string, string>();
  let first: string | undefined;
  for (const key of own) {
    if (typeof key !== "string") continue;
    const recipient = await recipientOf(key).catch(() => undefined);
    if (recipient === undefined) continue;
    given.set(recipient, key);
    if (sumOf(recipient) === sum) first = recipient;
  }
  const identity = first && given.get(first);
  if (first === undefined || identity === undefined) return undefined;
  const admin = await adminKeyOf(identity);
  const view = new EncryptedStorage(storage, {
    keys: [...given.values()],
    recipientsOf: () => [],
    isPartial: true,
  });
  let rotated: Recipients;
  try {
    rotated = await readRecipients(view, admin.publicKey);
  } catch (cause) {
    if (codeOf(cause) !== "key") throw cause;
    throw new DeltarError(
      "key",
      "the identities on the recovery sheet are older than the last rekey of " +
        "the repository and cannot decrypt its objects; use a recovery sheet " +
        "that was printed later, or another key",
      { object: storage.location, cause },
    );
  }
  const { recipients: [recipient = first] } = rotated;
  const givenOf = (recipients: readonly string[]) =>
    recipients.flatMap((one) => given.get(one) ?? []);
  const identities = rotated.recipients.length > 0
    ? givenOf(rotated.recipients)
    : [identity];
  return {
    file: { id, recipient, identities, retired: givenOf(rotated.retired) },
    ...{ admin, sum, name: RECOVERY_SHEET, own: identity },
  };
}

/**
 * Decrypts one of the key files. A full key is preferred to a write-only one.
 */
async function openKeyFiles(
  storage: Storage,
  id: string,
  own: readonly AgeKey[],
  sum: string | undefined,
): Promise<OpenedKey> {
  const names = await namesOfKeys(storage);
  let writeOnly: OpenedKey | undefined;
  let damage: DeltarError | undefined;
  for (const name of names) {
    const object = keyFileName(name);
    try {
      const [bytes, key] = await decryptWith(storage, object, own);
      const { id: named, ...rest } = await decodeKeyFile(bytes, object);
      const file = { ...rest, id: isUnknown(named) ? id : named };
      const { identities, retired, admin } = file;
      const isHere = isUnknown(id) || named === id;
      if (isHere && identities.length === 0 && admin !== undefined) {
        writeOnly ??= { file, admin, sum, name, own: key };
        continue;
      }
      const first = await firstOf([...identities, ...retired], sum);
      if (first !== undefined && (isHere || isUnknown(named))) {
        const sum = sumOf(await recipientOf(first));
        return { file, admin: await adminKeyOf(first), sum, name, own: key };
      }
      damage ??= new DeltarError(
        "mismatch",
        first === undefined
          ? "the key file belongs to another repository"
          : `the repository id in the key file is ${named}, but the id in ` +
            `deltar.json is ${id}. Somebody may have changed deltar.json; ` +
            "put the id from the key file back into deltar.json",
        { object },
      );
    } catch (error) {
      if (codeOf(error) === "key") continue;
      if (!isDamage(error)) throw error;
      damage ??= error;
    }
  }
  if (writeOnly !== undefined) return writeOnly;
  if (damage !== undefined) throw damage;
  const what = names.length === 0
    ? "the repository is encrypted, and all of its key files are missing; " +
      "use a recovery sheet"
    : "none of the given keys opens this repository; its keys are " +
      `${
        names.join(", ")
      }. If your key opened the repository before, its file ` +
      "in keys/ may be damaged.";
  throw new DeltarError("key", what, { object: storage.location });
}

/**
 * Returns whether the id of a repository is unknown. The id is empty in key
 * files of the first versions of deltar, and `LOST_ID` if the settings are
 * lost.
 */
function isUnknown(id: string): boolean {
  return id === "" || id === LOST_ID;
}

/**
 * Returns the first identity of a repository: the identity whose recipient has
 * the SHA-256 `sum` or, if `sum` is not known, the last of the identities.
 * Returns `undefined` if no identity is found.
 *
 * @param identities The identities, the newest first.
 */
async function firstOf(
  identities: readonly string[],
  sum: string | undefined,
): Promise<string | undefined> {
  if (sum === undefined) return identities.at(-1);
  for (const identity of identities) {
    if (sumOf(await recipientOf(identity)) === sum) return identity;
  }
  return undefined;
}

/**
 * Decrypts a key file. Returns the decrypted bytes, and the key that decrypted
 * them.
 */
async function decryptWith(
  storage: Storage,
  object: string,
  own: readonly AgeKey[],
): Promise<[Uint8Array, AgeKey]> {
  const file = await collectAtMost(storage.get(object), MAX_FILE_BYTES, object);
  for (const key of own) {
    try {
      const text = decrypt([file], [key], object);
      return [await collectAtMost(text, MAX_KEY_BYTES, object), key];
    } catch (error) {
      if (codeOf(error) !== "key") throw error;
    }
  }
  throw new DeltarError("key", "none of the keys decrypts this file", {
    object,
  });
}

/** Returns the names of the keys in a storage, sorted. */
export async function namesOfKeys(storage: Storage): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list(KEYS)) {
    const key = name.slice(KEYS.length, -AGE_SUFFIX.length);
    if (KEY_NAME.test(key) && name === keyFileName(key)) names.push(key);
  }
  return names.sort();
}

/** Returns the name of the file of a key: `keys/NAME.age`. */
export function keyFileName(name: string): string {
  return `${KEYS}${name}${AGE_SUFFIX}`;
}

/** Returns the SHA-256 of a recipient, in hexadecimal. */
export function sumOf(recipient: string): string {
  return toHex(sha256(new TextEncoder().encode(recipient)));
}
