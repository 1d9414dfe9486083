/**
 * The store: a repository's objects, its id and compression, and its snapshots.
 * The functions that take, restore, prune and verify snapshots are passed a
 * `Store`. Only the public class `Repository` imports all of them.
 *
 * Of the other files in this directory, `find_snapshot.ts` finds the snapshot
 * that a user names, and `named_time.ts` reads times such as `yesterday`.
 * `label.ts` changes labels and limits their length. `proof.ts` has the results
 * of drills, and `fresh_restore.ts` the notes of restores into new or empty
 * directories.
 *
 * @module
 */
import { type Codec, codecFor, type CodecName } from "../../archive/codec.ts";
import type { AgeKey } from "../../age/header.ts";
import { checkAborted, type SignalOptions } from "../../bytes/abort.ts";
import {
  codeOf,
  type DamageHandler,
  DeltarError,
  isDamage,
} from "../../bytes/errors.ts";
import type { SigningKey } from "../../ssh/ed25519.ts";
import type { Sharing } from "../../storage/local_modes.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { idOfRecord, isSafety, SETTINGS, SNAPSHOTS } from "../format/names.ts";
import { readIfThere } from "../format/note.ts";
import {
  isOf,
  type MachineRecord,
  type ReadRecord,
  readRecord,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";
import {
  encodeSettings,
  guessSettings,
  readSettings,
  type Settings,
} from "../format/settings.ts";
import { byTime } from "../format/plausible_times.ts";
import { ManifestWriter } from "../runs/manifest.ts";
import type { Tree } from "../layers/tree.ts";
import { readTree } from "../layers/tree_reader.ts";
import { type KeyFor, RepositoryKeys } from "./keys.ts";
import { withLabels } from "./label.ts";

/** Options for creating a repository. */
export interface CreateOptions extends SignalOptions {
  /** The compression. Default: `zstd`. */
  codec?: CodecName;
  /**
   * The access of the group of the repository's folder: `read`, or `write` for
   * reading and writing. By default, only the owner of the folder has access.
   */
  shared?: Sharing;
  /**
   * The first key of the repository, whose objects are then encrypted with age.
   * Default: they are not encrypted.
   */
  encrypt?: KeyFor;
  /** This machine, as for `OpenOptions`. */
  machine?: Machine;
}

/** The machine that uses a repository. */
export interface Machine extends MachineRecord {
  /** The key that signs the records of the machine's snapshots. */
  key?: SigningKey;
}

/** Options for opening a repository. */
export interface OpenOptions extends ReadOptions {
  /**
   * This machine. Its snapshots continue only its own snapshots, and those of
   * no machine. By default, machines are not told apart, and nothing is signed.
   */
  machine?: Machine;
  /**
   * The keys of this user: age identities, or passphrases. Or a function that
   * returns them, which is called only if the repository is encrypted.
   */
  keys?: readonly AgeKey[] | (() => Promise<readonly AgeKey[]>);
  /**
   * The sum of the recipient that the repository must be encrypted for, as
   * `RepositoryKeys.sum` returned it at the first contact. By default, any
   * repository is opened.
   */
  recipient?: string;
}

/** Options for reading objects that may be damaged. */
export interface ReadOptions extends SignalOptions {
  /**
   * Called with the error of each object that cannot be read. By default, the
   * error is thrown.
   */
  onDamage?: DamageHandler;
}

/** Options for finding the last snapshot of a directory. */
export interface ParentOptions extends ReadOptions {
  /**
   * Called with each snapshot of another directory or machine that is newer
   * than the one searched for, the newest first. If the directory has no
   * snapshot, `onOther` is called with all snapshots except safety snapshots.
   */
  onOther?: (read: ReadRecord) => void;
}

/** A repository's objects and snapshots. */
export class Store {
  /** The storage of the objects. */
  readonly storage: Storage;
  /** The repository's own id. */
  readonly id: string;
  /** The compression of the repository. */
  readonly codec: Codec;
  /** The keys, if the repository is encrypted. */
  readonly keys: RepositoryKeys | undefined;
  /** This machine, if it is known. */
  readonly machine: Machine | undefined;
  /** The writer of manifests, if the repository is encrypted. */
  readonly manifests: ManifestWriter | undefined;

  private constructor(
    { storage, id, codec, keys, machine, manifests }: Pick<
      Store,
      "storage" | "id" | "codec" | "keys" | "machine" | "manifests"
    >,
  ) {
    this.storage = storage;
    this.id = id;
    this.codec = codec;
    this.keys = keys;
    this.machine = machine;
    this.manifests = manifests;
  }

  /**
   * Creates a repository.
   *
   * @param storage An empty storage.
   * @param options The compression, and who may access a repository in a
   * folder.
   * @throws {DeltarError} `exists` if the storage is a repository already;
   * `unsupported` if this runtime cannot write that compression, or if this
   * storage cannot be shared.
   */
  static async create(
    storage: Storage,
    options: CreateOptions,
  ): Promise<Store> {
    const { signal, shared } = options;
    const codec = codecFor(options.codec ?? "zstd");
    checkAborted(signal);
    // A runtime that cannot write this compression fails here, before anything
    // is stored.
    await codec.compress(new Uint8Array(0));
    if (storage.prepare !== undefined) {
      // The modes of an existing repository are not changed. Storing the
      // settings, below, throws `exists` for it.
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
    // The settings come last. If another process created the repository first,
    // its settings name its own identity.
    const keys = options.encrypt &&
      await RepositoryKeys.create(storage, id, options.encrypt);
    if (keys !== undefined) {
      settings.encryption = { kind: "age", recipient: await keys.sum() };
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
    const { machine } = options;
    return await Store.#over(storage, { id, codec, keys, machine });
  }

  /**
   * Opens a repository.
   *
   * @param storage The repository's storage.
   * @param options With `onDamage`, a repository is opened even if its settings
   * are lost or damaged: its compression is inferred from the names of its
   * objects. By default, lost or damaged settings are an error.
   * @throws {DeltarError} `not-found` if the storage is not a repository;
   * `not-found`, `corrupt`, `truncated` or `limit` if its settings are lost or
   * damaged, and there is no `onDamage` or no snapshot; `unsupported` if its
   * format is newer.
   */
  static async open(
    storage: Storage,
    options: OpenOptions,
  ): Promise<Store> {
    const { onDamage, signal } = options;
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

  /** Opens a repository with known settings. */
  static async #with(
    storage: Storage,
    { id, codec, encryption }: Settings,
    { keys: own, recipient: expected, machine }: OpenOptions,
  ): Promise<Store> {
    // Settings that were lost do not name a recipient. Then the key has to be
    // the expected one.
    const recipient = encryption && (encryption.recipient ?? expected);
    if (expected !== undefined && recipient !== expected) {
      throw new DeltarError(
        "mismatch",
        encryption === undefined
          ? "the repository was encrypted before, and is not any more"
          : "the repository is encrypted for somebody else than before",
        { object: storage.location },
      );
    }
    const base = { id, codec: codecFor(codec), machine };
    if (encryption === undefined) {
      return await Store.#over(storage, { ...base, keys: undefined });
    }
    const given = typeof own === "function" ? await own() : own ?? [];
    const keys = await RepositoryKeys.open(storage, id, given, recipient);
    return await Store.#over(storage, { ...base, keys });
  }

  /** Returns the repository whose objects are in a storage. */
  static async #over(
    storage: Storage,
    base: Pick<Store, "id" | "codec" | "keys" | "machine">,
  ): Promise<Store> {
    const { id, keys, machine } = base;
    if (keys === undefined) {
      return new Store({ ...base, storage, manifests: undefined });
    }
    const manifests = new ManifestWriter(storage, id, machine?.key);
    return new Store({
      ...base,
      storage: await keys.decrypted((object) => manifests.stored(object)),
      manifests,
    });
  }

  /** Returns the same repository with a signal that ends reads and writes. */
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
   * directory are in the order of their ids. Those of several directories are
   * ordered by time. For a snapshot whose time cannot be right, the time of the
   * next snapshot of the directory is used or, if there is none, of the
   * previous one.
   *
   * @param options With `onDamage`, records that cannot be read are reported
   * and omitted.
   */
  async records(
    { onDamage, signal }: ReadOptions = {},
  ): Promise<SnapshotRecord[]> {
    const storage = untilAborted(this.storage, signal);
    const records: SnapshotRecord[] = [];
    for (const id of await this.ids(signal)) {
      const read = await tryRead(storage, id, onDamage);
      if (read !== undefined) records.push(read.record);
    }
    return await withLabels(storage, byTime(records), onDamage);
  }

  /**
   * Returns the record of a snapshot as it is stored.
   *
   * @throws {DeltarError} `not-found` if there is no such snapshot; `corrupt`
   * if the record is damaged.
   */
  async record(
    id: string,
    { signal }: SignalOptions = {},
  ): Promise<ReadRecord> {
    return await readRecord(untilAborted(this.storage, signal), id);
  }

  /**
   * Returns the last snapshot of a directory of this machine, which is the
   * parent of the next one.
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
    for (const id of (await this.ids(signal)).reverse()) {
      if (isSafety(id)) continue;
      const read = await tryRead(storage, id, onDamage);
      if (read === undefined) continue;
      if (isOf(read.record, directory, this.machine?.id)) return read;
      onOther?.(read);
    }
    return undefined;
  }

  /**
   * Returns the safety snapshots of a directory of this machine, the newest
   * first.
   *
   * @param directory The directory's absolute path, without symlinks.
   */
  async safetySnapshots(
    directory: string,
    { signal }: SignalOptions = {},
  ): Promise<SnapshotRecord[]> {
    const storage = untilAborted(this.storage, signal);
    const records: SnapshotRecord[] = [];
    for (const id of (await this.ids(signal)).reverse()) {
      if (!isSafety(id)) continue;
      const { record } = await readRecord(storage, id);
      if (isOf(record, directory, this.machine?.id)) records.push(record);
    }
    return records;
  }

  /**
   * Returns a snapshot's whole tree.
   *
   * @throws {DeltarError} `corrupt` if a layer differs from its record.
   */
  async tree(
    record: SnapshotRecord,
    { signal }: SignalOptions = {},
  ): Promise<Tree> {
    return await readTree(untilAborted(this.storage, signal), record);
  }
}

/**
 * Reads a record. Returns `undefined` if the snapshot was removed, or if the
 * record is damaged and `onDamage` was called.
 */
async function tryRead(
  storage: Storage,
  id: string,
  onDamage: DamageHandler | undefined,
): Promise<ReadRecord | undefined> {
  try {
    return await readRecord(storage, id);
  } catch (error) {
    // The snapshot was removed after it was listed.
    if (codeOf(error) === "not-found") return undefined;
    if (onDamage === undefined || !isDamage(error)) throw error;
    onDamage(error);
    return undefined;
  }
}

/** Returns the fields of a new record that name this machine. */
export function machineOf(
  { machine }: Store,
): Pick<SnapshotRecord, "machine"> {
  if (machine === undefined) return {};
  const { key: _, ...named } = machine;
  return { machine: named };
}
