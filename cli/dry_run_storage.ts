import { DeltarError, MemoryStorage, type Storage } from "../mod.ts";
import {
  type ByteSource,
  chunks,
  type GetOptions,
  type PutOptions,
  type StoredObject,
} from "../lib/storage/mod.ts";

/**
 * A storage that takes the objects of a dry run. It reads from another storage,
 * and writes nothing to it: it counts the bytes of new volumes and signatures,
 * and keeps all other new objects in memory. Deletions are ignored.
 */
export class DryRunStorage implements Storage {
  readonly location: string;
  readonly localPath?: string;
  readonly #stored: Storage;
  readonly #kept = new MemoryStorage();
  /** The sizes of the volumes and signatures that were not kept, by name. */
  readonly #counted = new Map<string, number>();

  /** Makes a storage whose objects are those of another one. */
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
