import { DeltarError, MemoryStorage, type Storage } from "../mod.ts";
import {
  type ByteSource,
  chunks,
  type GetOptions,
  type PutOptions,
  type StoredObject,
} from "../lib/storage/mod.ts";

/**
 * A storage for a dry run. Existing objects are read from another storage,
 * which is never changed. Of new volumes and signatures, only the sizes are
 * kept. All other new objects are kept in memory. Deletions of existing objects
 * are ignored.
 */
export class DryRunStorage implements Storage {
  readonly location: string;
  readonly localPath?: string;
  readonly #stored: Storage;
  readonly #kept = new MemoryStorage();
  /** The sizes of the new volumes and signatures in bytes, by name. */
  readonly #counted = new Map<string, number>();

  /** Makes a storage that reads existing objects from `stored`. */
  constructor(stored: Storage) {
    this.#stored = stored;
    this.location = stored.location;
    this.localPath = stored.localPath;
  }

  get(name: string, options?: GetOptions): AsyncIterable<Uint8Array> {
    const isNew = this.#kept.objects.has(name);
    return (isNew ? this.#kept : this.#stored).get(name, options);
  }

  async put(
    name: string,
    source: ByteSource,
    options?: PutOptions,
  ): Promise<void> {
    if (!/^(?:volumes|signatures)\//.test(name)) {
      return await this.#kept.put(name, source, options);
    }
    let size = 0;
    for await (const chunk of chunks(source)) {
      if (options?.signal?.aborted) {
        throw new DeltarError("aborted", "interrupted", { object: name });
      }
      size += chunk.length;
    }
    this.#counted.set(name, size);
  }

  async *list(prefix = ""): AsyncGenerator<StoredObject> {
    yield* this.#kept.list(prefix);
    for (const [name, size] of this.#counted) {
      if (name.startsWith(prefix)) yield { name, size };
    }
    for await (const object of this.#stored.list(prefix)) {
      if (!this.#kept.objects.has(object.name)) yield object;
    }
  }

  async delete(name: string): Promise<void> {
    this.#counted.delete(name);
    await this.#kept.delete(name);
  }

  belongsToOthers(): boolean {
    return this.#stored.belongsToOthers?.() ?? false;
  }
}
