/**
 * The keys of an encrypted repository.
 *
 * One age identity, the identity of the repository, decrypts all of its objects.
 * `keys/NAME.age` holds it once for each person or machine, encrypted for their
 * recipient or with their passphrase. So a key is added or removed by one small
 * object, and `age -d -i KEY keys/NAME.age` gives an identity file that opens
 * everything else. The settings name the identity by a sum of its recipient, so
 * that a key file of another origin is not used.
 *
 * @module
 */
import { decrypt, encrypt, encryptWith } from "../../age/mod.ts";
import type { AgeKey, AgeRecipient } from "../../age/header.ts";
import { newIdentity, recipientOf } from "../../age/identity.ts";
import { codeOf, DeltarError, isDamage } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import { collectAtMost } from "../../bytes/source.ts";
import { EncryptedStorage } from "../../storage/encrypted.ts";
import type { Storage } from "../../storage/storage.ts";
import { MANIFESTS, SETTINGS } from "../format/names.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";

/** The folder of the key files. */
const KEYS = "keys/";

/** The maximum size of a key file in bytes. */
const MAX_KEY_BYTES = 1 << 16;

/** The names of keys: of people or machines. */
const NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

/** The person or machine that a key is for. */
export interface KeyFor {
  /**
   * The name of the key: 1 to 64 letters, digits, `.`, `_` and `-`. It is not
   * encrypted.
   */
  name: string;
  /** The recipient (`age1…`) or the passphrase that opens the key. */
  to: AgeRecipient | { passphrase: string };
}

/** The keys of an encrypted repository. */
export class RepositoryKeys {
  readonly #storage: Storage;
  readonly #identity: string;
  readonly #id: string;

  private constructor(storage: Storage, id: string, identity: string) {
    this.#storage = storage;
    this.#identity = identity;
    this.#id = id;
  }

  /**
   * Makes the identity of a new repository, and its first key.
   *
   * @param storage The storage of the key files.
   * @param id The id of the repository.
   * @throws {DeltarError} `exists` if there is a key of this name.
   */
  static async create(
    storage: Storage,
    id: string,
    first: KeyFor,
  ): Promise<RepositoryKeys> {
    const keys = new RepositoryKeys(storage, id, await newIdentity());
    await keys.add(first);
    return keys;
  }

  /**
   * Opens the identity of a repository.
   *
   * @param storage The storage of the key files.
   * @param id The id of the repository.
   * @param own The keys of the caller.
   * @param sum The sum of the repository's recipient. Without it, if the
   *   settings are lost, any identity is used.
   * @throws {DeltarError} `key` if no key was given, or none of them opens a key
   *   file; `corrupt` if a key file is damaged and no other one opens.
   */
  static async open(
    storage: Storage,
    id: string,
    own: readonly AgeKey[],
    sum: string | undefined,
  ): Promise<RepositoryKeys> {
    if (own.length === 0) {
      throw new DeltarError("key", "the repository is encrypted; give a key", {
        object: storage.location,
      });
    }
    // The identity of the repository itself, from a recovery sheet, needs no key
    // file.
    for (const key of own) {
      if (typeof key !== "string" || sum === undefined) continue;
      const isItself = await sumOf(key).catch(() => undefined) === sum;
      if (isItself) return new RepositoryKeys(storage, id, key);
    }
    const names = await namesOf(storage);
    let damage: DeltarError | undefined;
    for (const name of names) {
      try {
        const identity = await openKey(storage, name, own);
        if (sum === undefined || await sumOf(identity) === sum) {
          return new RepositoryKeys(storage, id, identity);
        }
        damage ??= new DeltarError("mismatch", "a key of another repository", {
          object: objectOf(name),
        });
      } catch (error) {
        if (codeOf(error) === "key") continue;
        if (!isDamage(error)) throw error;
        damage ??= error;
      }
    }
    if (damage !== undefined) throw damage;
    const what = names.length === 0
      ? "the repository is encrypted, and all of its key files are missing"
      : "none of the given keys opens this repository, whose keys are " +
        `${names.join(", ")}. If yours did before, its file in keys/ may be ` +
        "damaged.";
    throw new DeltarError("key", what, { object: storage.location });
  }

  /** Returns the names of the keys, sorted. */
  async list(): Promise<string[]> {
    return await namesOf(this.#storage);
  }

  /**
   * Adds a key.
   *
   * @throws {DeltarError} `exists` if there is a key of this name;
   *   `unsupported` if the recipient is not valid.
   */
  async add({ name, to }: KeyFor): Promise<void> {
    checkKeyName(name);
    const text = `# the identity of the deltar repository ${this.#id}\n` +
      `${this.#identity}\n`;
    const bytes = new TextEncoder().encode(text);
    const file = typeof to === "object" && "passphrase" in to
      ? [await encryptWith(bytes, to.passphrase)]
      : encrypt(bytes, [to]);
    const object = objectOf(name);
    try {
      await this.#storage.put(object, file, { ifAbsent: true });
    } catch (cause) {
      if (codeOf(cause) !== "exists") throw cause;
      throw new DeltarError(
        "exists",
        "there is a key of this name; choose another name",
        { object, cause },
      );
    }
  }

  /**
   * Removes a key. Its owner may have kept the identity of the repository.
   *
   * @throws {DeltarError} `not-found` if there is no such key; `unsafe` if it is
   *   the last one.
   */
  async remove(name: string): Promise<void> {
    checkKeyName(name);
    const names = await namesOf(this.#storage);
    const object = objectOf(name);
    if (!names.includes(name)) {
      throw new DeltarError(
        "not-found",
        `no such key; the keys are ${names.join(", ")}`,
        { object },
      );
    }
    if (names.length === 1) {
      throw new DeltarError(
        "unsafe",
        "the last key cannot be removed, because nobody could read the " +
          "repository any more; add another key first",
        { object },
      );
    }
    await this.#storage.delete(object);
  }

  /** Deletes the key of a repository that another process created first. */
  async discard(name: string): Promise<void> {
    await this.#storage.delete(objectOf(name));
  }

  /** Returns the sum of the repository's recipient, for the settings. */
  sum(): Promise<string> {
    return sumOf(this.#identity);
  }

  /** Returns the repository's recipient (`age1…`). */
  recipient(): Promise<string> {
    return recipientOf(this.#identity);
  }

  /** Returns the identity of the repository, for a copy on paper. */
  identity(): string {
    return this.#identity;
  }

  /**
   * Returns the view of the repository's objects.
   *
   * @param onStored Called with each encrypted object that is stored.
   */
  async decrypted(
    onStored?: (object: ObjectRecord) => void,
  ): Promise<Storage> {
    return new EncryptedStorage(this.#storage, {
      keys: [this.#identity],
      recipient: await this.recipient(),
      onStored,
      kindOf: (name) =>
        name === SETTINGS || name.startsWith(MANIFESTS)
          ? "clear"
          : name.startsWith(KEYS)
          ? "foreign"
          : "encrypted",
    });
  }
}

/** Returns the names of the keys in a storage, sorted. */
async function namesOf(storage: Storage): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of storage.list(KEYS)) {
    const key = name.slice(KEYS.length).replace(/\.age$/, "");
    if (NAME.test(key) && name === objectOf(key)) names.push(key);
  }
  return names.sort();
}

function objectOf(name: string): string {
  return `${KEYS}${name}.age`;
}

function checkKeyName(name: string): void {
  if (NAME.test(name)) return;
  throw new TypeError(
    "the name of a key has 1 to 64 letters, digits, `.`, `_` and `-`: " +
      JSON.stringify(name),
  );
}

/** Decrypts a key file. Returns the identity in it. */
async function openKey(
  storage: Storage,
  name: string,
  own: readonly AgeKey[],
): Promise<string> {
  const object = objectOf(name);
  const file = decrypt(storage.get(object), own, object);
  const bytes = await collectAtMost(file, MAX_KEY_BYTES, object);
  const [identity] = new TextDecoder().decode(bytes).split("\n")
    .filter((line) => line.startsWith("AGE-SECRET-KEY-"));
  if (identity === undefined) {
    throw new DeltarError("corrupt", "no identity in the key file", { object });
  }
  return identity.trim();
}

/** Returns the SHA-256 of an identity's recipient, in hexadecimal. */
async function sumOf(identity: string): Promise<string> {
  const recipient = await recipientOf(identity);
  return toHex(sha256(new TextEncoder().encode(recipient)));
}
