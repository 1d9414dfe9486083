import { concat } from "../bytes/source.ts";
import {
  armor,
  dearmor,
  publicText,
  rawKey,
  type SigningKey,
  wireOf,
} from "./ed25519.ts";
import { string, uint32, WireReader } from "./wire.ts";

const BEGIN = "-----BEGIN SSH SIGNATURE-----";
const END = "-----END SSH SIGNATURE-----";
const MAGIC = new TextEncoder().encode("SSHSIG");
const VERSION = 1;
const KIND = "ssh-ed25519";
const HASH = "sha512";

/** A cryptographic signature in the format of OpenSSH. */
export interface SshSignature {
  /** The public key of the signer: `ssh-ed25519 AAAA…`. */
  publicKey: string;
  /** The purpose of the signature, such as `deltar` or `git`. */
  namespace: string;
  /**
   * The 64 bytes of the signature, which covers the namespace and the SHA-512
   * of the message.
   */
  bytes: Uint8Array;
}

/**
 * Signs a message as `ssh-keygen -Y sign` does
 * (https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig).
 *
 * @param message The bytes to sign.
 * @param key The key pair to sign with.
 * @param namespace The purpose of the signature, such as `deltar` or `git`. A
 *   signature for one purpose is not valid for another purpose.
 * @returns The text of the signature, as `armorSignature` returns it.
 * @throws {DeltarError} `unsupported` or `corrupt` if the public key is not an
 *   Ed25519 key.
 *
 * @example
 * ```ts
 * import { makeKeyPair, readPrivateKey, readSignature, sign } from "@deltar/deltar/ssh";
 * import assert from "node:assert/strict";
 *
 * const key = await readPrivateKey(await makeKeyPair("laptop"));
 * const text = await sign(Uint8Array.of(1, 2, 3), key, "deltar");
 * assert.equal(readSignature(text).publicKey, key.publicKey);
 * ```
 */
export async function sign(
  message: Uint8Array,
  key: SigningKey,
  namespace: string,
): Promise<string> {
  const bytes = await crypto.subtle.sign(
    "Ed25519",
    key.privateKey,
    await signedBytes(message, namespace),
  );
  return armorSignature({
    publicKey: key.publicKey,
    namespace,
    bytes: new Uint8Array(bytes),
  });
}

/**
 * Returns the text of a cryptographic signature: base64 between the lines
 * `-----BEGIN SSH SIGNATURE-----` and `-----END SSH SIGNATURE-----`.
 *
 * @param signature The signature.
 * @throws {DeltarError} `unsupported` or `corrupt` if the public key is not an
 *   Ed25519 key.
 *
 * @example
 * ```ts
 * import { armorSignature, makeKeyPair, readPrivateKey, readSignature, sign } from "@deltar/deltar/ssh";
 * import assert from "node:assert/strict";
 *
 * const key = await readPrivateKey(await makeKeyPair("laptop"));
 * const text = await sign(Uint8Array.of(1, 2, 3), key, "deltar");
 * assert.equal(armorSignature(readSignature(text)), text);
 * ```
 */
export function armorSignature(
  { publicKey, namespace, bytes }: SshSignature,
): string {
  const blob = concat([
    ...[MAGIC, uint32(VERSION), string(wireOf(publicKey))],
    ...[string(namespace), string(""), string(HASH)],
    string(concat([string(KIND), string(bytes)])),
  ]);
  return armor(BEGIN, blob, END);
}

/**
 * Parses the text of a cryptographic signature. Use `verify` to check whether
 * the signature is valid.
 *
 * @param text The text, as `ssh-keygen -Y sign` writes it.
 * @throws {DeltarError} `corrupt` if the text is not a signature by an Ed25519
 *   key with SHA-512.
 *
 * @example
 * ```ts
 * import { makeKeyPair, readPrivateKey, readSignature, sign } from "@deltar/deltar/ssh";
 * import assert from "node:assert/strict";
 *
 * const key = await readPrivateKey(await makeKeyPair("laptop"));
 * const text = await sign(Uint8Array.of(1, 2, 3), key, "deltar");
 * assert.equal(readSignature(text).namespace, "deltar");
 * ```
 */
export function readSignature(text: string): SshSignature {
  const reader = new WireReader(dearmor(text, BEGIN, END), "the signature");
  const magic = reader.bytes(MAGIC.length);
  if (magic.some((byte, at) => byte !== MAGIC[at])) {
    throw reader.invalid("is not in the format of OpenSSH");
  }
  if (reader.uint32() !== VERSION) {
    throw reader.invalid("has an unknown version");
  }
  const wire = reader.string();
  rawKey(wire);
  const namespace = reader.text();
  reader.string();
  const hash = reader.text();
  const inner = new WireReader(reader.string(), "the signature");
  const kind = inner.text();
  const bytes = inner.string();
  if (
    hash !== HASH || kind !== KIND || bytes.length !== 64 ||
    !inner.isAtEnd || !reader.isAtEnd
  ) throw reader.invalid("is not an Ed25519 signature with SHA-512");
  return { publicKey: publicText(wire), namespace, bytes };
}

/**
 * Returns whether a cryptographic signature is valid for a message. The
 * signature is checked with the public key that it contains. The caller must
 * decide whether this key is trusted.
 *
 * @param message The signed bytes.
 * @param signature The signature.
 * @param namespace The purpose that the signature must have.
 * @throws {DeltarError} `unsupported` or `corrupt` if the public key is not an
 *   Ed25519 key.
 *
 * @example
 * ```ts
 * import { makeKeyPair, readPrivateKey, readSignature, sign, verify } from "@deltar/deltar/ssh";
 * import assert from "node:assert/strict";
 *
 * const key = await readPrivateKey(await makeKeyPair("laptop"));
 * const message = Uint8Array.of(1, 2, 3);
 * const signature = readSignature(await sign(message, key, "deltar"));
 * assert(await verify(message, signature, "deltar"));
 * assert(!await verify(message, signature, "git"));
 * assert(!await verify(Uint8Array.of(4), signature, "deltar"));
 * ```
 */
export async function verify(
  message: Uint8Array,
  signature: SshSignature,
  namespace: string,
): Promise<boolean> {
  if (signature.namespace !== namespace) return false;
  const raw = rawKey(wireOf(signature.publicKey));
  try {
    const key = await crypto.subtle.importKey(
      "raw",
      raw as Uint8Array<ArrayBuffer>,
      "Ed25519",
      false,
      ["verify"],
    );
    return await crypto.subtle.verify(
      "Ed25519",
      key,
      signature.bytes as Uint8Array<ArrayBuffer>,
      await signedBytes(message, namespace),
    );
  } catch (error) {
    // Web Crypto throws a `DOMException` if the bytes of the key are not a
    // point on the curve.
    if (error instanceof DOMException) return false;
    throw error;
  }
}

/** Returns the bytes that are signed in place of a message. */
async function signedBytes(
  message: Uint8Array,
  namespace: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const hash = await crypto.subtle.digest(
    "SHA-512",
    message as Uint8Array<ArrayBuffer>,
  );
  return concat([
    ...[MAGIC, string(namespace), string(""), string(HASH)],
    string(new Uint8Array(hash)),
  ]) as Uint8Array<ArrayBuffer>;
}
