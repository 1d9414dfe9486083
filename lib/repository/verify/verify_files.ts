import { DeltarError } from "../../bytes/errors.ts";
import { DigestSet } from "../../bytes/digest_set.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256, sha256 } from "../../bytes/sha256.ts";
import { chunks } from "../../bytes/source.ts";
import { Signature } from "../../delta/signature.ts";
import type { Storage } from "../../storage/storage.ts";
import { storedSize } from "../../tree/entry_line.ts";
import { placedData } from "../../tree/sparse.ts";
import { ContentReader } from "../content/content.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";
import type {
  StoredPiece,
  TreeEntry,
  TreeFileEntry,
} from "../layers/tree_layer.ts";

/** Returns all pieces that an entry refers to, with the signature last. */
export function allPieces({ content, signature }: TreeEntry): StoredPiece[] {
  const pieces = [...content ?? []];
  if (signature !== undefined) pieces.push(signature);
  return pieces;
}

/**
 * Returns an error if an entry refers to an object that the tree does not list,
 * or to bytes beyond the end of an object; otherwise `undefined`.
 *
 * @param entry The entry.
 * @param objects The objects that the tree lists, by name.
 */
export function referenceFault(
  entry: TreeEntry,
  objects: ReadonlyMap<string, ObjectRecord>,
): DeltarError | undefined {
  for (const { reference } of allPieces(entry)) {
    const { volume, offset, length } = reference;
    const object = objects.get(volume);
    const what = object === undefined
      ? "a file needs the object, but the tree does not list it"
      : offset + length > object.size
      ? "a file needs bytes beyond the end of the object, which has " +
        `${object.size} bytes`
      : undefined;
    if (what !== undefined) {
      return new DeltarError("corrupt", what, {
        object: volume,
        path: entry.path,
        offset,
      });
    }
  }
  return undefined;
}

/**
 * A check that rebuilds files and compares them with their SHA-256. Each
 * content is rebuilt once for each place where it is stored.
 */
export class FileCheck {
  /**
   * The number of contents that were rebuilt and match their SHA-256. A content
   * that is stored in several places counts once for each place.
   */
  files = 0;
  readonly #reader: ContentReader;
  readonly #done = new DigestSet();
  readonly #bad = new Map<string, DeltarError>();
  readonly #running = new Map<string, Promise<void>>();

  /** Creates a check of the files in a storage. */
  constructor(storage: Storage) {
    this.#reader = new ContentReader(storage);
  }

  /**
   * Rebuilds a file and compares it with its SHA-256, unless the same stored
   * content was already checked.
   *
   * @param entry The file.
   * @param signal The signal that ends the work with an error of code
   * `aborted`.
   * @param onRead Called after each part of the file is read, with the size of
   * the part in bytes.
   * @returns The fault of the file; `undefined` if the file is undamaged.
   * @throws {DeltarError} `aborted` if the signal ends the work.
   */
  async check(
    entry: TreeFileEntry,
    signal: AbortSignal | undefined,
    onRead: (bytes: number) => void,
  ): Promise<DeltarError | undefined> {
    const key = contentKey(entry);
    if (!this.#done.has(key)) {
      let running = this.#running.get(key);
      if (running === undefined) {
        running = this.#rebuild(key, entry, signal, onRead)
          .finally(() => this.#running.delete(key));
        this.#running.set(key, running);
      }
      await running;
    }
    return this.#bad.get(key);
  }

  /**
   * Returns the fault of a large file's stored signature; `undefined` if there
   * is no signature, or if the signature can be read and records the size of
   * the file's first piece.
   */
  async checkSignature(
    { path, content, signature }: TreeFileEntry,
    signal: AbortSignal | undefined,
  ): Promise<DeltarError | undefined> {
    if (signature === undefined) return undefined;
    const object = signature.reference.volume;
    try {
      const bytes = await this.#reader.readPiece(signature, path, signal);
      const { fileSize } = Signature.decode(bytes, { object });
      if (fileSize === content[0].size) {
        return undefined;
      }
      return new DeltarError(
        "corrupt",
        "the signature belongs to a file of a different size",
        {
          object,
          path,
        },
      );
    } catch (error) {
      return faultOf(error);
    }
  }

  async #rebuild(
    key: string,
    entry: TreeFileEntry,
    signal: AbortSignal | undefined,
    onRead: (bytes: number) => void,
  ): Promise<void> {
    try {
      const sum = createSha256();
      let size = 0;
      const content = await this.#reader.read(entry, {
        sharesMemory: true,
        signal,
      });
      const parts = async function* () {
        for await (const part of chunks(content)) {
          sum.update(part);
          size += part.length;
          onRead(part.length);
          yield part;
        }
      };
      // For a sparse file, `placedData` also checks the list of the ranges that
      // have data.
      const rebuilt = entry.sparse === undefined ? parts() : placedData(
        parts(),
        entry.size,
        entry.sparse,
        entry.content[0].reference.volume,
      );
      for await (const _ of rebuilt);
      if (size !== storedSize(entry) || toHex(sum.digest()) !== entry.sha256) {
        throw new DeltarError(
          "corrupt",
          "the content does not match its recorded size or SHA-256",
          {
            object: entry.content[0].reference.volume,
            path: entry.path,
          },
        );
      }
      this.files++;
    } catch (error) {
      this.#bad.set(key, faultOf(error));
    }
    this.#done.add(key);
  }
}

/**
 * Returns the error if it is a `DeltarError` with a code other than `aborted`.
 * Throws any other error.
 */
function faultOf(error: unknown): DeltarError {
  if (error instanceof DeltarError && error.code !== "aborted") return error;
  throw error;
}

/**
 * Returns a text that is equal for files with the same content in the same
 * ranges of the same volumes.
 */
function contentKey(entry: TreeFileEntry): string {
  const { sha256: sum, size, sparse } = entry;
  const places = entry.content.map(({ form, size, reference }) => {
    const { volume, offset, length, skip } = reference;
    return [form, size, volume, offset, length, skip];
  });
  const text = JSON.stringify([sum, size, sparse, places]);
  return toHex(sha256(new TextEncoder().encode(text)).subarray(0, 12));
}
