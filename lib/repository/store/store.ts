/**
 * The store: a repository's objects, its id and compression, and its snapshots.
 * The functions that take, restore, prune and verify snapshots are passed a
 * `Store`. Only the public class `Repository` imports all of these functions.
 *
 * Of the other files in this directory, `find_snapshot.ts` finds the snapshot
 * that a user names, and `named_time.ts` reads times such as `yesterday`.
 * `keys.ts` explains the keys and their files. `label.ts` changes labels and
 * limits their length. `proof.ts` reads the results of drills,
 * `fresh_restore.ts` the notes about restores into new or empty directories,
 * and `copied.ts` the notes about copied snapshots.
 *
 * @module
 */
import { type Codec, codecFor, type CodecName } from "../../archive/codec.ts";
import { paddingCodec } from "../../archive/padding.ts";
import type { AgeKey } from "../../age/header.ts";
import { checkAborted, type SignalOptions } from "../../bytes/abort.ts";
import { outcomeOf } from "../../bytes/outcome.ts";
import {
  codeOf,
  type DamageHandler,
  DeltarError,
  isDamage,
} from "../../bytes/errors.ts";
import { mapAhead } from "../../bytes/map_ahead.ts";
import { together } from "../../bytes/together.ts";
import type { SigningKey } from "../../ssh/ed25519.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import type { Sharing } from "../../storage/local_modes.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { idOfRecord, isSafety, SETTINGS, SNAPSHOTS } from "../format/names.ts";
import { namesUnder, readIfThere } from "../format/note.ts";
import { LABELS } from "../format/snapshot_note.ts";
import {
  isMachineId,
  isOf,
  type MachineRecord,
  type ReadRecord,
  readRecord,
  type Signed,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";
import {
  encodeSettings,
  guessSettings,
  LOST_ID,
  readSettings,
  type Settings,
} from "../format/settings.ts";
import { byTime } from "../format/plausible_times.ts";
import { ManifestWriter } from "../runs/manifest.ts";
import type { Tree } from "../layers/tree.ts";
import { readTree } from "../layers/tree_reader.ts";
import type { KeyFor, RepositoryKeys } from "./keys.ts";
import { CopiedNotes } from "./copied.ts";
import type { Trust } from "./signers.ts";
import type { SealedFiles } from "./sealed_files.ts";
import { withLabels } from "./label.ts";

/** Options for creating a repository. */
export interface CreateOptions extends SignalOptions {
  /** The compression. Default: `zstd`. */
  codec?: CodecName;
  /**
   * The access that the group of the repository's folder gets: `read`, or
   * `write` for reading and writing. By default, only the owner gets access to
   * a new folder, and an existing folder keeps its mode. There is one
   * exception: if an existing folder is empty, users outside its group can
   * access it, and it has no set-group-ID bit, only the owner keeps access.
   */
  shared?: Sharing;
  /**
   * The first key of the repository. If it is given, the repository's objects
   * are encrypted with age. By default, they are not encrypted.
   */
  encrypt?: KeyFor;
  /** This machine. See `OpenOptions.machine`. */
  machine?: Machine;
}

/** The machine that uses a repository. */
export interface Machine extends MachineRecord {
  /**
   * The key that signs the records of the machine's snapshots. By default, they
   * are signed by the admin key if the caller has a full key of an encrypted
   * repository, and are not signed otherwise.
   */
  key?: SigningKey;
}

/** Options for opening a repository. */
export interface OpenOptions extends ReadOptions {
  /**
   * This machine. The parent of each of its snapshots is one of its own
   * snapshots, or a snapshot that names no machine. By default, the parent may
   * be from any machine, and records are signed only in an encrypted
   * repository, by the admin key.
   */
  machine?: Machine;
  /**
   * The caller's keys, which are age identities or passphrases, or a function
   * that returns them. The function is called only if the repository is
   * encrypted.
   */
  keys?: readonly AgeKey[] | (() => Promise<readonly AgeKey[]>);
  /**
   * The SHA-256 of the recipient of the repository's first identity, in
   * hexadecimal, as `RepositoryKeys.sum` returned it when the repository was
   * first opened. A repository that has a different recipient, or is not
   * encrypted, is refused. By default, any repository is opened.
   */
  recipient?: string;
  /**
   * The public admin key that an encrypted repository must have: the value of
   * `RepositoryKeys.adminPublicKey` when the repository was first opened. By
   * default, any admin key is accepted. A machine with a write-only key needs
   * this option to notice a replaced key file.
   */
  admin?: string;
  /**
   * The id that an encrypted repository must have: the value of `Repository.id`
   * when the repository was first opened. Signed records name this id. By
   * default, any id is accepted.
   */
  id?: string;
}

/** Options for reading objects that may be damaged. */
export interface ReadOptions extends SignalOptions {
  /**
   * Called with the error of each object that cannot be read. By default, the
   * error is thrown, but damaged notes are ignored.
   */
  onDamage?: DamageHandler;
}

/** Options for finding the last snapshot of a directory. */
export interface ParentOptions extends ReadOptions {
  /**
   * Called with each trusted snapshot of another directory or machine that is
   * newer than the returned snapshot, the newest first. If no snapshot is
   * returned, this function is called with all trusted snapshots except safety
   * snapshots.
   */
  onOther?: (read: ReadRecord) => void;
}

/**
 * The trust in the signature of a record. `unsigned` means that the record has
 * no signature. `foreign` means that a trusted key signed the record for
 * another repository.
 */
export type RecordTrust = Trust | "unsigned" | "foreign";

/**
 * A repository: its objects, its snapshots, and the rules by which signatures
 * are trusted.
 */
export class Store {
  /** The storage of the objects. */
  readonly storage: Storage;
  /** The id of the repository. */
  readonly id: string;
  /**
   * The codec of the repository. In an encrypted repository, it also pads
   * objects.
   */
  readonly codec: Codec;
  /** The keys, if the repository is encrypted. */
  readonly keys: RepositoryKeys | undefined;
  /** This machine; `undefined` if the caller did not describe it. */
  readonly machine: Machine | undefined;
  /** The writer of manifests, if the repository is encrypted. */
  readonly manifests: ManifestWriter | undefined;
  /** The notes in which machines vouch for the snapshots that they copied. */
  readonly copied: CopiedNotes;

  private constructor(
    { storage, id, codec, keys, machine, manifests, copied }: Pick<
      Store,
      "storage" | "id" | "codec" | "keys" | "machine" | "manifests" | "copied"
    >,
  ) {
    this.storage = storage;
    this.id = id;
    this.codec = keys === undefined ? codec : paddingCodec(codec.name);
    this.keys = keys;
    this.machine = machine;
    this.manifests = manifests;
    this.copied = copied;
  }

  /**
   * Creates a repository.
   *
   * @param storage An empty storage.
   * @param options The compression, the first key of an encrypted repository,
   * and who may access a repository in a folder.
   * @throws {DeltarError} `exists` if the storage already contains a
   * repository, or another process is creating one; `unsupported` if this
   * runtime does not support the compression, or if `shared` is given and the
   * storage cannot be shared.
   */
  static async create(
    storage: Storage,
    options: CreateOptions,
  ): Promise<Store> {
    const { signal, shared } = options;
    checkMachine(options.machine);
    const codec = codecFor(options.codec ?? "zstd");
    checkAborted(signal);
    // A runtime that cannot write this compression fails here, before anything
    // is stored.
    await codec.compress(new Uint8Array(0));
    if (storage.prepare !== undefined) {
      // The modes of an existing repository are not changed. If a repository
      // exists here, storing the settings, below, throws `exists`.
      const isThere = await readIfThere(storage, SETTINGS) !== undefined;
      if (!isThere) storage.prepare(shared);
    } else if (shared !== undefined) {
      throw new DeltarError(
        "unsupported",
        "only a repository in a folder can be shared with a group; on this " +
          "storage, give each user an access key",
        { object: storage.location },
      );
    }
    const id = crypto.randomUUID();
    const settings: Settings = { id, codec: codec.name };
    // The settings are stored last. If another process stores its settings
    // first, the repository has the identity that the other process generated,
    // and the key file that was stored here is deleted.
    const keys = options.encrypt &&
      await createKeys(storage, id, options.encrypt, options.machine?.key);
    if (keys !== undefined) {
      settings.encryption = { kind: "age", recipient: keys.sum() };
    }
    try {
      const bytes = encodeSettings(settings);
      await storage.put(SETTINGS, bytes, { ifAbsent: true, signal });
    } catch (error) {
      if (options.encrypt !== undefined && codeOf(error) === "exists") {
        await keys?.discard(options.encrypt.name);
      }
      throw error;
    }
    if (options.encrypt !== undefined) await keys?.begin(options.encrypt);
    const { machine } = options;
    return Store.#over(storage, { id, codec, keys, machine });
  }

  /**
   * Opens a repository.
   *
   * @param storage The repository's storage.
   * @param options With `onDamage`, a repository is opened even if its settings
   * are lost or damaged; its compression is then inferred from the names of
   * its objects. By default, lost or damaged settings are an error.
   * @throws {DeltarError} `not-found` if the storage is not a repository;
   * `not-found`, `corrupt`, `truncated` or `limit` if its settings are lost or
   * damaged, unless `onDamage` is given and the repository has a snapshot;
   * `unsupported` if its format is newer than this version of deltar can read;
   * `key` if it is encrypted and no key is given, or none of the given keys
   * opens it; `mismatch` if it does not match the options `recipient`, `admin`
   * and `id`, or has only a key file of another repository; also the error of a
   * damaged key file if no other key file can be opened.
   */
  static async open(
    storage: Storage,
    options: OpenOptions,
  ): Promise<Store> {
    const { onDamage, signal } = options;
    checkMachine(options.machine);
    const reading = untilAborted(storage, signal);
    checkAborted(signal);
    let settings: Settings;
    try {
      settings = await readSettings(reading);
      storage.clearAbandoned?.();
    } catch (error) {
      if (!isDamage(error)) throw error;
      const guessed = await guessSettings(reading);
      if (guessed !== undefined && onDamage !== undefined) {
        onDamage(error);
        return await Store.#with(storage, guessed, options);
      }
      if (guessed !== undefined || error.code !== "not-found") throw error;
      throw new DeltarError("not-found", "no repository here", {
        object: storage.location,
        cause: error,
      });
    }
    return await Store.#with(storage, settings, options);
  }

  /** Opens a repository whose settings have been read. */
  static async #with(
    storage: Storage,
    { id: named, codec, encryption }: Settings,
    { keys: own, recipient: expected, admin, id: pinned, machine }: OpenOptions,
  ): Promise<Store> {
    // Lost settings do not name a recipient. In this case, the recipient that
    // the caller expects is used.
    const recipient = encryption && (encryption.recipient ?? expected);
    if (expected !== undefined && recipient !== expected) {
      throw new DeltarError(
        "mismatch",
        encryption === undefined
          ? "the repository was encrypted when it was first opened, and is " +
            "not encrypted now"
          : "the repository is encrypted for a different recipient than when it " +
            "was first opened",
        { object: storage.location },
      );
    }
    // Lost settings do not contain the id of the repository. In this case, the
    // id that the caller expects is used, if there is one.
    const id = encryption && named === LOST_ID ? pinned ?? named : named;
    const base = { id, codec: codecFor(codec), machine };
    if (encryption === undefined) {
      return Store.#over(storage, { ...base, keys: undefined });
    }
    const given = typeof own === "function" ? await own() : own ?? [];
    // The ciphers are loaded only for encrypted repositories.
    const { RepositoryKeys } = await import("./keys.ts");
    const keys = await RepositoryKeys.open(
      storage,
      id,
      given,
      { sum: recipient, admin },
      machine?.key,
    );
    const known = keys.id ?? id;
    if (pinned === undefined || pinned === known) {
      return Store.#over(storage, { ...base, id: known, keys });
    }
    throw new DeltarError(
      "mismatch",
      `the id of the repository was ${pinned} when it was first opened, and ` +
        `is now ${known}; check the location, because another repository ` +
        "may be in its place",
      { object: storage.location },
    );
  }

  /** Returns the repository whose objects are in a storage. */
  static #over(
    storage: Storage,
    base: Pick<Store, "id" | "codec" | "keys" | "machine">,
  ): Store {
    const { id, keys, machine } = base;
    if (keys === undefined) {
      const copied = new CopiedNotes(storage, id);
      return new Store({ ...base, storage, manifests: undefined, copied });
    }
    const manifests = new ManifestWriter(
      storage,
      id,
      machine?.key ?? keys.admin,
    );
    const view = keys.decrypted((object) => manifests.stored(object));
    const copied = new CopiedNotes(view, id);
    return new Store({ ...base, storage: view, manifests, copied });
  }

  /**
   * The key that signs the records, checkpoints and manifests that this machine
   * stores: the machine's own key or, if the machine has no key, the admin key.
   * `undefined` if the caller has no admin key either. These objects are then
   * not signed.
   */
  get signingKey(): SigningKey | undefined {
    return this.machine?.key ?? this.keys?.admin;
  }

  /**
   * Returns the trust in the signature of a record. The signature of a note
   * about a snapshot is trusted by the same rules:
   *
   * - In a repository that is not encrypted, every record is trusted.
   * - With a full key, three kinds of signatures are trusted: those of the
   *   admin key, those of signers that were not revoked, and those of this
   *   machine, unless its key was revoked. A signer with a write-only key is
   *   trusted only for its own snapshots. If there are no signers, only the
   *   signatures of the admin key and of this machine are trusted. So an
   *   attacker gains nothing by deleting the signers.
   * - With a write-only key, the signers cannot be read. Only the signatures of
   *   this machine are trusted. If this machine has no signing key, every
   *   record is trusted.
   *
   * A record that was signed for another repository is not trusted, unless the
   * machine that copied it vouches for it ({@linkcode CopiedNotes}). A machine
   * may also vouch for copied records that are not signed, or that an unknown
   * key signed.
   *
   * @throws {DeltarError} The error of the storage.
   */
  async trustOf(record: SnapshotRecord): Promise<RecordTrust> {
    const trust = await this.#trustOfSignature(record);
    const isDecided = trust === "trusted" || trust === "revoked";
    if (isDecided || this.keys?.isWriteOnly) return trust;
    const isVouched = await this.copied
      .isVouched(record, (signer) => this.#mayVouch(signer));
    return isVouched ? "trusted" : trust;
  }

  /**
   * Returns whether a record is trusted, so that `latest`, a label or a date
   * may refer to it. If this machine signed the record, this method does not
   * check whether the machine's key was revoked, which saves a request. A
   * machine with a revoked key cannot take another snapshot anyway.
   */
  async mayFind(record: SnapshotRecord): Promise<boolean> {
    const own = this.machine?.key?.publicKey;
    if (own !== undefined && record.signer === own && !this.isForeign(record)) {
      return true;
    }
    return await this.trustOf(record) === "trusted";
  }

  /**
   * Returns whether a record was signed for another repository. Returns `false`
   * if the id of this repository is not known.
   */
  isForeign({ repository }: SnapshotRecord): boolean {
    return repository !== undefined && this.id !== LOST_ID &&
      repository !== this.id;
  }

  async #trustOfSignature(record: SnapshotRecord): Promise<RecordTrust> {
    const trust = await this.trustOfNote(record);
    const isForeign = trust === "trusted" && this.keys !== undefined &&
      this.isForeign(record);
    return isForeign ? "foreign" : trust;
  }

  /**
   * Returns the trust in the signature of a note about a snapshot. See
   * `trustOf`.
   */
  async trustOfNote(note: Signed): Promise<Trust | "unsigned"> {
    const { signer, machine: from } = note;
    const trust = await this.trustOfSigner(signer);
    const { keys, machine } = this;
    if (trust !== "trusted" || keys === undefined) return trust;
    if (keys.isWriteOnly || signer === undefined) return trust;
    if (signer === machine?.key?.publicKey) return trust;
    return await keys.signers.maySignFor(signer, from?.id) ? trust : "unknown";
  }

  /** Returns whether a key may vouch for copied snapshots of any machine. */
  async #mayVouch(signer: string): Promise<boolean> {
    if (await this.trustOfSigner(signer) !== "trusted") return false;
    return signer === this.machine?.key?.publicKey ||
      await this.keys?.signers.maySignFor(signer, undefined) === true;
  }

  /**
   * Returns the trust in the signatures of a key on objects of any kind. See
   * `trustOf`.
   *
   * @param signer The public key; `undefined` for an object that is not signed.
   */
  async trustOfSigner(
    signer: string | undefined,
  ): Promise<Trust | "unsigned"> {
    const { keys, machine } = this;
    if (keys === undefined) return "trusted";
    const own = machine?.key?.publicKey;
    if (keys.isWriteOnly) {
      // A write-only key cannot read the signers.
      if (own === undefined || signer === own) return "trusted";
      return signer === undefined ? "unsigned" : "unknown";
    }
    if (signer === undefined) return "unsigned";
    const trust = await keys.signers.trust(signer);
    return trust === "unknown" && signer === own ? "trusted" : trust;
  }

  /**
   * Returns whether snapshots of this machine may refer to the contents of a
   * trusted snapshot. The contents of a snapshot that another machine took with
   * a write-only key are excluded, because this machine has not checked them
   * against their SHA-256. If this machine has a write-only key, or if the
   * repository is not encrypted or the snapshot not signed, nothing is excluded.
   *
   * @throws {DeltarError} The error of the storage.
   */
  async mayTakeOver({ signer }: SnapshotRecord): Promise<boolean> {
    const { keys, machine } = this;
    if (keys === undefined || keys.isWriteOnly || signer === undefined) {
      return true;
    }
    if (signer === machine?.key?.publicKey) return true;
    return await keys.signers.maySignFor(signer, machine?.id);
  }

  /**
   * Checks the signatures of records. Returns a function that tests whether one
   * of these records is trusted. See `trustOf`.
   */
  async trusted(
    records: readonly SnapshotRecord[],
  ): Promise<(record: SnapshotRecord) => boolean> {
    const trusted = new Set<SnapshotRecord>();
    for (const record of records) {
      if (await this.trustOf(record) === "trusted") trusted.add(record);
    }
    return (record) => trusted.has(record);
  }

  /**
   * Adds this machine to the signers of an encrypted repository. Does nothing
   * if this machine is already a signer, has no signing key, or has only a
   * write-only key to the repository.
   *
   * @throws {DeltarError} `exists` if the key of this machine was revoked.
   */
  async introduce(): Promise<void> {
    const { keys, machine } = this;
    if (keys === undefined || keys.isWriteOnly) return;
    if (machine?.key === undefined) return;
    const { id, host, key: { publicKey } } = machine;
    if (await keys.signers.trust(publicKey) === "trusted") return;
    await keys.signers.add({ publicKey, machine: { id, host } });
  }

  /**
   * Returns the cipher for this machine's files about the repository;
   * `undefined` if the repository is not encrypted.
   */
  async sealedFiles(): Promise<SealedFiles | undefined> {
    if (this.keys === undefined) return undefined;
    // The ciphers are loaded only for encrypted repositories.
    const { SealedFiles } = await import("./sealed_files.ts");
    return new SealedFiles(this.keys.cacheKey());
  }

  /**
   * Returns the same repository with a signal that aborts its reads and writes.
   */
  until(signal: AbortSignal | undefined): Store {
    if (signal === undefined) return this;
    const storage = untilAborted(this.storage, signal);
    return new Store({ ...this, storage });
  }

  /** Returns the sorted ids of all snapshots. */
  async ids(signal?: AbortSignal): Promise<string[]> {
    const storage = untilAborted(this.storage, signal);
    const ids: string[] = [];
    for await (const { name } of storage.list(SNAPSHOTS)) {
      const id = idOfRecord(name);
      if (id !== undefined) ids.push(id);
    }
    return ids.sort();
  }

  /**
   * Returns the records of all snapshots, the oldest first. The records of one
   * directory and machine are in the order of their ids. The records of several
   * directories or machines are ordered by time. If the time of a snapshot is
   * not plausible, the time of the next snapshot of the same directory and
   * machine is used instead or, if there is no next snapshot, the time of the
   * previous one.
   *
   * @param options With `onDamage`, records that cannot be read are reported
   * and omitted.
   */
  async records(
    { onDamage, signal }: ReadOptions = {},
  ): Promise<SnapshotRecord[]> {
    const storage = untilAborted(this.storage, signal);
    const [ids, labels] = await together([
      this.ids(signal),
      namesUnder(storage, LABELS.folder),
    ]);
    return await this.#readRecords(ids, labels, { onDamage, signal });
  }

  /**
   * Returns the records that were read earlier together with the records of new
   * snapshots, in the order in which `records` returns them.
   *
   * @param known The records that were read earlier.
   * @param others The ids of further known snapshots. Their records are not
   * read.
   */
  async withNewRecords(
    known: readonly SnapshotRecord[],
    others: readonly string[],
    signal?: AbortSignal,
  ): Promise<SnapshotRecord[]> {
    const old = new Set([...known.map(({ id }) => id), ...others]);
    const ids = (await this.ids(signal)).filter((id) => !old.has(id));
    if (ids.length === 0) return [...known];
    const storage = untilAborted(this.storage, signal);
    const labels = await namesUnder(storage, LABELS.folder);
    const records = await this.#readRecords(ids, labels, { signal });
    const isOlder = (a: SnapshotRecord, b: SnapshotRecord) =>
      a.id < b.id ? -1 : 1;
    return byTime([...known, ...records].sort(isOlder));
  }

  /**
   * Reads the records with these ids. `labels` has the names of all notes with
   * labels.
   */
  async #readRecords(
    ids: readonly string[],
    labels: readonly string[],
    { onDamage, signal }: ReadOptions,
  ): Promise<SnapshotRecord[]> {
    const storage = untilAborted(this.storage, signal);
    const records: SnapshotRecord[] = [];
    const reads = readAll(storage, ids, { onDamage });
    for await (const { record } of reads) records.push(record);
    return await withLabels(storage, byTime(records), {
      names: labels,
      onDamage,
      isTrusted: async (note) => await this.trustOfNote(note) === "trusted",
    });
  }

  /**
   * Returns the record of a snapshot as it is stored.
   *
   * @throws {DeltarError} `not-found` if there is no such snapshot; `corrupt`,
   * `truncated` or `limit` if the record is damaged; `unsupported` if this
   * version of deltar does not know the record's version.
   */
  async record(
    id: string,
    { signal }: SignalOptions = {},
  ): Promise<ReadRecord> {
    return await readRecord(untilAborted(this.storage, signal), id);
  }

  /**
   * Returns the last trusted snapshot of a directory of this machine, which is
   * the parent of the next snapshot; `undefined` if there is none. Safety
   * snapshots are ignored.
   *
   * @param directory The directory's absolute path.
   * @param options Callbacks for damaged records and for snapshots of other
   * directories or machines.
   */
  async parentOf(
    directory: string,
    { onDamage, onOther, signal }: ParentOptions = {},
  ): Promise<ReadRecord | undefined> {
    const storage = untilAborted(this.storage, signal);
    const ids = (await this.ids(signal)).filter((id) => !isSafety(id));
    const reads = readAll(storage, ids.reverse(), { onDamage, first: 1 });
    for await (const read of reads) {
      if (await this.trustOf(read.record) !== "trusted") continue;
      if (isOf(read.record, directory, this.machine?.id)) return read;
      onOther?.(read);
    }
    return undefined;
  }

  /**
   * Returns the trusted safety snapshots of a directory of this machine, the
   * newest first.
   *
   * @param directory The directory's absolute path, without symlinks.
   */
  async safetySnapshots(
    directory: string,
    { signal }: SignalOptions = {},
  ): Promise<SnapshotRecord[]> {
    const storage = untilAborted(this.storage, signal);
    const records: SnapshotRecord[] = [];
    const ids = (await this.ids(signal)).filter(isSafety);
    for await (const { record } of readAll(storage, ids.reverse())) {
      if (await this.trustOf(record) !== "trusted") continue;
      if (isOf(record, directory, this.machine?.id)) records.push(record);
    }
    return records;
  }

  /**
   * Returns a snapshot's whole tree.
   *
   * @throws {DeltarError} The error of a layer that is damaged or missing, such
   * as `corrupt` or `not-found`.
   */
  async tree(
    record: SnapshotRecord,
    { signal }: SignalOptions = {},
  ): Promise<Tree> {
    return await readTree(untilAborted(this.storage, signal), record);
  }
}

/** Generates the identity of a new repository and stores its first key. */
async function createKeys(
  storage: Storage,
  id: string,
  first: KeyFor,
  machineKey: SigningKey | undefined,
): Promise<RepositoryKeys> {
  const { RepositoryKeys } = await import("./keys.ts");
  try {
    return await RepositoryKeys.create(storage, id, first, machineKey);
  } catch (cause) {
    if (codeOf(cause) !== "exists") throw cause;
    throw new DeltarError(
      "exists",
      "keys/ already contains a key with this name. If deltar.json exists, " +
        "open the existing repository. Otherwise, another process is " +
        "creating a repository, or was interrupted while creating one. If no " +
        "such process is running, delete keys/ and try again.",
      { object: storage.location, cause },
    );
  }
}

/**
 * Yields the records of snapshots, in the order of the ids. Several records are
 * requested at the same time. Omits snapshots that were removed and snapshots
 * that the key of this machine cannot decrypt. If `onDamage` is given, it is
 * called with the error of each damaged record, and the record is omitted.
 *
 * @param first The number of records that are requested before the first one is
 * yielded, for a caller that may stop early.
 */
export async function* readAll(
  storage: Storage,
  ids: readonly string[],
  { onDamage, first }: { onDamage?: DamageHandler; first?: number } = {},
): AsyncGenerator<ReadRecord> {
  const limits = { most: MAX_REQUESTS_AT_ONCE, first };
  const results = mapAhead(
    ids,
    limits,
    (id) => outcomeOf(readRecord(storage, id)),
  );
  for await (const { result, error } of results) {
    if (result !== undefined) yield result;
    // The snapshot was removed after it was listed, or another machine took it
    // and this machine's key is write-only.
    else if (["not-found", "key"].includes(codeOf(error) ?? "")) continue;
    else if (onDamage === undefined || !isDamage(error)) throw error;
    else onDamage(error);
  }
}

/**
 * Returns the fields of a new record that name this machine, the key that signs
 * the record, and the repository.
 */
export function machineOf(
  store: Store,
): Pick<SnapshotRecord, "machine" | "signer" | "repository"> {
  const { machine } = store;
  if (machine === undefined) return signatureOf(store);
  const { key: _, ...named } = machine;
  return { machine: named, ...signatureOf(store) };
}

/**
 * Returns the fields of a new record that depend on its signature: the key that
 * signs it, and the repository that it is signed for.
 */
export function signatureOf(
  { signingKey, id }: Store,
): Pick<SnapshotRecord, "signer" | "repository"> {
  if (signingKey === undefined) return {};
  return {
    signer: signingKey.publicKey,
    ...id !== LOST_ID && { repository: id },
  };
}

/**
 * Returns the fields that depend on the signature, for a record that replaces
 * another record. Returns no fields if the other record is not trusted: its
 * replacement is not signed, because a signature would make the contents
 * trusted.
 *
 * @param store The repository.
 * @param original The record that is replaced.
 */
export async function signatureFor(
  store: Store,
  original: SnapshotRecord,
): Promise<ReturnType<typeof signatureOf>> {
  const isTrusted = await store.trustOf(original) === "trusted";
  return isTrusted ? signatureOf(store) : {};
}

/**
 * Checks that the caller's key is not write-only, for an operation that needs a
 * full key.
 *
 * @param what The operation, as an infinitive without `to`.
 * @param instead What the user can do without a full key, as an infinitive
 * without `to`. Default: nothing.
 * @throws {DeltarError} `key` if the key is write-only.
 */
export function checkReads(
  { keys, storage }: Store,
  what: string,
  instead?: string,
): void {
  if (keys === undefined || !keys.isWriteOnly) return;
  throw new DeltarError(
    "key",
    `a write-only key cannot ${what}; use a full key` +
      (instead === undefined ? "" : `, or ${instead}`),
    { object: storage.location },
  );
}

/** Throws a `TypeError` if the id of a machine is invalid. */
function checkMachine(machine: Machine | undefined): void {
  if (machine === undefined || isMachineId(machine.id)) return;
  throw new TypeError(
    `invalid \`machine.id\`: ${
      JSON.stringify(machine.id)
    }. An id has 1 to 64 ` +
      "letters, digits, `.`, `_` and `-`.",
  );
}
