import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { ByteReader } from "../bytes/byte_reader.ts";
import { DeltarError } from "../bytes/errors.ts";
import { type ByteSource, chunks, concat } from "../bytes/source.ts";
import { type ChunkCipher, chunkCipher } from "./chunk_cipher.ts";
import { NONCE_BYTES, plainSize } from "./payload.ts";

/**
 * A key that decrypts: the text of an age identity (`AGE-SECRET-KEY-1…` or
 * `AGE-SECRET-KEY-PQ-1…`), a private X25519 key of Web Crypto (which need not
 * be extractable), an `AgeIdentity` object, or a passphrase.
 */
export type AgeKey =
  | string
  | CryptoKey
  | AgeIdentity
  | { passphrase: string };

/**
 * A key that encrypts: the text of an age recipient (`age1…`), or an
 * `AgeRecipientObject`.
 */
export type AgeRecipient = string | AgeRecipientObject;

/**
 * A stanza: the part of an age file's header that contains the file key,
 * encrypted for one recipient. The file key is a random key of 16 bytes. The
 * key that encrypts the payload is derived from it.
 */
export interface AgeStanza {
  /**
   * The words of the stanza's first line, without `->`. The first word is the
   * type of the recipient.
   */
  readonly args: string[];
  /** The bytes of the stanza after its first line, decoded from base64. */
  readonly body: Uint8Array;
}

/** An object that decrypts file keys, for example with a security token. */
export interface AgeIdentity {
  /**
   * Decrypts the file key of an age file with this identity.
   *
   * @param stanzas All stanzas of the file's header.
   * @returns The file key, 16 bytes, or `null` if none of the stanzas is for
   *   this identity.
   */
  unwrapFileKey(
    stanzas: AgeStanza[],
  ): Uint8Array | null | Promise<Uint8Array | null>;
}

/** An object that encrypts file keys, for example for a security token. */
export interface AgeRecipientObject {
  /**
   * Encrypts the file key of an age file for this recipient.
   *
   * @param fileKey The file key, 16 bytes.
   * @returns The stanzas to write into the file's header.
   */
  wrapFileKey(fileKey: Uint8Array): AgeStanza[] | Promise<AgeStanza[]>;
}

/**
 * The maximum length of a header in bytes. A header with a hundred X25519
 * recipients takes about 10 KiB.
 */
const MAX_HEADER_BYTES = 1 << 16;

/** The beginning of every age file. */
const MAGIC = "age-encryption.org/v1\n";

const NEWLINE = 10;
/** The beginning of the last line of a header. */
const MAC_START = "---";

/** The first line of an armored age file. */
const ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----";

/**
 * The pattern of an X25519 recipient's text. The texts of other recipients are
 * longer.
 */
const X25519_RECIPIENT = /^age1[0-9a-z]{58}$/;

/** The base64 text of 32 zero bytes, without padding. */
const BASE64_OF_32_BYTES = "A".repeat(43);

/** The stanza of an X25519 recipient, with dummy text in place of its bytes. */
const X25519_STANZA =
  `-> X25519 ${BASE64_OF_32_BYTES}\n${BASE64_OF_32_BYTES}\n`;

/** The last line of a header, with dummy text in place of its MAC. */
const MAC_LINE = `--- ${BASE64_OF_32_BYTES}\n`;

const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** The head of an age file, and the cipher of the chunks that follow it. */
export interface Head {
  /** The header and the nonce. */
  bytes: Uint8Array;
  /**
   * The cipher of the payload. The key of this cipher is derived from the file
   * key and the nonce.
   */
  cipher: ChunkCipher;
}

/**
 * Makes the head of a new age file, with a new file key.
 *
 * @param recipients The recipients to encrypt for, at least one.
 * @throws {DeltarError} `unsupported` if a recipient is not valid.
 */
export async function makeHead(
  recipients: readonly AgeRecipient[],
): Promise<Head> {
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  let fileKey: Uint8Array | undefined;
  try {
    for (const recipient of recipients) encrypter.addRecipient(recipient);
  } catch (cause) {
    throw new DeltarError(
      "unsupported",
      "one of the given recipients is not an age recipient (age1…)",
      {
        cause,
      },
    );
  }
  // `age-encryption` passes the file key only to recipients. This recipient
  // keeps the key and adds no stanza.
  encrypter.addRecipient({
    wrapFileKey(key) {
      fileKey = key;
      return [];
    },
  });
  const empty = await encrypter.encrypt(new Uint8Array(0));
  const header = empty.subarray(0, lengthOfHeader(empty));
  if (fileKey === undefined) {
    throw new TypeError("age-encryption made no file key");
  }
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  return {
    bytes: concat([header, nonce]),
    cipher: await payloadCipher(fileKey, nonce),
  };
}

/**
 * Returns the length of a file's head for the given recipients, in bytes. If
 * all recipients have the form of X25519 recipients, computes the length, and
 * does not check the recipients further. Otherwise, makes a head.
 *
 * @throws {DeltarError} `unsupported` if a head is made and a recipient is not
 *   valid.
 */
export async function headLength(
  recipients: readonly AgeRecipient[],
): Promise<number> {
  const isX25519 = (recipient: AgeRecipient) =>
    typeof recipient === "string" && X25519_RECIPIENT.test(recipient);
  if (!recipients.every(isX25519)) {
    return (await makeHead(recipients)).bytes.length;
  }
  const stanzas = recipients.length * X25519_STANZA.length;
  return MAGIC.length + stanzas + MAC_LINE.length + NONCE_BYTES;
}

/**
 * Reads the head of an age file.
 *
 * @param reader The reader, at the beginning of the file. Afterwards, the
 *   reader is at the first chunk.
 * @param keys The keys to try.
 * @throws {DeltarError} `key` if none of the keys decrypts the file; `corrupt`
 *   or `truncated` if the header is damaged, or if the file is not an age file
 *   or is armored; `limit` if the header is longer than 64 KiB; `unsupported`
 *   if a key is not valid.
 */
export async function readHead(
  reader: ByteReader,
  keys: readonly AgeKey[],
): Promise<Head> {
  const header = await readHeader(reader);
  const fileKey = await unwrap(header, keys, reader.object);
  const nonce = await reader.exactly(NONCE_BYTES, "an age file");
  return {
    bytes: concat([header, nonce]),
    cipher: await payloadCipher(fileKey, nonce),
  };
}

/**
 * Yields the bytes of an age file. Checks, without a key, that the file begins
 * with a header and that the size of its payload is valid.
 *
 * @param file The file.
 * @param object The name of the file, for errors.
 * @throws {DeltarError} `corrupt` if the file is not an age file; `truncated`
 *   if the file ends early; `limit` if its header is longer than 64 KiB.
 */
export async function* wholeFile(
  file: ByteSource,
  object: string,
): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(chunks(file), { object });
  yield await readHeader(reader);
  let size = 0;
  for (let part; (part = await reader.some()) !== undefined;) {
    size += part.length;
    yield part;
  }
  if (plainSize(size) !== undefined) return;
  throw reader.truncated("the payload of an age file", 0);
}

/**
 * Reads the header of an age file, up to the end of the line with its MAC.
 *
 * @param reader The reader, at the beginning of the file. Afterwards, the
 *   reader is at the nonce.
 * @throws {DeltarError} The errors of `readHead`, except `key` and
 *   `unsupported`.
 */
export async function readHeader(reader: ByteReader): Promise<Uint8Array> {
  const { object } = reader;
  let read = new Uint8Array(0) as Uint8Array;
  for (;;) {
    const part = await reader.some();
    if (part !== undefined) {
      read = read.length > 0 ? concat([read, part]) : part;
    }
    const start = decoder.decode(read.subarray(0, ARMOR.length));
    if (!MAGIC.startsWith(start.slice(0, MAGIC.length))) {
      const what = start === ARMOR
        ? "the age file is armored; decode the lines between its first and last line from base64"
        : "the file is not an age file";
      throw new DeltarError("corrupt", what, { object, offset: 0 });
    }
    const length = lengthOfHeader(read);
    if (length > 0) {
      reader.unread(read.subarray(length));
      return read.subarray(0, length);
    }
    if (read.length > MAX_HEADER_BYTES) {
      throw new DeltarError(
        "limit",
        `the header of the age file has more than ${MAX_HEADER_BYTES} bytes`,
        { object },
      );
    }
    if (part === undefined) {
      throw reader.truncated("the header of an age file", 0);
    }
  }
}

/**
 * Returns the length of an age file's header in bytes, or 0 if the first 64 KiB
 * of `bytes` do not contain the whole header.
 */
export function lengthOfHeader(bytes: Uint8Array): number {
  const start = bytes.subarray(0, MAX_HEADER_BYTES);
  let at = start.indexOf(NEWLINE);
  while (at >= 0) {
    const line = start.subarray(at + 1, at + 1 + MAC_START.length);
    const end = start.indexOf(NEWLINE, at + 1);
    if (decoder.decode(line) === MAC_START) return end + 1;
    at = end;
  }
  return 0;
}

/**
 * Decrypts the file key of an age file.
 *
 * @param header The header of the file.
 * @param keys The keys to try.
 * @param object The name of the file, for errors.
 * @throws {DeltarError} The errors `key`, `corrupt` and `unsupported` of
 *   `readHead`.
 */
export async function unwrap(
  header: Uint8Array,
  keys: readonly AgeKey[],
  object: string | undefined,
): Promise<Uint8Array> {
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  try {
    for (const key of keys) {
      if (typeof key === "object" && "passphrase" in key) {
        decrypter.addPassphrase(key.passphrase);
      } else decrypter.addIdentity(key);
    }
  } catch {
    // The cause is not kept, because its message can contain the key.
    throw new DeltarError(
      "unsupported",
      "one of the given identities is not an age identity (AGE-SECRET-KEY-1…)",
      { object },
    );
  }
  try {
    return await decrypter.decryptHeader(header);
  } catch (cause) {
    const { message } = cause as Error;
    if (/^no identity matched/.test(message)) {
      throw new DeltarError("key", "none of the keys decrypts this file", {
        object,
        cause,
      });
    }
    throw new DeltarError("corrupt", `invalid age header: ${message}`, {
      object,
      cause,
    });
  }
}

function payloadCipher(
  fileKey: Uint8Array,
  nonce: Uint8Array,
): Promise<ChunkCipher> {
  return chunkCipher(
    hkdf(sha256, fileKey, nonce, encoder.encode("payload"), 32),
  );
}
