/**
 * The keys of an encrypted repository.
 *
 * The objects of the repository are decrypted with an age identity, the
 * identity of the repository. The key file `keys/NAME.age` of a full key has
 * this identity, encrypted for the recipient or with the passphrase of one
 * person or machine. So only small objects change when a key is added or
 * removed, and `age -d -i KEY keys/NAME.age` prints an identity file that
 * decrypts all other objects. A rotation adds a newer identity to the key
 * files. The settings contain the SHA-256 of the first identity's recipient, so
 * that a key file of another repository is not used.
 *
 * The file of a write-only key has no identity. Instead, it has the recipient
 * that its machine encrypts for, and an SSH signature by the admin key
 * (`admin_key.ts`).
 *
 * `open_keys.ts` finds the key file that the caller can decrypt, and
 * `key_file.ts` encodes and decodes key files. `holders.ts` stores the person
 * or machine that each key is for, `signers.ts` stores the machines whose
 * signatures are trusted, and `recipients.ts` stores the recipients after a
 * rotation. The admin key signs all of these objects (`signed_object.ts`).
 * `key_changes.ts` coordinates processes that change the keys at the same time.
 * `noted_storage.ts` stores a manifest before each key file and note.
 * `sealed_files.ts` encrypts the files that a machine keeps outside the
 * repository.
 *
 * @module
 */
import { encrypt, encryptWith } from "../../age/mod.ts";
import type { AgeKey, AgeRecipient } from "../../age/header.ts";
import { newIdentity, recipientOf } from "../../age/identity.ts";
import type { RewrapKeys } from "../../age/rewrap.ts";
import { codeOf, DeltarError } from "../../bytes/errors.ts";
import type { ByteSource } from "../../bytes/source.ts";
import type { SigningKey } from "../../ssh/mod.ts";
import { publicText, wireOf } from "../../ssh/ed25519.ts";
import { EncryptedStorage } from "../../storage/encrypted.ts";
import { AGE_SUFFIX } from "../../storage/names.ts";
import type { Storage } from "../../storage/storage.ts";
import { GARBAGE, KEYS, MANIFESTS, SETTINGS } from "../format/names.ts";
import { LOST_ID } from "../format/settings.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";
import { adminKeyOf } from "./admin_key.ts";
import {
  deleteHolder,
  type Holder,
  KEY_NAME,
  putHolder,
  readHolders,
} from "./holders.ts";
import { type KeyChange, KeyChanges } from "./key_changes.ts";
import { encodeKeyFile, type KeyFile } from "./key_file.ts";
import {
  keyFileName,
  namesOfKeys,
  type OpenedKey,
  openKeys,
  sumOf,
} from "./open_keys.ts";
import { deleteOtherManifests, withNoteManifests } from "./noted_storage.ts";
import { putRecipients, readRecipients } from "./recipients.ts";
import { type Signer, Signers } from "./signers.ts";

/** A key to add, with the person or machine that it is for. */
export interface KeyFor {
  /**
   * The name of the key: 1 to 64 ASCII letters, digits, `.`, `_` and `-`. The
   * first character is a letter or digit. The name is not encrypted.
   */
  name: string;
  /**
   * The recipient (`age1…`) or passphrase that the key file is encrypted for.
   */
  to: AgeRecipient | { passphrase: string };
  /**
   * The kind of the key. With a full key, all objects can be read and written,
   * and the keys can be changed. With a write-only key, only snapshots can be
   * taken. A write-only key is encrypted for a recipient, not with a
   * passphrase. Default: `full`.
   */
  kind?: "full" | "write-only";
  /**
   * The machine that the key is for, and the public half of the signing key of
   * this machine. Absent if they are not known.
   */
  signer?: Pick<Signer, "publicKey" | "machine">;
}

/**
 * A key in the list of a repository's keys. Its kind is `unknown` if the holder
 * of the key is not stored or cannot be read.
 */
export type KeyInfo = Holder | { name: string; kind: "unknown" };

/**
 * The first identity and the admin key that the caller expects a repository to
 * have.
 */
export interface ExpectedKeys {
  /**
   * The SHA-256 of the first identity's recipient, in hexadecimal. If the
   * settings are lost, this field is absent, and any identity is accepted.
   */
  sum?: string;
  /** The public admin key. By default, any admin key is accepted. */
  admin?: string;
}

/** A key whose file a rotation or rekey replaces. */
interface Target extends Required<Pick<KeyFor, "name" | "kind" | "to">> {
  /** Whether this is the caller's key. */
  isOwn: boolean;
}

/**
 * The keys of an encrypted repository. An instance decrypts and encrypts the
 * objects of the repository, and adds, removes and rotates its keys.
 */
export class RepositoryKeys {
  /** The public admin key: `ssh-ed25519 AAAA…`. */
  readonly adminPublicKey: string;
  /**
   * The admin key, which signs holders, signers, recipients and write-only
   * keys; `undefined` if the caller's key is write-only.
   */
  readonly admin: SigningKey | undefined;
  /**
   * The name of the key that opened the repository, or `recovery sheet` if an
   * identity from a recovery sheet opened it.
   */
  readonly openedBy: string;
  /** The machines whose signatures on records are trusted. */
  readonly signers: Signers;
  /**
   * The key that signs notes: the admin key or, if the caller's key is
   * write-only, the signing key of this machine. `undefined` if the caller's
   * key is write-only and this machine has no signing key.
   */
  readonly noteKey: SigningKey | undefined;
  /**
   * The storage of the encrypted objects. It stores a manifest before each key
   * file and note.
   */
  readonly #storage: Storage;
  readonly #id: string;
  readonly #opened: OpenedKey;
  /**
   * The second recipient of the objects that `decrypted` stores encrypted.
   * Volumes have no second recipient.
   */
  readonly #second: string;
  /**
   * The keys that decrypt the repository's objects. A rotation changes this
   * list.
   */
  readonly #openers: AgeKey[];
  /**
   * The content of the caller's key file, or of the recovery sheet. Rotations
   * and rekeys change the content.
   */
  #file: KeyFile;

  private constructor(
    storage: Storage,
    id: string,
    opened: OpenedKey,
    second: string,
    machineKey: SigningKey | undefined,
  ) {
    const { admin, name, file } = opened;
    this.#id = id;
    this.#opened = opened;
    this.#second = second;
    this.#file = file;
    this.openedBy = name;
    this.admin = typeof admin === "string" ? undefined : admin;
    this.#openers = this.isWriteOnly ? [opened.own] : [...this.identities()];
    this.adminPublicKey = typeof admin === "string" ? admin : admin.publicKey;
    this.noteKey = this.admin ?? machineKey;
    this.#storage = withNoteManifests(storage, id, this.noteKey);
    this.signers = new Signers(
      this.decrypted(),
      this.adminPublicKey,
      this.admin,
    );
  }

  /**
   * Generates the identity of a new repository and stores its first key file.
   * The caller must store the settings and then call `begin`.
   *
   * @param storage The storage of the key files.
   * @param id The id of the repository.
   * @param first The first key, which is a full key.
   * @param machineKey The signing key of this machine, if it has one.
   * @throws {DeltarError} `exists` if a key with the same name exists;
   *   `unsupported` if the recipient is not valid.
   * @throws {TypeError} If the name is not valid, or the key is write-only.
   */
  static async create(
    storage: Storage,
    id: string,
    first: KeyFor,
    machineKey?: SigningKey,
  ): Promise<RepositoryKeys> {
    if (first.kind === "write-only") {
      throw new TypeError("the first key of a repository must be a full key");
    }
    const identity = await newIdentity();
    const recipient = await recipientOf(identity);
    const admin = await adminKeyOf(identity);
    const opened: OpenedKey = {
      file: { id, recipient, identities: [identity], retired: [] },
      admin,
      sum: sumOf(recipient),
      name: first.name,
      own: identity,
    };
    const second = await secondOf(opened);
    const keys = new RepositoryKeys(storage, id, opened, second, machineKey);
    await keys.#store(first, admin);
    return keys;
  }

  /**
   * Opens the keys of a repository.
   *
   * @param storage The storage of the key files.
   * @param id The id of the repository.
   * @param own The keys of the caller.
   * @param expected The keys that the caller expects the repository to have.
   * @param machineKey The signing key of this machine, if it has one.
   * @throws {DeltarError} `key` if no key was given, or none of the given keys
   *   opens the repository; `mismatch` if the key file that a given key
   *   decrypts belongs to another repository, or the admin key is not the
   *   expected one; `corrupt`, `truncated` or `limit` if a key file is damaged
   *   and no other one can be used, or `recipients.json` is damaged.
   */
  static async open(
    storage: Storage,
    id: string,
    own: readonly AgeKey[],
    { sum, admin }: ExpectedKeys,
    machineKey?: SigningKey,
  ): Promise<RepositoryKeys> {
    const opened = await openKeys(storage, id, own, sum);
    const second = await secondOf(opened);
    const keys = new RepositoryKeys(storage, id, opened, second, machineKey);
    if (admin === undefined || admin === keys.adminPublicKey) return keys;
    throw new DeltarError(
      "mismatch",
      "the repository has a different admin key than when it was first opened",
      { object: storage.location },
    );
  }

  /**
   * The id of the repository, as the caller's key file contains it. If no key
   * file was decrypted, or the key file has no id, this is the id from the
   * settings; `undefined` if the settings are lost.
   */
  get id(): string | undefined {
    const { id } = this.#opened.file;
    return id === LOST_ID ? undefined : id;
  }

  /** Whether the caller's key is write-only. */
  get isWriteOnly(): boolean {
    return this.admin === undefined;
  }

  /**
   * Returns the identities of the repository, the newest first, for a recovery
   * sheet. Identities that a rekey has retired come last. Returns an empty list
   * if the caller's key is write-only.
   */
  identities(): readonly string[] {
    return [...this.#file.identities, ...this.#file.retired];
  }

  /** Returns the recipient (`age1…`) that new objects are encrypted for. */
  recipient(): string {
    return this.#file.recipient;
  }

  /**
   * Returns the SHA-256 of the first identity's recipient, in hexadecimal, as
   * the settings contain it.
   *
   * @throws {DeltarError} `key` if the settings are lost and the caller's key
   *   is write-only.
   */
  sum(): string {
    const { sum } = this.#opened;
    if (sum !== undefined) return sum;
    throw new DeltarError(
      "key",
      "the settings of the repository are lost; run `deltar repair` with a full key",
      { object: this.#storage.location },
    );
  }

  /**
   * Returns a storage that decrypts objects when they are read, and encrypts
   * objects when they are stored. After `rotate`, the storage uses the new
   * identity.
   *
   * @param onStored Called with each encrypted object that is stored.
   */
  decrypted(onStored?: (object: ObjectRecord) => void): Storage {
    return new EncryptedStorage(this.#storage, {
      keys: this.#openers,
      // Only full keys can decrypt volumes. A machine with a write-only key can
      // decrypt the other objects that it stored, such as layers, signatures
      // and records, because the machine is their second recipient. Machines
      // with full keys add a random second recipient, so that a storage cannot
      // tell which machines have write-only keys.
      recipientsOf: (name) =>
        name.startsWith("volumes/")
          ? [this.recipient()]
          : [this.recipient(), this.#second],
      // Other objects are padded by their writers, which record the checksums
      // of the padded bytes.
      isPadded: (name) => name.endsWith(".json"),
      isPartial: this.isWriteOnly,
      kindOf,
      onStored,
    });
  }

  /**
   * Returns the key for the files that this machine keeps about the repository,
   * with its recipient: the newest identity or, if the caller's key is
   * write-only, the caller's own key. `secret` is the text of the key or, if
   * the key is a `CryptoKey`, its recipient.
   */
  cacheKey(): { key: AgeKey; recipient: string; secret: string } {
    const { identities: [identity], recipient } = this.#file;
    if (identity !== undefined) {
      return { key: identity, recipient, secret: identity };
    }
    const { own: key } = this.#opened;
    const secret = typeof key === "string" ? key : this.#second;
    return { key, recipient: this.#second, secret };
  }

  /**
   * Copies an encrypted object as it is stored, even if it cannot be decrypted.
   *
   * @param from The name of the object, without the ending `.age`.
   * @param to The name of the copy, without the ending `.age`.
   * @throws {DeltarError} `exists` if an object named `to` exists; `not-found`
   *   if the object `from` does not exist.
   */
  async copyFile(from: string, to: string): Promise<void> {
    const file = this.#storage.get(from + AGE_SUFFIX, { fresh: true });
    await this.#storage.put(to + AGE_SUFFIX, file, { ifAbsent: true });
  }

  /** Returns the names of the keys, sorted. */
  list(): Promise<string[]> {
    return namesOfKeys(this.#storage);
  }

  /**
   * Returns the keys with their holders, sorted by name. With a write-only key,
   * only the names can be read.
   */
  async holders(): Promise<KeyInfo[]> {
    const names = await this.list();
    const holders = await this.#holders();
    return names.map((name) => holders.get(name) ?? { name, kind: "unknown" });
  }

  /**
   * Adds a key.
   *
   * @param key The name and kind of the key, the recipient or passphrase of the
   *   person or machine that the key is for, and the public half of the signing
   *   key of this machine.
   * @throws {DeltarError} `key` if the caller's key is write-only or older than
   *   the last rotation; `exists` if a key already has this name, or the
   *   signing key was revoked; `unsupported` if the recipient is not valid;
   *   `unsupported` or `corrupt` if the public key is not a valid Ed25519 key;
   *   `conflict` if another process is changing the keys.
   * @throws {TypeError} If the name is not valid, or a write-only key has no
   *   recipient.
   */
  async add(key: KeyFor): Promise<void> {
    const { name, to, kind, signer } = key;
    checkKeyName(name);
    if (kind === "write-only" && typeof to !== "string") {
      throw new TypeError("a write-only key needs a recipient (age1…)");
    }
    if (signer !== undefined) wireOf(signer.publicKey);
    const admin = this.#needAdmin();
    await this.#change(admin, { kind: "add", key: name }, async () => {
      await this.#store(key, admin);
      await this.note(key);
    });
  }

  /**
   * Removes a key. The owner of a full key may still have a copy of the
   * repository's identity. This copy cannot decrypt objects that are stored
   * after a `rotate`. If the key is write-only, the signing key of its machine
   * is revoked.
   *
   * @param name The name of the key.
   * @throws {DeltarError} `key` if the caller's key is write-only or older than
   *   the last rotation; `not-found` if there is no such key; `unsafe` if no
   *   other full key would be left; `conflict` if another process is changing
   *   the keys.
   * @throws {TypeError} If the name is not valid.
   */
  async remove(name: string): Promise<void> {
    checkKeyName(name);
    const admin = this.#needAdmin();
    const object = keyFileName(name);
    const names = await this.list();
    const isNoted = (await this.#holders()).has(name);
    if (!names.includes(name) && !isNoted) {
      throw new DeltarError(
        "not-found",
        `the key does not exist; existing keys: ${names.join(", ")}`,
        { object },
      );
    }
    await this.#change(
      admin,
      { kind: "remove", key: name },
      async (leaving) => {
        const holders = await this.#holders();
        const holder = holders.get(name);
        const isLeft = (await this.list()).some((other) =>
          other !== name && !leaving.has(other) &&
          (holders.get(other)?.kind === "full" || other === this.openedBy)
        );
        if (!isLeft && holder?.kind !== "write-only") {
          throw new DeltarError(
            "unsafe",
            "cannot remove the last full key: nobody could read the " +
              "repository without it; add another full key first",
            { object },
          );
        }
        if (holder?.kind === "write-only" && holder.signer !== undefined) {
          await this.signers.revoke(holder.signer).catch(unlessNotFound);
        }
        await this.#storage.delete(object);
        await deleteHolder(this.decrypted(), name);
      },
    );
  }

  /**
   * Generates a new identity and adds it to the files of all full keys. The
   * files of write-only keys get the recipient of the new identity. From then
   * on, new objects are encrypted for the new identity. A person who has only
   * the older identities, such as the owner of a key that was removed earlier,
   * cannot read the new objects. Older objects are not changed.
   *
   * If a rotation is interrupted, the next call continues it. After a rotation,
   * this object and its `Repository` use the new identity. Other programs that
   * have the repository open encrypt for the older identity until they open it
   * again. Call `Repository.rekey` to encrypt the file keys of older objects
   * for the new identity.
   *
   * @throws {DeltarError} `key` if the caller's key is write-only or older than
   *   the last rotation; `unsupported` if the recipient or passphrase of a key
   *   file is not known, so that the file cannot be encrypted again; `conflict`
   *   if another process is changing the keys.
   */
  async rotate(): Promise<void> {
    const admin = this.#needAdmin();
    await this.#change(admin, { kind: "rotate" }, async () => {
      const { targets, unknown } = await this.#targets();
      if (unknown.length > 0) throw unknownError(unknown, this.#storage);
      const { id, recipient, identities, retired } = this.#file;
      const [newest] = identities;
      // The two recipients differ if an interrupted rotation left an identity
      // that is not in use yet.
      const isBegun = await recipientOf(newest) !== recipient;
      const all = isBegun ? identities : [await newIdentity(), ...identities];
      const begun = { id, recipient, identities: all, retired };
      const ended = { ...begun, recipient: await recipientOf(all[0]) };
      // The caller's own key file is the first to get the new identity, and the
      // last to get the new recipient. So if this rotation is interrupted, the
      // caller's next rotation finds an identity that is not in use, and
      // continues.
      const [own, others] = [true, false]
        .map((isOwn) => targets.filter((target) => target.isOwn === isOwn));
      for (const target of [...own, ...others]) {
        if (target.kind === "full") await this.#replace(target, begun, admin);
      }
      // From here on, objects can be encrypted for the new identity, because
      // the file of every full key has it.
      await this.#putRecipients(ended, admin);
      for (const target of [...others, ...own]) {
        await this.#replace(target, ended, admin);
      }
      this.#file = ended;
      this.#openers.splice(0, Infinity, ...this.identities());
    });
  }

  /**
   * Stores the holder of the first key, and deletes manifests that failed
   * creations of other repositories left in the storage. The settings must
   * already be stored.
   *
   * @param first The first key, which is a full key.
   * @throws {DeltarError} The errors of `note`.
   */
  async begin(first: KeyFor): Promise<void> {
    await deleteOtherManifests(this.#storage, this.#id);
    await this.note(first);
  }

  /**
   * Revokes a signing key permanently, so that none of its signatures is
   * trusted. See `Signers.revoke`.
   *
   * @param publicKey The public key: `ssh-ed25519 AAAA…`.
   * @throws {DeltarError} The errors of `Signers.revoke`; `conflict` if another
   *   process is changing the keys.
   */
  async revoke(publicKey: string): Promise<void> {
    const admin = this.#needAdmin();
    await this.#change(
      admin,
      { kind: "revoke" },
      () => this.signers.revoke(publicKey),
    );
  }

  /**
   * The storage of the encrypted objects and of the key files. It stores a
   * manifest before each key file and note.
   */
  get files(): Storage {
    return this.#storage;
  }

  /**
   * Returns the identities that `Repository.rekey` needs: the older identities,
   * which decrypt the file keys, and the newest identity, for which the file
   * keys are encrypted again. Returns `undefined` if the repository has only
   * one identity.
   *
   * @throws {DeltarError} `key` if the caller's key is write-only or does not
   *   have the newest identity; `conflict` if a rotation is running or was
   *   interrupted.
   */
  async rewrapKeys(): Promise<RewrapKeys | undefined> {
    this.#needAdmin();
    const { recipient } = this.#file;
    const [newest, ...older] = this.identities();
    if (await recipientOf(newest) !== recipient) {
      const isBegun = (await recipientsOf(older)).includes(recipient);
      throw isBegun
        ? new DeltarError(
          "conflict",
          "a rotation of the keys was interrupted or is running; run `deltar " +
            "key rotate` to finish it, and try again",
          { object: this.#storage.location },
        )
        : outdatedError(this.#storage);
    }
    return older.length === 0 ? undefined : { older, newest, recipient };
  }

  /**
   * Retires the older identities: they stay in the key files only as comments,
   * and `recipients.json` is no longer encrypted for them. Key files whose
   * passphrases or recipients are not known stay as they are. Does nothing if
   * the older identities have already been retired.
   *
   * @param work Called first, while no other process can change the keys.
   * Returns `true` if no object needs the older identities any longer. If it
   * returns `false`, nothing is retired.
   * @returns The number of identities that were retired; 0 if nothing was
   *   retired.
   * @throws {DeltarError} The errors of `rotate`, except `unsupported`; also
   *   any error that `work` throws.
   */
  async retire(work: () => Promise<boolean>): Promise<number> {
    const admin = this.#needAdmin();
    let count = 0;
    await this.#change(admin, { kind: "rekey" }, async () => {
      if (!await work() || !await this.#needsRetiring()) return;
      const { targets } = await this.#targets();
      const { id, recipient, identities: [newest, ...older], retired } =
        this.#file;
      const file = {
        id,
        recipient,
        identities: [newest],
        retired: [...older, ...retired],
      };
      // The list of recipients is stored last. If this process is interrupted
      // earlier, the next call finds the old list and retires the identities in
      // the remaining key files.
      for (const target of targets) {
        if (target.kind === "full") await this.#replace(target, file, admin);
      }
      await this.#putRecipients(file, admin);
      this.#file = file;
      count = Math.max(1, older.length);
    });
    return count;
  }

  /**
   * Returns whether `recipients.json` lists more than one recipient that is not
   * retired.
   */
  async #needsRetiring(): Promise<boolean> {
    const { recipients } = await readRecipients(
      this.decrypted(),
      this.adminPublicKey,
    );
    return recipients.length > 1;
  }

  async #putRecipients(
    { identities, retired }: KeyFile,
    admin: SigningKey,
  ): Promise<void> {
    await putRecipients(this.#storage, {
      recipients: await recipientsOf(identities),
      retired: await recipientsOf(retired),
    }, admin);
  }

  /**
   * Deletes the key file that this process stored. Called if another process
   * created the repository first.
   *
   * @param name The name of the key.
   */
  async discard(name: string): Promise<void> {
    await this.#storage.delete(keyFileName(name));
  }

  /**
   * Stores the holder of a key, and adds the machine with the key to the
   * trusted signers if its signing key is given.
   *
   * @throws {DeltarError} `key` if the caller's key is write-only; `exists` if
   *   the signing key was revoked; `unsupported` or `corrupt` if the public key
   *   is not a valid Ed25519 key.
   */
  async note({ name, to, kind = "full", signer }: KeyFor): Promise<void> {
    const admin = this.#needAdmin();
    await putHolder(this.decrypted(), {
      name,
      kind,
      ...typeof to === "string" && { recipient: to },
      ...signer && { signer: publicText(wireOf(signer.publicKey)) },
      added: Date.now(),
    }, admin);
    if (signer === undefined) return;
    await this.signers.add({ ...signer, writeOnly: kind === "write-only" });
  }

  /** Stores a key file. */
  async #store(
    { name, to, kind = "full" }: KeyFor,
    admin: SigningKey,
  ): Promise<void> {
    checkKeyName(name);
    const object = keyFileName(name);
    const bytes = await keyFile(this.#file, kind, to, admin);
    try {
      await this.#storage.put(object, bytes, { ifAbsent: true });
    } catch (cause) {
      if (codeOf(cause) !== "exists") throw cause;
      throw new DeltarError(
        "exists",
        "a key with this name already exists; choose another name",
        { object, cause },
      );
    }
  }

  /** Replaces a key file. */
  async #replace(
    { name, kind, to }: Target,
    file: KeyFile,
    admin: SigningKey,
  ): Promise<void> {
    const bytes = await keyFile(file, kind, to, admin);
    await this.#storage.put(keyFileName(name), bytes);
  }

  async #holders(): Promise<Map<string, Holder>> {
    if (this.isWriteOnly) return new Map();
    return await readHolders(this.decrypted(), this.adminPublicKey);
  }

  /**
   * Calls `work` to change the keys. Throws `conflict` if another process is
   * making a change that must not run at the same time, and `key` if the caller
   * does not know all identities of the repository.
   */
  async #change(
    admin: SigningKey,
    change: KeyChange,
    work: (leaving: ReadonlySet<string>) => Promise<void>,
  ): Promise<void> {
    const view = this.decrypted();
    await new KeyChanges(view, admin).run(change, async (leaving) => {
      const known = await recipientsOf(this.identities());
      const stored = await readRecipients(view, admin.publicKey);
      const all = [...stored.recipients, ...stored.retired];
      if (all.every((recipient) => known.includes(recipient))) {
        this.#file = await withRetired(this.#file, stored.retired);
        return await work(leaving);
      }
      // Key files that the caller wrote would lack the identities that the
      // caller does not know.
      throw outdatedError(this.#storage);
    });
  }

  /**
   * Returns the keys whose recipient or passphrase is known, as `targets`, and
   * the names of the other keys, as `unknown`.
   */
  async #targets(): Promise<{ targets: Target[]; unknown: string[] }> {
    const holders = await this.#holders();
    const targets: Target[] = [];
    const unknown: string[] = [];
    for (const name of await this.list()) {
      const { kind = "full", recipient } = holders.get(name) ?? {};
      const isOwn = name === this.openedBy;
      const to = recipient ?? (isOwn ? await this.#toSelf() : undefined);
      if (to === undefined) unknown.push(name);
      else targets.push({ name, kind, to, isOwn });
    }
    return { targets, unknown };
  }

  /**
   * Returns the recipient or passphrase that the caller's key file is encrypted
   * for; `undefined` if neither is known.
   */
  async #toSelf(): Promise<KeyFor["to"] | undefined> {
    const { own } = this.#opened;
    if (typeof own === "string") return await recipientOf(own);
    if ("passphrase" in own) return own;
    return own instanceof CryptoKey ? await recipientOf(own) : undefined;
  }

  #needAdmin(): SigningKey {
    if (this.admin !== undefined) return this.admin;
    throw new DeltarError(
      "key",
      "a write-only key cannot change the keys; use a full key",
      { object: this.#storage.location },
    );
  }
}

/**
 * Returns how an object is stored: `clear` objects are not encrypted, `foreign`
 * ones are encrypted for the owner of a key, and `encrypted` ones for the
 * repository. The operator of the storage can learn from `clear` objects which
 * snapshots are from the same machine, but nothing else that is secret.
 */
function kindOf(name: string): "clear" | "foreign" | "encrypted" {
  const isClear = name === SETTINGS || name.startsWith(MANIFESTS) ||
    name.startsWith(GARBAGE);
  return isClear ? "clear" : name.startsWith(KEYS) ? "foreign" : "encrypted";
}

/**
 * Returns the second recipient of encrypted objects other than volumes: the
 * recipient of this machine if its key is write-only, otherwise a recipient
 * whose identity nobody has.
 */
async function secondOf({ file, own }: OpenedKey): Promise<string> {
  const isWriteOnly = file.identities.length === 0;
  if (!isWriteOnly) return await recipientOf(await newIdentity());
  if (typeof own === "string" || own instanceof CryptoKey) {
    return await recipientOf(own);
  }
  throw new DeltarError(
    "key",
    "a write-only key can be used only with an age identity; give an age identity",
  );
}

/** Returns the encrypted file of a key of the given kind. */
async function keyFile(
  file: KeyFile,
  kind: "full" | "write-only",
  to: KeyFor["to"],
  admin: SigningKey,
): Promise<ByteSource> {
  const bytes = await encodeKeyFile(
    kind === "full" ? file : { ...file, identities: [], retired: [] },
    admin,
  );
  return typeof to === "object" && "passphrase" in to
    ? [await encryptWith(bytes, to.passphrase)]
    : encrypt(bytes, [to]);
}

/**
 * Returns the content of a key file, with the identities of the given
 * recipients listed as retired. `file` lists some of these identities as in use
 * if another process retired them, or if the key file could not be encrypted
 * again when they were retired.
 */
async function withRetired(
  file: KeyFile,
  recipients: readonly string[],
): Promise<KeyFile> {
  const all = [...file.identities, ...file.retired];
  const identities: string[] = [];
  const retired: string[] = [];
  for (const identity of all) {
    const isRetired = file.retired.includes(identity) ||
      recipients.includes(await recipientOf(identity));
    (isRetired ? retired : identities).push(identity);
  }
  return { ...file, identities, retired };
}

function unknownError(
  unknown: readonly string[],
  { location }: Storage,
): DeltarError {
  return new DeltarError(
    "unsupported",
    "cannot encrypt these key files again, because their passphrases or " +
      `recipients are not known: ${unknown.join(", ")}. Remove these keys, ` +
      "rotate again, and then add the keys again.",
    { object: location },
  );
}

function outdatedError({ location }: Storage): DeltarError {
  return new DeltarError(
    "key",
    "the keys of the repository were rotated after this key was read or " +
      "printed. Open the repository again, with a key that was read or " +
      "printed after the rotation.",
    { object: location },
  );
}

function recipientsOf(identities: readonly string[]): Promise<string[]> {
  return Promise.all(identities.map(recipientOf));
}

function checkKeyName(name: string): void {
  if (KEY_NAME.test(name)) return;
  throw new TypeError(
    `invalid key name: ${JSON.stringify(name)}. A name has 1 to 64 letters, ` +
      "digits, `.`, `_` and `-`, and begins with a letter or digit.",
  );
}

function unlessNotFound(error: unknown): void {
  if (codeOf(error) !== "not-found") throw error;
}
