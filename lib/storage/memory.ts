import { DeltarError } from "../bytes/errors.ts";
import { checkAborted } from "../bytes/abort.ts";
import { type ByteSource, chunks, concat } from "../bytes/source.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { checkName } from "./names.ts";
import { rangeIn } from "./range.ts";
import type {
  GetOptions,
  PutOptions,
  Storage,
  StoredObject,
} from "./storage.ts";

/** The maximum number of bytes of an object that are yielded at a time. */
const MAX_READ_BYTES = 1 << 20;

/**
 * A storage in memory, for tests and for small archives that are sent
 * elsewhere. It is also an example of a short implementation of the interface.
 * Its objects are lost when the process ends.
 *
 * @example Store and read a part
 * ```ts
 * import { MemoryStorage } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 *
 * const storage = new MemoryStorage();
 * await storage.put("greeting", new TextEncoder().encode("hello"));
 * const parts = await Array.fromAsync(storage.get("greeting", { offset: 1, length: 3 }));
 * assert.equal(new TextDecoder().decode(parts[0]), "ell");
 * ```
 */
export class MemoryStorage implements Storage {
  /** The name of the storage in messages. */
  readonly location = "memory";
  /** The objects by name. Tests may change them. */
  readonly objects: Map<string, Uint8Array> = new Map();

  /** Reads an object; see {@linkcode Storage.get}. */
  async *get(
    name: string,
    options: GetOptions = {},
  ): AsyncGenerator<Uint8Array> {
    checkName(name);
    checkAborted(options.signal);
    const bytes = this.objects.get(name);
    if (bytes === undefined) {
      throw new DeltarError("not-found", "the object does not exist", {
        object: name,
      });
    }
    const { start, end } = rangeIn(name, bytes.length, options);
    for (let at = start; at < end; at += MAX_READ_BYTES) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(options.signal);
      yield bytes.slice(at, Math.min(at + MAX_READ_BYTES, end));
    }
  }

  /** Stores an object; see {@linkcode Storage.put}. */
  async put(
    name: string,
    source: ByteSource,
    options: PutOptions = {},
  ): Promise<void> {
    checkName(name);
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks(source)) {
      checkAborted(options.signal);
      parts.push(chunk.slice());
    }
    checkAborted(options.signal);
    if (options.ifAbsent && this.objects.has(name)) {
      throw new DeltarError("exists", "the object already exists", {
        object: name,
      });
    }
    this.objects.set(name, concat(parts));
  }

  /** Lists the objects under a prefix; see {@linkcode Storage.list}. */
  async *list(prefix = ""): AsyncGenerator<StoredObject> {
    await Promise.resolve();
    for (const [name, bytes] of [...this.objects]) {
      if (name.startsWith(prefix)) yield { name, size: bytes.length };
    }
  }

  /** Deletes an object; see {@linkcode Storage.delete}. */
  delete(name: string): Promise<void> {
    checkName(name);
    this.objects.delete(name);
    return Promise.resolve();
  }
}
