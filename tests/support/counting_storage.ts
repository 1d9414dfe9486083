import { MemoryStorage } from "../../lib/storage/memory.ts";
import type { GetOptions, StoredObject } from "../../lib/storage/storage.ts";

/** A storage in memory that counts its requests. */
export class CountingStorage extends MemoryStorage {
  /** The number of reads and listings since the last `reset`. */
  requests = 0;

  reset(): void {
    this.requests = 0;
  }

  override get(
    name: string,
    options?: GetOptions,
  ): AsyncGenerator<Uint8Array> {
    this.requests++;
    return super.get(name, options);
  }

  override list(prefix?: string): AsyncGenerator<StoredObject> {
    this.requests++;
    return super.list(prefix);
  }
}
