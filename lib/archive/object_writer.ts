import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256 } from "../bytes/sha256.ts";
import type { Storage } from "../storage/storage.ts";
import type { Codec } from "./codec.ts";
import { Pipe } from "./pipe.ts";

/** The name, size and checksum of a stored volume. */
export interface VolumeRecord {
  /** The object's name. */
  name: string;
  /** The length of the object, in bytes. */
  size: number;
  /** The SHA-256 of the object, in hexadecimal. */
  sha256: string;
}

/**
 * Stores one object that is written part by part, and computes its size and
 * SHA-256 at the same time.
 */
export class ObjectWriter {
  /** The object's name. */
  readonly name: string;
  /** The number of bytes written so far. */
  size = 0;
  readonly #pipe = new Pipe();
  readonly #sum = createSha256();
  readonly #stored: Promise<void>;

  /**
   * Starts storing an object, which must not exist yet.
   *
   * @param storage The storage of the object.
   * @param name The name of the object.
   * @param signal The signal that aborts the write.
   */
  constructor(storage: Storage, name: string, signal?: AbortSignal) {
    this.name = name;
    this.#stored = storage.put(name, this.#pipe, { ifAbsent: true, signal });
    this.#stored.then(
      () =>
        this.#pipe.fail(
          new DeltarError(
            "io",
            "the storage reported success before all bytes were written",
            { object: name },
          ),
        ),
      (error) => this.#pipe.fail(error),
    );
  }

  /**
   * Writes bytes. Resolves when the storage has accepted them.
   *
   * @param onUsed Called when the storage no longer needs the bytes. Not called
   *   if the storage fails.
   * @throws The error of the storage.
   */
  async write(bytes: Uint8Array, onUsed?: () => void): Promise<void> {
    this.#sum.update(bytes);
    this.size += bytes.length;
    try {
      await this.#pipe.push(bytes, onUsed);
    } catch (error) {
      // A storage that fails stops reading the pipe before it reports an error.
      // The error of the storage is thrown instead of the error of the pipe.
      await this.#stored;
      throw error;
    }
  }

  /**
   * Ends the object, after adding padding if `codec` pads objects. Resolves to
   * the record of the object when the object is stored.
   */
  async finish(codec?: Codec): Promise<VolumeRecord> {
    for (const part of codec?.padding?.(this.size) ?? []) {
      await this.write(part);
    }
    this.#pipe.end();
    await this.#stored;
    const sha256 = toHex(this.#sum.digest());
    return { name: this.name, size: this.size, sha256 };
  }

  /**
   * Aborts the write: the storage receives `reason` as the error of the source.
   * Resolves when the storage has stopped writing the object.
   */
  async abort(reason: unknown): Promise<void> {
    this.#pipe.fail(reason);
    await this.#stored.catch(() => {});
  }
}
