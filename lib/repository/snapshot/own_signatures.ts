import { DeltarError } from "../../bytes/errors.ts";
import { collect } from "../../bytes/source.ts";
import { Signature } from "../../delta/signature.ts";
import {
  namesIn,
  readFileBytes,
  removeFile,
  writeFileAtomic,
} from "../../tree/file.ts";
import type { SealedFiles } from "../store/sealed_files.ts";

/** The maximum size of a signature file, in bytes. */
const MAX_SIGNATURE_BYTES = 2 ** 30;

/** The end of the names of signature files. */
const SUFFIX = ".signature.age";

/**
 * The current signatures of a directory's large files. A write-only machine
 * keeps them in its cache folder, in files that are encrypted for the machine
 * itself. Other machines derive the signatures from stored objects, which a
 * write-only machine cannot always read.
 */
export class OwnSignatures {
  readonly #folder: string;
  readonly #files: SealedFiles;
  /** The beginning of the names of the directory's signature files. */
  readonly #prefix: string;

  /**
   * Creates a view of a directory's signatures. Reads nothing yet.
   *
   * @param folder The folder of the caches.
   * @param files The encryption of files for this machine.
   * @param directory The path of the directory.
   */
  constructor(folder: string, files: SealedFiles, directory: string) {
    this.#folder = folder;
    this.#files = files;
    this.#prefix = `${files.nameFor(directory).slice(0, 16)}-`;
  }

  /**
   * Returns the signature of a content, or `undefined` if the signature's file
   * is missing or damaged.
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
      const bytes = await this.#files.open(file, name);
      return Signature.decode(bytes, { object: name });
    } catch (error) {
      // Without the signature, the content is stored whole.
      if (error instanceof DeltarError) return undefined;
      throw error;
    }
  }

  /**
   * Stores the signature of a content.
   *
   * @param sum The SHA-256 of the content, in hexadecimal.
   * @param signature The signature.
   */
  async put(sum: string, signature: Signature): Promise<void> {
    const name = this.#nameOf(sum);
    const file = this.#files.seal(signature.encode());
    await writeFileAtomic(
      `${this.#folder}/${name}`,
      [await collect(file)],
      { inNewFolder: true, isPrivate: true, mayBeLost: true },
    );
  }

  /**
   * Deletes the signatures of contents that the directory no longer has.
   *
   * @param sums The SHA-256 of each file of the directory, in hexadecimal.
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
    const name = this.#files.nameFor(sum).slice(0, 32);
    return `${this.#prefix}${name}${SUFFIX}`;
  }
}
