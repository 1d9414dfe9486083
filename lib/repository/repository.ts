import type { Codec } from "../archive/codec.ts";
import { checkAborted, type SignalOptions } from "../bytes/abort.ts";
import {
  atLeast,
  callback,
  checkOptions,
  checkValue,
  countFrom,
  flag,
  oneOf,
  signal as aSignal,
  text,
  texts,
  textUpTo,
} from "../bytes/check_options.ts";
import { DeltarError } from "../bytes/errors.ts";
import { inTurns } from "../bytes/turns.ts";
import type { Storage } from "../storage/storage.ts";
import { untilAborted } from "../storage/until_aborted.ts";
import { compareSteps, type DiffIndex } from "../tree/diff_index.ts";
import { checkPath } from "../tree/path.ts";
import { checkWalker, type Walker } from "../tree/walker.ts";
import {
  fitBudget,
  type FitResult,
  readBudget,
  writeBudget,
} from "./prune/size_limit.ts";
import { checkedStream, ContentReader } from "./content/content.ts";
import { type CopyOptions, type CopyResult, copySnapshots } from "./copy.ts";
import { drill, type DrillOptions, type DrillResult } from "./drill/drill.ts";
import { type Proof, readProofs } from "./store/proof.ts";
import {
  Finder,
  type FindOptions,
  type FoundFolder,
  type FoundPlace,
} from "./store/find_snapshot.ts";
import {
  historyOf,
  type HistoryOptions,
  type PathVersion,
} from "./layers/history.ts";
import { labelSnapshot, MAX_LABEL_LENGTH } from "./store/label.ts";
import type { ReadLayerOptions } from "./layers/layer_reader.ts";
import type { ReadRecord, SnapshotRecord } from "./format/snapshot_record.ts";
import {
  type RepairOptions,
  repairRepository,
  type RepairResult,
} from "./repair/repair.ts";
import {
  isRestored,
  planRestore,
  planRevert,
  restoreTree,
  revertRestore,
} from "./restore/restore.ts";
import type {
  RestoreOptions,
  RestoreResult,
  RevertOptions,
} from "./restore/session.ts";
import type { RestorePlan } from "./restore/plan.ts";
import {
  planPrune,
  prune,
  type PruneOptions,
  type PrunePlan,
  type PruneResult,
  withDefaults,
} from "./prune/prune.ts";
import { isFull, makeRoom } from "./prune/free_space.ts";
import {
  type RemovedSnapshot,
  removeSnapshot,
  restoreRecord,
} from "./prune/removed.ts";
import type { RetentionPolicy } from "./prune/retention.ts";
import { isConflict } from "./runs/run.ts";
import { readRecords } from "./prune/repository_state.ts";
import {
  type RepositoryStats,
  repositoryStats,
  type StatsOptions,
} from "./stats/stats.ts";
import {
  type SnapshotOptions,
  type SnapshotResult,
  takeSnapshot,
} from "./snapshot/take_snapshot.ts";
import {
  type CreateOptions,
  type ParentOptions,
  type ReadOptions,
  Store,
} from "./store/store.ts";
import type { Tree } from "./layers/tree.ts";
import type { TreeEntry } from "./layers/tree_layer.ts";
import { streamEntries, TreeFinder } from "./layers/tree_reader.ts";
import {
  type VerifyOptions,
  verifyRepository,
  type VerifyResult,
} from "./verify/verify.ts";

/** The number of retries of a snapshot whose parent is removed meanwhile. */
const RETRIES = 2;

/**
 * Snapshots of directories over time, on one storage.
 *
 * @example Take a snapshot, change something, get it back
 * ```ts
 * import { Dir, MemoryStorage, Repository } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 * import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   writeFileSync(`${folder}/note.txt`, "first");
 *   const repository = await Repository.create(new MemoryStorage());
 *   const { record } = await repository.snapshot(new Dir(folder));
 *   writeFileSync(`${folder}/note.txt`, "second");
 *   await repository.restore(record, `${folder}-restored`);
 *   assert.equal(readFileSync(`${folder}-restored/note.txt`, "utf8"), "first");
 * } finally {
 *   rmSync(folder, { recursive: true });
 *   rmSync(`${folder}-restored`, { recursive: true });
 * }
 * ```
 */
export class Repository {
  readonly #store: Store;

  private constructor(store: Store) {
    this.#store = store;
  }

  /** The place of the objects. */
  get storage(): Storage {
    return this.#store.storage;
  }

  /** The repository's own id. */
  get id(): string {
    return this.#store.id;
  }

  /** Its compression. */
  get codec(): Codec {
    return this.#store.codec;
  }

  /**
   * Makes a storage a repository.
   *
   * In a folder, only its owner may look into it, whatever the umask is. Who
   * else may is told by the folder's mode, which all that is stored follows.
   *
   * @param storage An empty place.
   * @param options The compression, by default `zstd`; and, for a folder, whether
   * its group may read the repository, or also write.
   * @throws {DeltarError} `exists` if it is a repository already;
   * `unsupported` if this runtime cannot write that compression, if the file
   * system changes the case of names, or if something other than a folder is to
   * be shared.
   */
  static async create(
    storage: Storage,
    options: CreateOptions = {},
  ): Promise<Repository> {
    checkOptions("Repository.create()", options, {
      codec: oneOf("gzip", "zstd"),
      signal: aSignal,
    });
    const { shared } = options;
    if (shared !== undefined && shared !== "read" && shared !== "write") {
      throw new TypeError('shared is "read" or "write"');
    }
    return new Repository(await Store.create(storage, options));
  }

  /**
   * Opens a repository.
   *
   * @param storage Where it is.
   * @param options With `onDamage`, a repository whose settings are lost or
   * damaged is opened by what its objects are named. By default it is an error.
   * @throws {DeltarError} `not-found` if there is none; `unsupported` if it is
   * of a newer format.
   */
  static async open(
    storage: Storage,
    options: ReadOptions = {},
  ): Promise<Repository> {
    return new Repository(await Store.open(storage, options));
  }

  /**
   * Returns the records of all snapshots, the oldest first. Those of one
   * directory are in the order of their ids. Those of several are by time,
   * where a time that cannot be right counts as that of the snapshot after it.
   *
   * @param options Who is told of a record that cannot be read, which is then
   * left out. By default its error is thrown.
   */
  async snapshots(options: ReadOptions = {}): Promise<SnapshotRecord[]> {
    return await this.#store.records(options);
  }

  /**
   * The snapshot that a text names. In this order, the text is
   *
   * - `latest`, or `latest~N` for the one N before it;
   * - a whole id;
   * - a label;
   * - the beginning of an id, or its end of at least four characters;
   * - a time, for the last snapshot up to its end: `today`, `yesterday`,
   *   `3 days ago`, `2026-11-20`, `2026-11-20 14:00`, in local time.
   *
   * Safety snapshots are named by their ids only.
   *
   * @param text The text.
   * @param options Of which directory.
   * @throws {DeltarError} `not-found` if it names none, or more than one.
   */
  find(text: string, options: FindOptions = {}): Promise<SnapshotRecord> {
    return this.#finder(options).find(text);
  }

  /**
   * The snapshot, and the folder in it, that `SNAPSHOT:FOLDER` names; without a
   * folder the root is meant.
   *
   * @param text The text, whose first part is as for `find`.
   * @param options Of which directory.
   * @throws {DeltarError} `not-found` if it names none, or more than one.
   */
  findFolder(text: string, options: FindOptions = {}): Promise<FoundFolder> {
    return this.#finder(options).findFolder(text);
  }

  /**
   * The last snapshot of the directory that holds a place; of several
   * directories that hold it, of the innermost.
   *
   * @param place A directory, or a path in one, that need not exist.
   * @param options Who is told of records that cannot be read, which then are
   * passed over. By default their errors are thrown.
   * @returns `undefined` if there is none.
   */
  lastAt(
    place: string,
    options: ReadOptions = {},
  ): Promise<FoundPlace | undefined> {
    return this.#finder(options).lastAt(place);
  }

  #finder(options: FindOptions): Finder {
    const store = this.#store.until(options.signal);
    return new Finder(store.storage, () => store.ids(), options);
  }

  /**
   * Takes a snapshot of a directory: what changed since the last one of the
   * same directory is stored. Nothing is locked, and several may run at once.
   *
   * @param dir The directory.
   * @param options What to call it, and whom to tell.
   */
  async snapshot(
    dir: Walker,
    options: SnapshotOptions = {},
  ): Promise<SnapshotResult> {
    checkWalker(dir);
    checkOptions("snapshot()", options, {
      label: text,
      onlyIfChanged: flag,
      volumeSize: atLeast(4096),
      cache: text,
      onSkip: callback,
      onProgress: callback,
      measure: flag,
      onDamage: callback,
      onKept: callback,
      signal: aSignal,
    });
    checkLabel("snapshot(): label", options.label);
    let { last } = options;
    for (let left = RETRIES;; left--) {
      try {
        return await takeSnapshot(this.#store, dir, { ...options, last });
      } catch (error) {
        if (left === 0 || !isConflict(error)) throw error;
        last = undefined;
      }
    }
  }

  /**
   * Changes the label of a snapshot. Its record stays as it is; a note beside it says
   * what it is called now.
   *
   * @param record The snapshot.
   * @param label The label, of at most 1,000 characters; `undefined` removes it.
   * @param options What ends the work.
   * @returns The record with that label.
   */
  async label(
    record: SnapshotRecord,
    label: string | undefined,
    { signal }: SignalOptions = {},
  ): Promise<SnapshotRecord> {
    checkLabel("label()", label);
    const storage = untilAborted(this.storage, signal);
    return await labelSnapshot(storage, record, label);
  }

  /**
   * A snapshot's tree.
   *
   * @param record The snapshot.
   * @param options What ends the work.
   * @throws {DeltarError} `corrupt` if a layer is not what the record says.
   */
  async tree(
    record: SnapshotRecord,
    { signal }: SignalOptions = {},
  ): Promise<Tree> {
    return await this.#store.tree(record, { signal });
  }

  /**
   * The entry of a path in a snapshot, for which little of its tree is read.
   *
   * @param record The snapshot.
   * @param path The path below the root, `/`-separated.
   * @param options What ends the work.
   * @throws {DeltarError} `corrupt` if a layer is not what the record says.
   */
  async lookup(
    record: SnapshotRecord,
    path: string,
    { signal }: SignalOptions = {},
  ): Promise<TreeEntry | undefined> {
    checkAborted(signal);
    return await new TreeFinder(this.storage, record.layers).find(path, signal);
  }

  /**
   * The entries of a snapshot in path order, some at a time, in bounded memory.
   *
   * @param record The snapshot.
   * @param options With `within`, only what is in that folder, itself
   * included, or that file; with `isShallow`, only the folder's direct entries.
   * Little more of the tree is read.
   * @throws {DeltarError} `corrupt` if a layer is not what the record says.
   */
  entries(
    record: SnapshotRecord,
    options: ReadLayerOptions = {},
  ): AsyncGenerator<TreeEntry[]> {
    const storage = untilAborted(this.storage, options.signal);
    return streamEntries(storage, record.layers, options);
  }

  /**
   * Returns the changes between two snapshots.
   *
   * @param before The old one.
   * @param after The new one.
   * @param options What ends the work.
   */
  async diff(
    before: SnapshotRecord,
    after: SnapshotRecord,
    { signal }: SignalOptions = {},
  ): Promise<DiffIndex> {
    const [old, now] = await Promise.all(
      [before, after].map((record) => this.tree(record, { signal })),
    );
    return await inTurns(compareSteps(now.index, old.index), signal);
  }

  /**
   * A file of a snapshot, as a stream that fails at its end if the content is
   * not what was stored.
   *
   * @param record The snapshot.
   * @param path The file's path; a hard link gives its content.
   * @param options What ends the work, and the stream.
   * @throws {DeltarError} `not-found` if there is no such file.
   */
  async readFile(
    record: SnapshotRecord,
    path: string,
    { signal }: SignalOptions = {},
  ): Promise<ReadableStream<Uint8Array>> {
    checkAborted(signal);
    const finder = new TreeFinder(this.storage, record.layers);
    let entry = await finder.find(path, signal);
    if (entry?.kind === "hardlink") {
      entry = await finder.find(entry.target, signal);
    }
    if (entry?.kind !== "file") {
      const what = entry === undefined
        ? "there is no such file"
        : `it is a ${entry.kind}`;
      throw new DeltarError("not-found", `${what} in this snapshot`, {
        object: record.id,
        path,
      });
    }
    const reader = new ContentReader(this.storage);
    const file = entry;
    return checkedStream(file, () => reader.read(file, signal));
  }

  /**
   * The versions of a path over the snapshots of a directory, the newest
   * first: each time its content, kind or target became another, or it went.
   *
   * @param directory The directory's absolute path.
   * @param path The path below it.
   * @param options When to stop, and whom to tell of damage.
   */
  async history(
    directory: string,
    path: string,
    options: HistoryOptions = {},
  ): Promise<PathVersion[]> {
    checkPath(path);
    const records = await this.snapshots(options);
    return await historyOf(
      untilAborted(this.storage, options.signal),
      records.filter((record) =>
        // A safety snapshot holds only what a restore was to change.
        record.directory === directory && record.safety === undefined
      ),
      path,
      options,
    );
  }

  /**
   * Returns the changes that `restore` would make, as data. It reads the bytes of
   * every file of the right size, since times alone can lie.
   *
   * @param record The snapshot.
   * @param target The directory, which need not be there.
   * @param options Which paths, and whether to remove others.
   * @throws {DeltarError} `not-found` if a path is not in the snapshot.
   */
  async planRestore(
    record: SnapshotRecord,
    target: string,
    options: RestoreOptions = {},
  ): Promise<RestorePlan> {
    checkRestore("planRestore()", target, options);
    return await planRestore(this.#store, record, target, options);
  }

  /**
   * Restores a snapshot, or some paths of it, into a directory: only what
   * differs is written. What is overwritten or removed is saved first, in a
   * safety snapshot, by which `undoRestore` brings it back; what cannot be
   * saved stays. A restore that was killed or failed is finished by the same
   * call, or reverted by `undoRestore`.
   *
   * @param record The snapshot.
   * @param target The directory; it is made if it is not there.
   * @param options Which paths, whether to remove others, and whom to tell.
   * @throws {DeltarError} `not-found` if a path is not in the snapshot;
   * `exists` if another process restores into the directory; `unsafe` if it
   * would write into the repository itself.
   */
  async restore(
    record: SnapshotRecord,
    target: string,
    options: RestoreOptions = {},
  ): Promise<RestoreResult> {
    checkRestore("restore()", target, options);
    return await restoreTree(this.#store, record, target, options);
  }

  /**
   * Verifies that every snapshot can be restored: that all objects are there
   * and of their size, or, with `data`, that every byte is what was stored.
   * What is wrong is told, not thrown; nothing is changed.
   *
   * @param options How thoroughly, and whom to tell.
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    checkOptions("verify()", options, {
      data: flag,
      onProgress: callback,
      signal: aSignal,
    });
    const storage = untilAborted(this.storage, options.signal);
    return await verifyRepository(storage, options);
  }

  /**
   * Brings a directory back to what it was before the last restore into it;
   * called again, to what it was before the one before. What was changed since
   * is saved first, so `redoRestore` takes it back. What came since at other
   * paths stays.
   *
   * If the directory was new or empty, the files that are still as they were
   * restored are removed, and then the directory if the restore made it. What
   * was changed or added since stays, and is among `failed`.
   *
   * @param target The directory.
   * @param options Whom to tell.
   * @throws {DeltarError} `not-found` if there is no restore to undo.
   */
  async undoRestore(
    target: string,
    options: RevertOptions = {},
  ): Promise<RestoreResult> {
    checkRestore("undoRestore()", target, options);
    return await revertRestore(this.#store, target, "undo", options);
  }

  /**
   * Takes the last `undoRestore` back.
   *
   * @param target The directory.
   * @param options Whom to tell.
   * @throws {DeltarError} `not-found` if nothing was undone since the last
   * restore.
   */
  async redoRestore(
    target: string,
    options: RevertOptions = {},
  ): Promise<RestoreResult> {
    checkRestore("redoRestore()", target, options);
    return await revertRestore(this.#store, target, "redo", options);
  }

  /**
   * Returns the changes that `undoRestore` or `redoRestore` would make.
   *
   * @param target The directory.
   * @param way Which of the two.
   * @param options As for `undoRestore`.
   * @throws {DeltarError} `not-found` if there is nothing to undo or redo.
   */
  async planRevert(
    target: string,
    way: "undo" | "redo",
    options: RevertOptions = {},
  ): Promise<RestorePlan> {
    checkRestore("planRevert()", target, options);
    return await planRevert(this.#store, target, way, options);
  }

  /**
   * Removes a snapshot. Until the grace is over, which a `prune` finds,
   * `undelete` brings it back; its bytes go only then. If there is no space left
   * to note that, what was removed before and whose grace is over goes first.
   *
   * @param record The snapshot, or its id if its record is damaged.
   * @param options What ends the work.
   * @throws {DeltarError} `not-found` if there is no such snapshot; `io` if
   * there is no space left, and nothing may go.
   */
  async forget(
    record: SnapshotRecord | string,
    { signal }: SignalOptions = {},
  ): Promise<void> {
    const id = typeof record === "string" ? record : record.id;
    const storage = untilAborted(this.storage, signal);
    try {
      await removeSnapshot(storage, id, "forgotten");
    } catch (error) {
      if (!isFull(error)) throw error;
      await makeRoom(this.#store, [], { ...withDefaults({}), signal }, error);
      await removeSnapshot(storage, id, "forgotten");
    }
  }

  /**
   * The removed snapshots that can be brought back, the oldest first.
   *
   * @param options What ends the work.
   */
  async removed({ signal }: SignalOptions = {}): Promise<RemovedSnapshot[]> {
    return (await readRecords(this.#store, signal)).removed;
  }

  /**
   * Brings a removed snapshot back, as it was.
   *
   * @param id Its id.
   * @param options What ends the work.
   * @throws {DeltarError} `not-found` if it was purged, or never removed.
   */
  async undelete(id: string, { signal }: SignalOptions = {}): Promise<void> {
    checkAborted(signal);
    await restoreRecord(this.storage, id, signal);
  }

  /**
   * Returns what `prune` would do with the snapshots, and the bytes it would free.
   *
   * @param policy Which snapshots are kept; an empty one keeps all.
   */
  async planPrune(
    policy: RetentionPolicy = {},
    options: PruneOptions = {},
  ): Promise<PrunePlan> {
    checkPrune("planPrune()", policy, options);
    return await planPrune(this.#store.until(options.signal), policy, options);
  }

  /**
   * Removes the snapshots that a policy does not keep; purges those whose grace
   * is over, with what only they needed; and repacks volumes that are mostly
   * dead. Snapshots may be taken at the same time, and it may be killed.
   *
   * @param policy Which snapshots are kept; an empty one keeps all.
   * @throws {DeltarError} `exists` if another prune is at work; what reading
   * records and layers throws, as nothing is collected while it is not known
   * what is needed.
   */
  async prune(
    policy: RetentionPolicy = {},
    options: PruneOptions = {},
  ): Promise<PruneResult> {
    checkPrune("prune()", policy, options);
    return await prune(this.#store, policy, options);
  }

  /**
   * Makes the repository fit into a number of bytes, if it does not: purges what
   * was removed, then removes snapshots, safety snapshots and those that lie
   * densest for their age first and labelled ones after all others. The last
   * snapshot of each directory stays, even if that is too much.
   *
   * By default there is no grace: what is removed is gone. A limit that the
   * user did not set, but the repository names, is not worth that trust: whoever
   * can write a settings object could have snapshots deleted. Pass a `grace`
   * for it; then space is freed when the grace is over.
   *
   * @param maxSize The most bytes of all objects together.
   * @param options The grace, in milliseconds, and whom to tell. Default: 0.
   */
  async fit(
    maxSize: number,
    options: PruneOptions = {},
  ): Promise<FitResult> {
    checkPrune("fit()", {}, options);
    return await fitBudget(this.#store, maxSize, options);
  }

  /**
   * The size that the repository's settings allow it, in bytes, if any. Whoever
   * can write to the repository can have set it; see `fit`.
   *
   * @param options What ends the work.
   */
  maxSize({ signal }: SignalOptions = {}): Promise<number | undefined> {
    return readBudget(untilAborted(this.storage, signal));
  }

  /**
   * Remembers in the repository's settings the size it is allowed.
   *
   * @param maxSize A number of bytes; `undefined` allows any.
   * @param options What ends the work.
   */
  setMaxSize(
    maxSize: number | undefined,
    { signal }: SignalOptions = {},
  ): Promise<void> {
    return writeBudget(untilAborted(this.storage, signal), maxSize);
  }

  /**
   * Returns the use of the space: what each snapshot added and needs alone, what
   * the folders and the largest files of one take, how much of volumes is needed.
   * Only records and trees are read.
   *
   * @param options Of which snapshot and folder.
   */
  stats(options: StatsOptions = {}): Promise<RepositoryStats> {
    return repositoryStats(this.#store.until(options.signal), options);
  }

  /**
   * Restores some files of a snapshot into a scratch folder, compares them, and
   * notes when: each time the next ones.
   *
   * @param options Which snapshot, how many files, and where.
   * @throws {DeltarError} `not-found` if there is no snapshot; `io` if the
   * scratch folder or the storage fails.
   */
  async drill(options: DrillOptions = {}): Promise<DrillResult> {
    checkOptions("drill()", options, {
      files: countFrom(1),
      bytes: atLeast(1),
      scratch: text,
      onProgress: callback,
      onDamage: callback,
      signal: aSignal,
    });
    return await drill(this.#store, options);
  }

  /**
   * When each snapshot was last proven by a `drill`, by its id.
   *
   * @param options Who is told of notes that cannot be read.
   */
  proofs(
    { onDamage, signal }: ReadOptions = {},
  ): Promise<Map<string, Proof>> {
    return readProofs(untilAborted(this.storage, signal), onDamage);
  }

  /**
   * Rebuilds what can be rebuilt, and sets aside what cannot be read any more,
   * so that all else works. A snapshot of which files are lost is replaced by
   * one without them, which names them; the next snapshot stores them again if
   * the directory has them still. What is replaced is copied to `damaged/`.
   *
   * @param options Whether to do it, and whom to tell.
   * @throws {DeltarError} `io` if an object could not be read for another
   * reason than being damaged or absent: then nothing is judged.
   */
  async repair(options: RepairOptions = {}): Promise<RepairResult> {
    checkOptions("repair()", options, {
      dryRun: flag,
      onProgress: callback,
      signal: aSignal,
    });
    return await repairRepository(this.#store, options);
  }

  /**
   * Copies snapshots to another repository, whatever the storages are: what is
   * there already is not copied again, so a copy that was interrupted goes on,
   * and copying often costs only what is new. Each object is held against its
   * SHA-256 on the way.
   *
   * @param target The other repository.
   * @param records The snapshots.
   * @param options Whom to tell.
   * @throws {DeltarError} `corrupt` if an object is not what was recorded;
   * `mismatch` if the target has another snapshot of the same id.
   */
  async copyTo(
    target: Repository,
    records: readonly SnapshotRecord[],
    options: CopyOptions = {},
  ): Promise<CopyResult> {
    checkOptions("copyTo()", options, {
      onProgress: callback,
      signal: aSignal,
    });
    return await copySnapshots(this.#store, target.#store, records, options);
  }

  /**
   * The last snapshot of a directory, against which the next is taken.
   *
   * @param directory The directory's absolute path.
   * @param options Who is told of what is found on the way.
   */
  async parentFor(
    directory: string,
    options: ParentOptions = {},
  ): Promise<ReadRecord | undefined> {
    return await this.#store.parentOf(directory, options);
  }

  /**
   * Returns the safety snapshots of a directory, the newest first. They undo the
   * restores into it.
   *
   * @param directory The directory's absolute path, without symlinks.
   * @param options What ends the work.
   */
  async safetySnapshots(
    directory: string,
    options: SignalOptions = {},
  ): Promise<SnapshotRecord[]> {
    return await this.#store.safetySnapshots(directory, options);
  }

  /**
   * Returns whether a restore into a directory is known here, be it undone.
   *
   * @param directory The directory's absolute path, without symlinks.
   * @param options What ends the work.
   */
  async isRestoreTarget(
    directory: string,
    { signal }: SignalOptions = {},
  ): Promise<boolean> {
    return await isRestored(this.#store, directory, signal);
  }

  /**
   * The record of a snapshot as it is stored.
   *
   * @param id The snapshot's whole id.
   * @param options What ends the work.
   * @throws {DeltarError} `not-found` if there is none; `corrupt` if it is
   * damaged.
   */
  async readRecord(
    id: string,
    options: SignalOptions = {},
  ): Promise<ReadRecord> {
    return await this.#store.record(id, options);
  }
}

/** Refuses a target or options of a restore or undo that are none. */
function checkRestore(
  call: string,
  target: unknown,
  options: RestoreOptions | RevertOptions,
): void {
  if (typeof target !== "string") {
    throw new TypeError(`${call}: the target has to be a path`);
  }
  checkOptions(call, options, {
    from: text,
    paths: texts,
    apart: texts,
    delete: flag,
    rootAttributes: flag,
    trust: flag,
    onProgress: callback,
    onPlan: callback,
    signal: aSignal,
  });
}

/** Refuses a label of the wrong type, or that no reader would accept. */
function checkLabel(name: string, label: unknown): void {
  checkValue(name, label, text);
  checkValue(name, label, textUpTo(MAX_LABEL_LENGTH));
}

/** Refuses rules or options of a prune that are none. */
function checkPrune(
  call: string,
  policy: RetentionPolicy,
  options: PruneOptions,
): void {
  checkOptions(`${call}, the policy`, policy, {});
  checkOptions(call, options, {
    grace: atLeast(0),
    patience: atLeast(0),
    repackBelow: atLeast(0),
    onProgress: callback,
    signal: aSignal,
  });
}
