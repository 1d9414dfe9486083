import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type AgeKey, readHead } from "../../age/header.ts";
import { encrypt } from "../../age/mod.ts";
import { openChunks } from "../../age/payload.ts";
import { ByteReader } from "../../bytes/byte_reader.ts";
import { toHex } from "../../bytes/hex.ts";
import { type ByteSource, chunks, concat } from "../../bytes/source.ts";

/**
 * A cipher for the files that a machine keeps about an encrypted repository
 * outside the repository, such as the state of a directory.
 */
export class SealedFiles {
  readonly #key: AgeKey;
  readonly #recipient: string;
  readonly #secret: string;

  /**
   * Creates a cipher for files.
   *
   * @param of The key that decrypts the files, its recipient, and the secret
   *   from which `nameFor` computes the names of the files.
   */
  constructor(of: { key: AgeKey; recipient: string; secret: string }) {
    this.#key = of.key;
    this.#recipient = of.recipient;
    this.#secret = of.secret;
  }

  /**
   * Returns the name of the file about a subject: 64 hexadecimal digits.
   * Without the secret, nobody can find the subject by computing the names of
   * guessed subjects.
   *
   * @param what The subject of the file, such as the path of a directory.
   */
  nameFor(what: string): string {
    const encoder = new TextEncoder();
    const key = encoder.encode(`deltar file name\n${this.#secret}`);
    return toHex(hmac(sha256, key, encoder.encode(what)));
  }

  /** Encrypts the content of a file as an age file. */
  async *seal(content: ByteSource): AsyncGenerator<Uint8Array> {
    yield* encrypt(content, [this.#recipient]);
  }

  /**
   * Decrypts the content of a file.
   *
   * @param file The whole age file.
   * @param object The name of the file, for errors.
   * @throws {DeltarError} `key` if the file is encrypted for another key;
   *   `corrupt` or `truncated` if it is damaged.
   */
  async open(file: Uint8Array, object: string): Promise<Uint8Array> {
    const reader = new ByteReader(chunks(file), { object });
    const { cipher } = await readHead(reader, [this.#key]);
    const sealed = file.subarray(reader.offset);
    return concat(await openChunks(cipher, sealed, { object }));
  }
}
