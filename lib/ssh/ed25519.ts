import { fromBase64, toBase64 } from "../bytes/base64.ts";
import { DeltarError } from "../bytes/errors.ts";
import { concat } from "../bytes/source.ts";
import { string, uint32, WireReader } from "./wire.ts";

const KIND = "ssh-ed25519";
const BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END = "-----END OPENSSH PRIVATE KEY-----";
/** The start of a private key file, before its fields. */
const MAGIC = new TextEncoder().encode("openssh-key-v1\0");
/**
 * The bytes before the seed in the PKCS #8 form of a private key (RFC 8410).
 */
const PKCS8 = Uint8Array.of(
  ...[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20],
);
/** The number of characters in each line of base64 that OpenSSH writes. */
const LINE_LENGTH = 70;

/** An Ed25519 key pair for signing. */
export interface SigningKey {
  /** The public key in the form of OpenSSH: `ssh-ed25519 AAAA…`. */
  publicKey: string;
  /** The private key, which need not be extractable. */
  privateKey: CryptoKey;
}

/**
 * Makes a new Ed25519 key pair.
 *
 * @param comment The comment to store in the file, such as a name.
 * @returns The text of a private key file without a passphrase, in the form
 *   that `ssh-keygen -t ed25519 -N ""` writes.
 *
 * @example
 * ```ts
 * import { makeKeyPair } from "@deltar/deltar/ssh";
 * import assert from "node:assert/strict";
 *
 * const file = await makeKeyPair("laptop");
 * assert.match(file, /^-----BEGIN OPENSSH PRIVATE KEY-----\n/);
 * ```
 */
export async function makeKeyPair(comment: string): Promise<string> {
  const pair = await crypto.subtle.generateKey("Ed25519", true, [
    "sign",
    "verify",
  ]) as CryptoKeyPair;
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", pair.privateKey);
  const seed = new Uint8Array(pkcs8).subarray(-32);
  const raw = await crypto.subtle.exportKey("raw", pair.publicKey);
  const publicKey = new Uint8Array(raw);
  const wire = publicWire(publicKey);
  // The part of the file that a passphrase would encrypt begins with two equal
  // numbers. If they differ after decryption, the passphrase was wrong. Without
  // a passphrase, any number can be used.
  const check = uint32(0);
  const secret = concat([
    ...[check, check, string(KIND), string(publicKey)],
    ...[string(concat([seed, publicKey])), string(comment)],
  ]);
  const padding = Uint8Array.from(
    { length: (8 - secret.length % 8) % 8 },
    (_, at) => at + 1,
  );
  const file = concat([
    ...[MAGIC, string("none"), string("none"), string(""), uint32(1)],
    ...[string(wire), string(concat([secret, padding]))],
  ]);
  return armor(BEGIN, file, END);
}

/**
 * Reads an Ed25519 key pair from a private key file of OpenSSH that has no
 * passphrase.
 *
 * @param text The content of the file.
 * @returns The key pair. Its private key is not extractable.
 * @throws {DeltarError} `unsupported` if the file has a passphrase or the key
 *   is not an Ed25519 key; `corrupt` if the file is damaged or has several
 *   keys.
 *
 * @example
 * ```ts
 * import { makeKeyPair, readPrivateKey } from "@deltar/deltar/ssh";
 * import assert from "node:assert/strict";
 *
 * const key = await readPrivateKey(await makeKeyPair("laptop"));
 * assert.match(key.publicKey, /^ssh-ed25519 AAAA/);
 * ```
 */
export async function readPrivateKey(text: string): Promise<SigningKey> {
  const file = new WireReader(dearmor(text, BEGIN, END), "the private key");
  if (!isEqual(file.bytes(MAGIC.length), MAGIC)) {
    throw file.invalid("is not in the format of OpenSSH");
  }
  const cipher = file.text();
  if (cipher !== "none") {
    throw new DeltarError(
      "unsupported",
      "the private key has a passphrase; use a key without a passphrase",
    );
  }
  file.string();
  file.string();
  if (file.uint32() !== 1) throw file.invalid("is in a file with several keys");
  const wire = file.string();
  const secret = new WireReader(file.string(), "the private key");
  const check = secret.uint32();
  if (secret.uint32() !== check) throw secret.invalid("is damaged");
  if (secret.text() !== KIND) {
    throw new DeltarError(
      "unsupported",
      "the private key is not an Ed25519 key; make an Ed25519 key with " +
        "`ssh-keygen -t ed25519`",
    );
  }
  secret.string();
  const pair = secret.string();
  if (pair.length !== 64) throw secret.invalid("is damaged");
  const privateKey = await crypto.subtle.importKey(
    "pkcs8",
    concat([PKCS8, pair.subarray(0, 32)]) as Uint8Array<ArrayBuffer>,
    "Ed25519",
    false,
    ["sign"],
  );
  if (!isEqual(wire, publicWire(pair.subarray(32)))) {
    throw secret.invalid("does not belong to its public key");
  }
  return { publicKey: publicText(wire), privateKey };
}

/**
 * Returns the Ed25519 key pair of a seed. RFC 8032 calls the seed the private
 * key. The same seed always results in the same key pair.
 *
 * @param seed The seed: 32 random bytes.
 * @returns The key pair. Its private key is not extractable.
 * @throws {DOMException} If the seed does not have 32 bytes.
 *
 * @example
 * ```ts
 * import { keyOfSeed } from "@deltar/deltar/ssh";
 * import assert from "node:assert/strict";
 *
 * const seed = crypto.getRandomValues(new Uint8Array(32));
 * const [one, other] = [await keyOfSeed(seed), await keyOfSeed(seed)];
 * assert.equal(one.publicKey, other.publicKey);
 * ```
 */
export async function keyOfSeed(seed: Uint8Array): Promise<SigningKey> {
  const pkcs8 = concat([PKCS8, seed]) as Uint8Array<ArrayBuffer>;
  const read = (extractable: boolean) =>
    crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", extractable, ["sign"]);
  const { x = "" } = await crypto.subtle.exportKey("jwk", await read(true));
  const raw = fromBase64(x.replaceAll("-", "+").replaceAll("_", "/"));
  return {
    publicKey: publicText(publicWire(raw)),
    privateKey: await read(false),
  };
}

/** Converts a public key from its binary form to text: `ssh-ed25519 AAAA…`. */
export function publicText(wire: Uint8Array): string {
  return `${KIND} ${toBase64(wire)}`;
}

/**
 * Returns the binary form of a public key.
 *
 * @param publicKey The key as text: `ssh-ed25519 AAAA…`. A comment can follow.
 * @throws {DeltarError} `unsupported` if the text does not have the form of an
 *   Ed25519 key; `corrupt` if the binary form of the key is invalid.
 */
export function wireOf(publicKey: string): Uint8Array {
  const [kind, base64 = ""] = publicKey.trim().split(/\s+/);
  if (kind === KIND && /^[A-Za-z0-9+/]{68}$/.test(base64)) {
    const wire = fromBase64(base64);
    rawKey(wire);
    return wire;
  }
  throw new DeltarError(
    "unsupported",
    "the public key is not an Ed25519 key of OpenSSH (`ssh-ed25519 AAAA…`)",
  );
}

/**
 * Returns the 32 bytes of a public key.
 *
 * @param wire The key in its binary form.
 * @throws {DeltarError} `corrupt` if the key is not an Ed25519 key.
 */
export function rawKey(wire: Uint8Array): Uint8Array {
  const reader = new WireReader(wire, "the public key");
  if (reader.text() !== KIND) throw reader.invalid("is not an Ed25519 key");
  const raw = reader.string();
  if (raw.length !== 32 || !reader.isAtEnd) {
    throw reader.invalid("is not an Ed25519 key");
  }
  return raw;
}

function publicWire(raw: Uint8Array): Uint8Array {
  return concat([string(KIND), string(raw)]);
}

/** Returns bytes as base64 between the lines `begin` and `end`. */
export function armor(begin: string, bytes: Uint8Array, end: string): string {
  const base64 = toBase64(bytes);
  const lines: string[] = [];
  for (let at = 0; at < base64.length; at += LINE_LENGTH) {
    lines.push(base64.slice(at, at + LINE_LENGTH));
  }
  return [begin, ...lines, end, ""].join("\n");
}

/**
 * Returns the bytes that are encoded as base64 between the lines `begin` and
 * `end`.
 *
 * @throws {DeltarError} `corrupt` if one of the two lines is missing, or if the
 *   text between them is not base64.
 */
export function dearmor(text: string, begin: string, end: string): Uint8Array {
  const [first, ...lines] = text.trim().split(/\r?\n/);
  const last = lines.pop();
  if (first === begin && last === end) {
    try {
      return fromBase64(lines.join(""));
    } catch {
      // The text is not base64. The error is thrown below.
    }
  }
  throw new DeltarError(
    "corrupt",
    `the text between the lines "${begin}" and "${end}" is missing or not ` +
      "base64",
  );
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
