import { decrypt, encrypt } from "../../age/mod.ts";
import type { AgeKey, AgeRecipient } from "../../age/header.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import { collect, collectAtMost } from "../../bytes/source.ts";
import { Signature } from "../../delta/signature.ts";
import {
  namesIn,
  readFileBytes,
  removeFile,
  writeFileAtomic,
} from "../../tree/file.ts";

/** The maximum size of a signature in bytes: that of a file of some terabytes. */
const MAX_SIGNATURE_BYTES = 2 ** 30;

/** The end of the names of the files. */
const SUFFIX = ".signature.age";

/**
 * The current signatures of the large files of a directory, which a write-only
 * machine keeps in its cache. It cannot read the stored content, from which
 * others derive them. The files are encrypted for the machine itself.
 */
export class OwnSignatures {
  readonly #prefix: string;
  readonly #folder: string;
  readonly #keys: readonly AgeKey[];
  readonly #recipient: AgeRecipient;

  /**
   * Makes the signatures of a directory. Nothing is read yet.
   *
   * @param folder The folder of the caches.
   * @param repository The id of the repository.
   * @param directory The path of the directory.
   * @param own The keys of the machine, and its recipient.
   */
  constructor(
    folder: string,
    repository: string,
    directory: string,
    { keys, recipient }: { keys: readonly AgeKey[]; recipient: AgeRecipient },
  ) {
    const sum = toHex(sha256(new TextEncoder().encode(directory)));
    this.#folder = folder;
    this.#prefix = `${repository}-${sum.slice(0, 16)}-`;
    this.#keys = keys;
    this.#recipient = recipient;
  }

  /**
   * Returns the signature of a content, or `undefined` if it is not there or
   * damaged.
   *
   * @param sum The SHA-256 of the content, in hexadecimal.
   */
  async get(sum: string): Promise<Signature | undefined> {
    const name = this.#nameOf(sum);
    try {
      const file = await readFileBytes(
        `${this.#folder}/${name}`,
        undefined,
        MAX_SIGNATURE_BYTES,
      );
      const plain = decrypt(file, this.#keys, name);
      const bytes = await collectAtMost(plain, MAX_SIGNATURE_BYTES, name);
      return Signature.decode(bytes, { object: name });
    } catch (error) {
      // The file is then stored whole.
      if (error instanceof DeltarError) return undefined;
      throw error;
    }
  }

  /**
   * Keeps the signature of a content.
   *
   * @param sum The SHA-256 of the content, in hexadecimal.
   */
  async put(sum: string, signature: Signature): Promise<void> {
    const name = this.#nameOf(sum);
    const file = encrypt([signature.encode()], [this.#recipient]);
    await writeFileAtomic(
      `${this.#folder}/${name}`,
      [await collect(file)],
      { inNewFolder: true, isPrivate: true, mayBeLost: true },
    );
  }

  /**
   * Deletes the signatures of contents that the directory no longer has.
   *
   * @param sums The SHA-256 of each file of the directory.
   */
  async tidy(sums: Iterable<string>): Promise<void> {
    const going = new Set(
      namesIn(this.#folder).filter((name) =>
        name.startsWith(this.#prefix) && name.endsWith(SUFFIX)
      ),
    );
    if (going.size === 0) return;
    for (const sum of sums) going.delete(this.#nameOf(sum));
    for (const name of going) await removeFile(`${this.#folder}/${name}`);
  }

  #nameOf(sum: string): string {
    // The name must not tell the content.
    const key = toHex(sha256(new TextEncoder().encode(this.#prefix + sum)));
    return `${this.#prefix}${key.slice(0, 32)}${SUFFIX}`;
  }
}
