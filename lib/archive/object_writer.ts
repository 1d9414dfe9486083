import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256 } from "../bytes/sha256.ts";
import type { Storage } from "../storage/storage.ts";
import { Pipe } from "./pipe.ts";

/** A stored volume as its records name it. */
export interface VolumeRecord {
  /** The object's name. */
  name: string;
  /** The length of the object, in bytes. */
  size: number;
  /** The SHA-256 of its bytes, in hexadecimal. */
  sha256: string;
}

/** Stores one object that is made piece by piece, and sums it as it goes. */
export class ObjectWriter {
  /** The object's name. */
  readonly name: string;
  /** The number of bytes written. */
  size = 0;
  readonly #pipe = new Pipe();
  readonly #sum = createSha256();
  readonly #stored: Promise<void>;

  /**
   * Starts to store an object; it must not be there yet.
   *
   * @param storage Where to.
   * @param name The object's name.
   * @param signal Stops the storing.
   */
  constructor(storage: Storage, name: string, signal?: AbortSignal) {
    this.name = name;
    this.#stored = storage.put(name, this.#pipe, { ifAbsent: true, signal });
    this.#stored.then(
      () =>
        this.#pipe.fail(
          new DeltarError("io", "was stored before its end", { object: name }),
        ),
      (error) => this.#pipe.fail(error),
    );
  }

  /**
   * Writes bytes; resolves when the storage has taken them.
   *
   * @param onUsed Called when the storage is done with them, unless it fails.
   * @throws The error of the storage.
   */
  async write(bytes: Uint8Array, onUsed?: () => void): Promise<void> {
    this.#sum.update(bytes);
    this.size += bytes.length;
    try {
      await this.#pipe.push(bytes, onUsed);
    } catch (error) {
      // A storage that fails leaves the pipe first and says why after that.
      await this.#stored;
      throw error;
    }
  }

  /** Ends the object; resolves when it is stored. */
  async finish(): Promise<VolumeRecord> {
    this.#pipe.end();
    await this.#stored;
    const sha256 = toHex(this.#sum.digest());
    return { name: this.name, size: this.size, sha256 };
  }

  /** Gives up; resolves when the storage has let go and nothing is stored. */
  async abort(reason: unknown): Promise<void> {
    this.#pipe.fail(reason);
    await this.#stored.catch(() => {});
  }
}
