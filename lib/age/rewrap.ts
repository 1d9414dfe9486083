import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import {
  type AgeRecipient,
  type AgeStanza,
  lengthOfHeader,
  unwrap,
} from "./header.ts";

/**
 * The identities for a rewrap: the file key of an age file is decrypted with an
 * older identity and encrypted for the newest identity.
 */
export interface RewrapKeys {
  /** The older identities (`AGE-SECRET-KEY-1…`). */
  older: readonly string[];
  /** The newest identity. */
  newest: string;
  /** The recipient of `newest`. */
  recipient: string;
}

/**
 * Returns whether a file is encrypted for an older identity, and not for the
 * newest one.
 *
 * @param header The header of the age file.
 * @param keys The identities.
 * @param object The name of the file, for errors.
 * @throws {DeltarError} `key` if no identity decrypts the file; `corrupt` if
 *   the header is damaged.
 */
export async function needsRewrap(
  header: Uint8Array,
  { older, newest }: RewrapKeys,
  object: string,
): Promise<boolean> {
  if (await opens(header, [newest], object)) return false;
  await unwrap(header, older, object);
  return true;
}

/**
 * Makes a new header for an age file. The stanza for an older identity is
 * replaced by a stanza for the newest identity. The file key and all other
 * stanzas stay the same, so the payload does not need to be encrypted again.
 *
 * @param header The header of the age file.
 * @param keys The identities.
 * @param object The name of the file, for errors.
 * @returns The new header, which is as long as the old one.
 * @throws {DeltarError} `key` if no older identity decrypts the file; `corrupt`
 *   if the header is damaged; `unsupported` if the length of the new header
 *   differs, because the stanza is not for an X25519 recipient.
 */
export async function rewrapHeader(
  header: Uint8Array,
  { older, newest, recipient }: RewrapKeys,
  object: string,
): Promise<Uint8Array> {
  const fileKey = await unwrap(header, older, object);
  const recipients: AgeRecipient[] = [];
  let isReplaced = false;
  for (const stanza of await stanzasOf(header)) {
    const same: AgeRecipient = { wrapFileKey: () => [stanza] };
    const isOld: boolean = !isReplaced &&
      await opens(await headerFor(fileKey, [same]), older, object);
    recipients.push(isOld ? recipient : same);
    isReplaced ||= isOld;
  }
  const made = await headerFor(fileKey, recipients);
  if (made.length !== header.length) {
    throw new DeltarError(
      "unsupported",
      "the file is encrypted for a recipient of a type other than X25519",
      { object },
    );
  }
  // The new header is checked, because a file that can no longer be decrypted
  // must never replace the old one.
  const opened = await unwrap(made, [newest], object);
  if (toHex(opened) !== toHex(fileKey)) {
    throw new TypeError(
      "the file key in the new header differs from the old one",
    );
  }
  return made;
}

async function opens(
  header: Uint8Array,
  keys: readonly string[],
  object: string,
): Promise<boolean> {
  try {
    await unwrap(header, keys, object);
    return true;
  } catch (error) {
    if (error instanceof DeltarError && error.code === "key") return false;
    throw error;
  }
}

/**
 * Returns the stanzas of a header. The caller must have decrypted the file key,
 * because errors of the header are not reported here.
 */
async function stanzasOf(header: Uint8Array): Promise<AgeStanza[]> {
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  let found: AgeStanza[] = [];
  // `age-encryption` passes all stanzas to each identity. This identity keeps
  // the stanzas and decrypts none of them.
  decrypter.addIdentity({
    unwrapFileKey(stanzas) {
      found = stanzas;
      return null;
    },
  });
  await decrypter.decryptHeader(header).catch(() => {});
  return found;
}

/** Makes a header with the file key `fileKey` for the given recipients. */
async function headerFor(
  fileKey: Uint8Array,
  recipients: readonly AgeRecipient[],
): Promise<Uint8Array> {
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  // `age-encryption` makes a file key for each file, and passes this key to the
  // recipients before it computes the MAC. This recipient adds no stanza, and
  // overwrites the new file key with `fileKey`.
  encrypter.addRecipient({
    wrapFileKey(made) {
      made.set(fileKey);
      return [];
    },
  });
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  const empty = await encrypter.encrypt(new Uint8Array(0));
  return empty.subarray(0, lengthOfHeader(empty));
}
