import { DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import { collect } from "../../bytes/source.ts";
import { turnIfDue } from "../../bytes/turns.ts";
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

/** The end of the names of signature files that are not encrypted. */
const SUFFIX = ".signature";
/** The end of the names of encrypted signature files. */
const SEALED_SUFFIX = `${SUFFIX}.age`;

/** The directory and the repository to which kept signatures belong. */
export interface SignaturesOf {
  /** The id of the repository. */
  repository: string;
  /** The path of the directory. */
  directory: string;
  /**
   * The cipher for the signature files. Absent if the repository is not
   * encrypted.
   */
  files?: SealedFiles;
  /**
   * Whether the machine is write-only, and therefore keeps the signatures of
   * all large files.
   */
  isWriteOnly: boolean;
}

/**
 * The current signatures of large files that a machine keeps in its cache
 * folder.
 *
 * A write-only machine keeps the signatures of all large files, because it
 * cannot always read the stored objects from which other machines derive them.
 * Other machines keep the signatures of some very large files, such as growing
 * logs, because deriving such a signature would read everything that was added
 * to the file so far.
 * If the repository is encrypted, the signature files are encrypted for the
 * machine.
 */
export class KeptSignatures {
  /** See {@linkcode SignaturesOf.isWriteOnly}. */
  readonly isWriteOnly: boolean;
  readonly #folder: string;
  readonly #files: SealedFiles | undefined;
  /** The beginning of the names of the directory's signature files. */
  readonly #prefix: string;

  /**
   * Creates a view of a directory's signatures. Reads nothing yet.
   *
   * @param folder The folder of the caches.
   * @param of The directory and the repository.
   */
  constructor(
    folder: string,
    { repository, directory, files, isWriteOnly }: SignaturesOf,
  ) {
    this.isWriteOnly = isWriteOnly;
    this.#folder = folder;
    this.#files = files;
    this.#prefix = files === undefined
      ? `${repository}-${sumOf(directory).slice(0, 16)}-`
      : `${files.nameFor(directory).slice(0, 16)}-`;
  }

  /**
   * Returns the signature of a content; `undefined` if the file of the
   * signature is missing or cannot be read.
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
      const bytes = await this.#files?.open(file, name) ?? file;
      return Signature.decode(bytes, { object: name });
    } catch (error) {
      if (error instanceof DeltarError) return undefined;
      throw error;
    }
  }

  /**
   * Stores the signature of a content. Errors are ignored, because without the
   * signature, the next snapshot only takes longer or stores more.
   *
   * @param sum The SHA-256 of the content, in hexadecimal.
   * @param signature The signature.
   */
  async put(sum: string, signature: Signature): Promise<void> {
    const name = this.#nameOf(sum);
    const bytes = signature.encode();
    const file = this.#files?.seal(bytes);
    try {
      await writeFileAtomic(
        `${this.#folder}/${name}`,
        [file === undefined ? bytes : await collect(file)],
        { inNewFolder: true, isPrivate: true, mayBeLost: true },
      );
    } catch {
      // The signature is not kept, for example because the disk is full.
    }
  }

  /**
   * Deletes the signatures of contents that the directory no longer has. Errors
   * are ignored.
   *
   * @param sums The SHA-256 of each large file of the directory, in hexadecimal.
   */
  async tidy(sums: Iterable<string>): Promise<void> {
    try {
      const going = new Set(
        namesIn(this.#folder).filter((name) =>
          name.startsWith(this.#prefix) && name.endsWith(this.#suffix)
        ),
      );
      if (going.size === 0) return;
      for (const sum of sums) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        going.delete(this.#nameOf(sum));
        if (going.size === 0) return;
      }
      for (const name of going) await removeFile(`${this.#folder}/${name}`);
    } catch {
      // The next snapshot tries to delete the files again.
    }
  }

  get #suffix(): string {
    return this.#files === undefined ? SUFFIX : SEALED_SUFFIX;
  }

  #nameOf(sum: string): string {
    const name = (this.#files?.nameFor(sum) ?? sum).slice(0, 32);
    return `${this.#prefix}${name}${this.#suffix}`;
  }
}

function sumOf(text: string): string {
  return toHex(sha256(new TextEncoder().encode(text)));
}
