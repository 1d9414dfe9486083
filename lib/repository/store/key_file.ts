import { recipientOf } from "../../age/identity.ts";
import { fromBase64, toBase64 } from "../../bytes/base64.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { readSignature, sign, type SigningKey, verify } from "../../ssh/mod.ts";
import { NAMESPACE } from "../format/signed_listing.ts";

/**
 * The content of a key file. The file of a full key is an identity file of age.
 */
export interface KeyFile {
  /** The id of the repository. */
  id: string;
  /** The recipient (`age1…`) that new objects are encrypted for. */
  recipient: string;
  /**
   * The public admin key. Absent in files that older versions of deltar wrote.
   */
  admin?: string;
  /**
   * The identities of the repository (`AGE-SECRET-KEY-1…`) that decrypt its
   * objects, the newest first. The file of a write-only key has no identities.
   */
  identities: readonly string[];
  /**
   * The identities that a rekey has retired, the newest first. No stored object
   * needs them. The oldest one, the first identity of the repository, is kept
   * because the admin key is derived from it. The others are kept because they
   * may be needed to decrypt a copy of the repository from before the rekey.
   */
  retired: readonly string[];
}

const TITLE = "# the identity of the deltar repository ";
const WRITE_ONLY_TITLE = "# a write-only key of the deltar repository ";
const RECIPIENT = "# recipient: ";
const ADMIN = "# admin: ";
const SIGNATURE = "# signature: ";
const IDENTITY = "AGE-SECRET-KEY-";
const RETIRED = "# retired: ";

/**
 * Returns the bytes of a key file, not yet encrypted. If the file has no
 * identity, its last line contains the admin key's SSH signature of all lines
 * before, in base64.
 *
 * @param file The content of the key file.
 * @param admin The admin key.
 */
export async function encodeKeyFile(
  { id, recipient, identities, retired }: KeyFile,
  admin: SigningKey,
): Promise<Uint8Array> {
  const lines = [
    `${identities.length > 0 ? TITLE : WRITE_ONLY_TITLE}${id}`,
    `${RECIPIENT}${recipient}`,
    `${ADMIN}${admin.publicKey}`,
    ...identities,
    ...retired.map((identity) => RETIRED + identity),
    "",
  ];
  const bytes = new TextEncoder().encode(lines.join("\n"));
  if (identities.length > 0) return bytes;
  const signature = toBase64(
    new TextEncoder().encode(await sign(bytes, admin, NAMESPACE)),
  );
  return new TextEncoder()
    .encode(`${lines.join("\n")}${SIGNATURE}${signature}\n`);
}

/**
 * Decodes a key file.
 *
 * @param bytes The decrypted file.
 * @param object The name of the object, for errors.
 * @throws {DeltarError} `corrupt` if an identity is invalid, or the recipient
 *   belongs to none of the identities. If the file has no identity: `corrupt`
 *   if it has no recipient or admin key, or no valid signature by this admin
 *   key.
 */
export async function decodeKeyFile(
  bytes: Uint8Array,
  object: string,
): Promise<KeyFile> {
  const fail = (what: string, cause?: unknown) =>
    new DeltarError("corrupt", what, { object, cause });
  const text = new TextDecoder().decode(bytes);
  const lines = text.split("\n").map((line) => line.trim());
  const after = (start: string) =>
    lines.find((line) => line.startsWith(start))?.slice(start.length);
  const id = after(TITLE) ?? after(WRITE_ONLY_TITLE) ?? "";
  const admin = after(ADMIN);
  const identities = lines.filter((line) => line.startsWith(IDENTITY));
  const retired = lines.filter((line) => line.startsWith(RETIRED + IDENTITY))
    .map((line) => line.slice(RETIRED.length));
  const named = after(RECIPIENT);
  if (identities.length > 0) {
    let recipients: string[];
    try {
      await Promise.all(retired.map(recipientOf));
      recipients = await Promise.all(identities.map(recipientOf));
    } catch {
      // The cause is omitted, because it can contain the identity.
      throw fail("the key file has an invalid identity");
    }
    const recipient = named ?? recipients[0];
    if (!recipients.includes(recipient)) {
      throw fail(
        "the recipient in the key file belongs to none of the identities in it",
      );
    }
    const file = { id, recipient, identities, retired };
    return { ...file, ...admin !== undefined && { admin } };
  }
  const signature = after(SIGNATURE);
  if (named === undefined || admin === undefined || signature === undefined) {
    throw fail(
      "the key file has neither an identity nor the recipient, admin key and " +
        "signature of a write-only key",
    );
  }
  const message = new TextEncoder()
    .encode(text.slice(0, text.indexOf(SIGNATURE)));
  let isSigned = false;
  try {
    const signed = readSignature(
      new TextDecoder().decode(fromBase64(signature)),
    );
    isSigned = signed.publicKey === admin &&
      await verify(message, signed, NAMESPACE);
  } catch (cause) {
    throw fail("the SSH signature of the key file is not valid", cause);
  }
  if (!isSigned) throw fail("the SSH signature of the key file is not valid");
  return { id, recipient: named, admin, identities, retired: [] };
}
