/**
 * The keys of an encrypted repository.
 *
 * An age identity, the identity of the repository, decrypts its objects.
 * `keys/NAME.age` holds it once for each person or machine, encrypted for their
 * recipient or with their passphrase. So a key is added or removed by one small
 * object, and `age -d -i KEY keys/NAME.age` gives an identity file that opens
 * everything else. A rotation adds a newer identity to these files. The settings
 * name the first identity by a sum of its recipient, so that a key file of
 * another repository is not used.
 *
 * The file of a write-only key has no identity. It has only the recipient for
 * which its machine encrypts, and a signature of the admin key (`admin_key.ts`).
 *
 * `open_keys.ts` finds the key file that the caller can open, and `key_file.ts`
 * encodes and decodes it. `holders.ts` stores for whom each key is, `signers.ts`
 * the machines whose signatures are trusted, and `recipients.ts` the recipients
 * after a rotation; the admin key signs all of these (`signed_object.ts`).
 * `key_changes.ts` coordinates changes of keys that run at the same time.
 * `noted_storage.ts` stores a manifest before each key and note.
 * `sealed_files.ts` encrypts the files that a machine keeps outside of the
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

/** The person or machine that a key is for. */
export interface KeyFor {
  /**
   * The name of the key: 1 to 64 ASCII letters, digits, `.`, `_` and `-`, the
   * first a letter or digit. It is not encrypted.
   */
  name: string;
  /** The recipient (`age1…`) or passphrase that the key file is encrypted for. */
  to: AgeRecipient | { passphrase: string };
  /**
   * The kind of the key. A full key reads, writes and changes the keys. A
   * write-only key only takes snapshots, and needs a recipient. Default: `full`.
   */
  kind?: "full" | "write-only";
  /** The key with which the machine signs its records, if it is known. */
  signer?: Pick<Signer, "publicKey" | "machine">;
}

/**
 * A key of a repository, for lists. Its kind is `unknown` if the holder of the
 * key is not stored or cannot be read.
 */
export type KeyInfo = Holder | { name: string; kind: "unknown" };

/** The keys that the caller knows a repository to have. */
export interface ExpectedKeys {
  /**
   * The sum of the recipient of the first identity. Without it, if the settings
   * are lost, any identity is used.
   */
  sum?: string;
  /** The public admin key. By default, any is accepted. */
  admin?: string;
}

/** A key whose file a rotation replaces. */
interface Target extends Required<Pick<KeyFor, "name" | "kind" | "to">> {
  /** Whether it is the key of the caller. */
  isOwn: boolean;
}

/** The keys of an encrypted repository. */
export class RepositoryKeys {
  /** The public admin key: `ssh-ed25519 AAAA…`. */
  readonly adminPublicKey: string;
  /**
   * The admin key, which signs holders, signers, recipients and write-only keys;
   * `undefined` if the caller's key is write-only.
   */
  readonly admin: SigningKey | undefined;
  /**
   * The name of the key that opened the repository, or `recovery sheet` if it
   * was the identity of the repository itself.
   */
  readonly openedBy: string;
  /** The machines whose signatures on records are trusted. */
  readonly signers: Signers;
  /**
   * The key that signs notes: the admin key or, if the caller's key is write-only,
   * the signing key of this machine, if it has one.
   */
  readonly noteKey: SigningKey | undefined;
  /**
   * The objects as they are stored. A manifest is stored before each key and note.
   */
  readonly #storage: Storage;
  readonly #id: string;
  readonly #opened: OpenedKey;
  /** The second recipient of objects that are not content. */
  readonly #second: string;
  /** The keys that open the repository's objects, which a rotation changes. */
  readonly #openers: AgeKey[];
  /** The content of the caller's key file, which a rotation changes. */
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
   * Makes the identity of a new repository, and stores the file of its first key.
   * After the settings are stored, `begin` has to be called.
   *
   * @param storage The storage of the key files.
   * @param id The id of the repository.
   * @param first The first key, which is a full key.
   * @param machineKey The signing key of this machine, if it has one.
   * @throws {DeltarError} `exists` if there is a key of this name; `unsupported`
   *   if the recipient is not valid.
   * @throws {TypeError} If the name is not valid, or the key is write-only.
   */
  static async create(
    storage: Storage,
    id: string,
    first: KeyFor,
    machineKey?: SigningKey,
  ): Promise<RepositoryKeys> {
    if (first.kind === "write-only") {
      throw new TypeError("the first key of a repository is a full key");
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
   * Opens the identity of a repository.
   *
   * @param storage The storage of the key files.
   * @param id The id of the repository.
   * @param own The keys of the caller.
   * @param expected What the caller knows of the repository.
   * @param machineKey The signing key of this machine, if it has one.
   * @throws {DeltarError} If no key file can be used: `key` if no key was given,
   *   or none of them opens a key file; `mismatch` if one is of another
   *   repository; `corrupt`, `truncated` or `limit` if one is damaged. Also
   *   `mismatch` if the admin key is not the expected one.
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
      "the repository has another admin key than before",
      { object: storage.location },
    );
  }

  /**
   * The id of the repository: that in the key file, which a storage cannot
   * change, or that in the settings if there is no key file or it has none.
   * Absent if the settings are lost, too.
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
   * sheet. Those that a rekey has retired come last. Returns an empty list if the
   * caller's key is write-only.
   */
  identities(): readonly string[] {
    return [...this.#file.identities, ...this.#file.retired];
  }

  /** Returns the recipient (`age1…`) that new objects are encrypted for. */
  recipient(): string {
    return this.#file.recipient;
  }

  /**
   * Returns the sum of the recipient of the first identity, for the settings.
   *
   * @throws {DeltarError} `key` if the settings are lost and the caller's key is
   *   write-only.
   */
  sum(): string {
    const { sum } = this.#opened;
    if (sum !== undefined) return sum;
    throw new DeltarError(
      "key",
      "the settings of the repository are lost; a full key restores them",
      { object: this.#storage.location },
    );
  }

  /**
   * Returns the repository's objects, decrypted. If this object rotates the
   * identity, the view goes on with the new one.
   *
   * @param onStored Called with each encrypted object that is stored.
   */
  decrypted(onStored?: (object: ObjectRecord) => void): Storage {
    return new EncryptedStorage(this.#storage, {
      keys: this.#openers,
      // Content is for those who have a full key. A write-only machine reads
      // its own trees, signatures and records. Objects of others have a second
      // recipient too, so that a storage cannot tell them apart.
      recipientsOf: (name) =>
        name.startsWith("volumes/")
          ? [this.recipient()]
          : [this.recipient(), this.#second],
      // The writers of all other objects pad them, because their sums are
      // recorded.
      isPadded: (name) => name.endsWith(".json"),
      isPartial: this.isWriteOnly,
      kindOf,
      onStored,
    });
  }

  /**
   * Returns the key with which this machine encrypts the files that it keeps
   * about the repository: the newest identity or, if the caller's key is
   * write-only, the caller's own. `secret` is a text that only those know who have
   * the key.
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
   * @param to The name of the copy, without the ending.
   * @throws {DeltarError} `exists` if there is an object of the new name.
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
   * @throws {DeltarError} `key` if the caller's key is write-only; `exists` if
   *   there is a key of this name, or the signing key was revoked; `unsupported`
   *   if the recipient or the signing key is not valid; `conflict` if another
   *   process changes the keys.
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
   * Removes a key. The owner of a full key may have kept the identity of the
   * repository; see `rotate`. If the key is write-only, the signing key of its
   * machine is revoked.
   *
   * @throws {DeltarError} `key` if the caller's key is write-only; `not-found` if
   *   there is no such key; `unsafe` if no other full key would be left;
   *   `conflict` if another process changes the keys.
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
        `no such key; the keys are ${names.join(", ")}`,
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
            "the last full key cannot be removed, because nobody could read " +
              "the repository any more; add another key first",
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
   * Adds a new identity to all keys, for which all objects are encrypted from
   * then on. Whoever has only the older identities, such as the owner of a key
   * that was removed before, cannot read those objects. Older objects are not
   * changed.
   *
   * A rotation that was interrupted is continued by the next one. This object
   * and its `Repository` go on with the new identity. Other programs that have the
   * repository open encrypt for the older identity until they open it again.
   * `Repository.rekey` encrypts older objects for the new identity, too.
   *
   * @throws {DeltarError} `key` if the caller's key is write-only or older than
   *   the last rotation; `unsupported` if a key file cannot be encrypted again,
   *   because its recipient is not known or it has a passphrase other than the
   *   caller's; `conflict` if another process changes the keys.
   */
  async rotate(): Promise<void> {
    const admin = this.#needAdmin();
    await this.#change(admin, { kind: "rotate" }, async () => {
      const { targets, unknown } = await this.#targets();
      if (unknown.length > 0) throw unknownError(unknown, this.#storage);
      const { id, recipient, identities, retired } = this.#file;
      const [newest] = identities;
      // An interrupted rotation left an identity that is not in use.
      const isBegun = await recipientOf(newest) !== recipient;
      const all = isBegun ? identities : [await newIdentity(), ...identities];
      const begun = { id, recipient, identities: all, retired };
      const ended = { ...begun, recipient: await recipientOf(all[0]) };
      // The caller's own file is the first with the new identity, and the last
      // that is finished, so that the next rotation can continue this one.
      const [own, others] = [true, false]
        .map((isOwn) => targets.filter((target) => target.isOwn === isOwn));
      for (const target of [...own, ...others]) {
        if (target.kind === "full") await this.#replace(target, begun, admin);
      }
      // Now every full key has the new identity.
      await this.#putRecipients(ended, admin);
      for (const target of [...others, ...own]) {
        await this.#replace(target, ended, admin);
      }
      this.#file = ended;
      this.#openers.splice(0, Infinity, ...this.identities());
    });
  }

  /**
   * Stores the holder of the first key, after the settings were stored.
   *
   * @throws {DeltarError} As for `add`.
   */
  async begin(first: KeyFor): Promise<void> {
    await deleteOtherManifests(this.#storage, this.#id);
    await this.note(first);
  }

  /**
   * Ends the trust in the signatures of a key, for good. See `Signers.revoke`.
   *
   * @throws {DeltarError} As `Signers.revoke`; `conflict` if another process
   *   changes the keys.
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
   * manifest before each key and note.
   */
  get files(): Storage {
    return this.#storage;
  }

  /**
   * Returns the identities between which `Repository.rekey` changes the headers
   * of objects; `undefined` if the repository has only one identity.
   *
   * @throws {DeltarError} `key` if the caller's key is write-only or does not
   *   have the newest identity; `conflict` if a rotation was interrupted.
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
   * passphrases or recipients are not known stay as they are. Does nothing if the
   * older identities are retired already.
   *
   * @param work Called first, while no other process changes the keys. Returns
   *   whether no object needs the older identities.
   * @returns The number of identities that were retired.
   * @throws {DeltarError} As for `rotate`, except `unsupported`.
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
      // The list of recipients comes last, so that an interruption is noticed.
      for (const target of targets) {
        if (target.kind === "full") await this.#replace(target, file, admin);
      }
      await this.#putRecipients(file, admin);
      this.#file = file;
      count = Math.max(1, older.length);
    });
    return count;
  }

  /** Returns whether objects may be encrypted for several identities. */
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

  /** Deletes the key of a repository that another process created first. */
  async discard(name: string): Promise<void> {
    await this.#storage.delete(keyFileName(name));
  }

  /**
   * Stores the holder of a key, and adds its signer to the trusted ones.
   *
   * @throws {DeltarError} As for `add`.
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
        "there is a key of this name; choose another name",
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
   * Makes a change of the keys. Throws if another process makes one, or if the
   * caller does not know all identities of the repository.
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
      // The caller would write key files without the newest identity.
      throw outdatedError(this.#storage);
    });
  }

  /**
   * Returns for whom each key file is encrypted, and the names of the keys of
   * which that is not known.
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

  /** Returns for whom the key file of the caller is, if that can be known. */
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
 * Returns how an object is stored. Objects that are not encrypted tell a storage
 * only what it sees anyway, and which snapshots are of the same machine.
 */
function kindOf(name: string): "clear" | "foreign" | "encrypted" {
  const isClear = name === SETTINGS || name.startsWith(MANIFESTS) ||
    name.startsWith(GARBAGE);
  return isClear ? "clear" : name.startsWith(KEYS) ? "foreign" : "encrypted";
}

/**
 * Returns the second recipient of objects that are not content: this machine, if
 * its key is write-only, or nobody.
 */
async function secondOf({ file, own }: OpenedKey): Promise<string> {
  const isWriteOnly = file.identities.length === 0;
  if (!isWriteOnly) return await recipientOf(await newIdentity());
  if (typeof own === "string" || own instanceof CryptoKey) {
    return await recipientOf(own);
  }
  throw new DeltarError("key", "a write-only key is opened by an age identity");
}

/** Returns a key file of a kind, encrypted. */
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
 * Returns a key file in which identities are retired that another process has
 * retired, or that the file has in use because it could not be stored again.
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
    "these keys cannot be encrypted again, because their passphrases or " +
      `recipients are not known: ${unknown.join(", ")}. Remove them first, ` +
      "and add them again afterwards",
    { object: location },
  );
}

function outdatedError({ location }: Storage): DeltarError {
  return new DeltarError(
    "key",
    "the identity of the repository was changed after this key was read " +
      "or printed; open the repository again, with a key read or printed " +
      "after the change",
    { object: location },
  );
}

function recipientsOf(identities: readonly string[]): Promise<string[]> {
  return Promise.all(identities.map(recipientOf));
}

function checkKeyName(name: string): void {
  if (KEY_NAME.test(name)) return;
  throw new TypeError(
    "invalid name of a key; a name has 1 to 64 letters, digits, `.`, `_` and " +
      `\`-\`, the first a letter or digit: ${JSON.stringify(name)}`,
  );
}

function unlessNotFound(error: unknown): void {
  if (codeOf(error) !== "not-found") throw error;
}
