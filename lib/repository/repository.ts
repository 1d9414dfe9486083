import type { Codec } from "../archive/codec.ts";
import { checkAborted, type SignalOptions } from "../bytes/abort.ts";
import {
  atLeast,
  callback,
  checkOptions,
  checkValue,
  countFrom,
  type Expected,
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
import { nameOfKind } from "../tree/entry.ts";
import { checkPath } from "../tree/path.ts";
import type { StreamedEntry } from "../tree/streamed_entry.ts";
import { checkWalker, type Walker } from "../tree/walker.ts";
import {
  fitBudget,
  type FitResult,
  readBudget,
  writeBudget,
} from "./prune/size_limit.ts";
import { checkedStream, ContentReader } from "./content/content.ts";
import { type CopyOptions, type CopyResult, copySnapshots } from "./copy.ts";
import { exportSnapshot } from "./export/export.ts";
import type { ExportOptions } from "./export/export_options.ts";
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
} from "./search/history.ts";
import {
  findPaths,
  type FindPathsOptions,
  type FoundPath,
} from "./search/find_paths.ts";
import type { RepositoryKeys } from "./store/keys.ts";
import { Labels, labelSnapshot, MAX_LABEL_LENGTH } from "./store/label.ts";
import type { ReadLayerOptions } from "./layers/layer_reader.ts";
import type { ReadRecord, SnapshotRecord } from "./format/snapshot_record.ts";
import { isTurn } from "./format/turn_record.ts";
import {
  planPurge,
  purge,
  type PurgeOptions,
  type PurgePlan,
  type PurgeResult,
} from "./purge/purge.ts";
import {
  type RepairOptions,
  repairRepository,
  type RepairResult,
} from "./repair/repair.ts";
import {
  isRestored,
  planRestore,
  planRevert,
  planUndoChanges,
  restoreTree,
  revertRestore,
  undoChanges,
} from "./restore/restore.ts";
import type {
  RestoreOptions,
  RestoreResult,
  RevertOptions,
  UndoChangesOptions,
} from "./restore/session.ts";
import type { ChangeSpan } from "./search/agent_turns.ts";
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
  canBeUndeleted,
  type RemovedSnapshot,
  removeSnapshot,
} from "./prune/removed.ts";
import type { RetentionPolicy } from "./prune/retention.ts";
import { undeleteSnapshot } from "./prune/undelete.ts";
import type { RekeyOptions, RekeyPlan, RekeyResult } from "./rekey/rekey.ts";
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
import { findUntrusted } from "./verify/untrusted.ts";
import {
  checkReads,
  type CreateOptions,
  type OpenOptions,
  type ParentOptions,
  type ReadOptions,
  type RecordTrust,
  Store,
} from "./store/store.ts";
import type { Tree } from "./layers/tree.ts";
import type { TreeEntry, TreeFileEntry } from "./layers/tree_layer.ts";
import { streamEntries, TreeFinder } from "./layers/tree_reader.ts";
import {
  type VerifyOptions,
  verifyRepository,
  type VerifyResult,
} from "./verify/verify.ts";

/**
 * The maximum number of retries of a snapshot after an error of code
 * `conflict`, for example because its parent was removed during the work.
 */
const MAX_RETRIES = 2;

/** The expectation that a value is a time that is not in the future. */
const pastTime: Expected = {
  words: "a number of milliseconds since 1970 that is not in the future",
  is: (time) =>
    typeof time === "number" && Number.isSafeInteger(time) && time >= 0 &&
    time <= Date.now(),
};

/** The maximum length of the option `source`, in UTF-16 code units. */
const MAX_SOURCE_LENGTH = 4096;

/**
 * A repository: snapshots of one or more directories, in one storage.
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

  /** The storage of the repository. */
  get storage(): Storage {
    return this.#store.storage;
  }

  /** The id of the repository. */
  get id(): string {
    return this.#store.id;
  }

  /** The compression of the repository. */
  get codec(): Codec {
    return this.#store.codec;
  }

  /** The keys of the repository; `undefined` if it is not encrypted. */
  get keys(): RepositoryKeys | undefined {
    return this.#store.keys;
  }

  /**
   * Creates a repository.
   *
   * For a storage in a folder, the mode of the folder determines the modes of
   * all files in it. By default, a new folder gets a mode with which only its
   * owner has access, whatever the umask is. An existing folder gets the same
   * mode if it is empty, users outside its group have access, and it has no
   * set-group-ID bit. Any other folder keeps its mode.
   *
   * @param storage An empty storage.
   * @param options The compression, `zstd` by default, and the first key of an
   * encrypted repository. For a storage in a folder, `shared` allows the
   * folder's group to read, or to read and write, the repository.
   * @throws {DeltarError} `exists` if the storage is already a repository;
   * `unsupported` if this runtime cannot write the compression, if the file
   * system changes the case of names, or if `shared` is given and the storage
   * is not a folder.
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
      throw new TypeError(
        `Repository.create(): the option \`shared\` must be "read" or "write": ${shared}`,
      );
    }
    return new Repository(await Store.create(storage, options));
  }

  /**
   * Opens a repository.
   *
   * @param storage The repository's storage.
   * @param options The keys, if the repository is encrypted. With `onDamage`, a
   * repository with snapshots is opened even if its settings are lost or
   * damaged: its compression is inferred from the names of its objects. Without
   * `onDamage`, lost or damaged settings are an error.
   * @throws {DeltarError} `not-found` if the storage is not a repository;
   * `not-found`, `corrupt`, `truncated` or `limit` if its settings are lost or
   * damaged; `unsupported` if its format is newer than this version of deltar
   * can read; `key` if it is encrypted and no key, or only a wrong one, is
   * given; `mismatch` if its recipient, admin key or id differs from the option
   * `recipient`, `admin` or `id`, or if its only key file belongs to another
   * repository.
   */
  static async open(
    storage: Storage,
    options: OpenOptions = {},
  ): Promise<Repository> {
    return new Repository(await Store.open(storage, options));
  }

  /**
   * Returns the records of all snapshots, including safety snapshots, oldest
   * first. The records of one directory are in the order of their ids. The
   * records of different directories are ordered by time. If the time of a
   * snapshot is not plausible, the time of the next snapshot of the directory
   * is used instead or, if there is no next snapshot, the time of the previous
   * one.
   *
   * @param options With `onDamage`, a record that cannot be read is reported
   * and omitted. By default its error is thrown.
   */
  async snapshots(options: ReadOptions = {}): Promise<SnapshotRecord[]> {
    return await this.#store.records(options);
  }

  /**
   * Returns the snapshot that a text names, or that has a label. A text is read
   * as the first of these forms that matches:
   *
   * - `latest`, or `latest~N` for the Nth snapshot before the latest;
   * - a whole id;
   * - a label;
   * - the beginning of an id, or at least the last four characters of an id;
   * - a time, which names the last snapshot that was taken before the end of
   *   the named period: `today`, `yesterday`, `3 days ago`, `2026-11-20 14:00`,
   *   `2026-11-20`. The time is local, unless the text ends in `Z`.
   *
   * Safety snapshots can be named only by their ids, or by the beginning or end
   * of an id.
   *
   * @param wanted The text, or an object with a label. The label in an object
   * may look like an id or a time.
   * @param options The directory whose snapshots are searched.
   * @throws {DeltarError} `not-found` if the text or label names no snapshot,
   * or more than one; the error of a record that cannot be read, unless
   * `onDamage` is given.
   */
  find(
    wanted: string | { label: string },
    options: FindOptions = {},
  ): Promise<SnapshotRecord> {
    const finder = this.#finder(options);
    if (typeof wanted === "string") return finder.find(wanted);
    checkLabel("find(): label", wanted.label);
    return finder.findLabelled(wanted.label);
  }

  /**
   * Returns the snapshot and the folder in it that `SNAPSHOT:FOLDER` names. In
   * a text without `:FOLDER`, the folder is the root. The folder need not exist
   * in the snapshot.
   *
   * @param text The text. The part before the `:` names the snapshot as in
   * `find`.
   * @param options The directory whose snapshots are searched.
   * @throws {DeltarError} The errors of `find`.
   */
  findFolder(text: string, options: FindOptions = {}): Promise<FoundFolder> {
    return this.#finder(options).findFolder(text);
  }

  /**
   * Returns the last trusted snapshot of the directory that contains a path. If
   * several directories contain the path, the innermost one is used. Snapshots
   * that another machine took are ignored, unless the repository was opened
   * without a machine.
   *
   * @param place The path of a directory, or a path inside one. The path need
   * not exist.
   * @param options With `onDamage`, records that cannot be read are reported
   * and ignored. By default their errors are thrown.
   * @returns The snapshot, and the path below its directory; `undefined` if
   * there is no such snapshot.
   */
  lastAt(
    place: string,
    options: ReadOptions = {},
  ): Promise<FoundPlace | undefined> {
    return this.#finder(options).lastAt(place);
  }

  #finder(options: FindOptions): Finder {
    const store = this.#store.until(options.signal);
    return new Finder(store.storage, () => store.ids(), {
      machine: store.machine?.id,
      isTrusted: (record) => store.mayFind(record),
      isTrustedLabel: async (label) =>
        await store.trustOfNote(label) === "trusted",
      ...options,
    });
  }

  /**
   * Takes a snapshot of a directory and stores the changes since the last
   * snapshot of the same directory. There are no locks: several snapshots can
   * be taken at the same time.
   *
   * A stream of entries can be passed instead of a directory, such as the
   * entries that `tarEntries` reads from a tar archive. The stream is read
   * once. A file of more than 8 MiB is written to a temporary file before it is
   * stored.
   *
   * @param dir The directory, or a stream of entries in any order. If several
   * entries have the same path, the last one is used.
   * @param options The label and other options for taking a snapshot. For a
   * stream, `source` is required.
   * @returns The record of the new snapshot, or of the last one if none was
   * taken, with the changes and the skipped and excluded paths.
   * @throws {DeltarError} `conflict` if the last snapshot was removed during
   * the work, or if a prune considered the run dead because its heartbeat had
   * stopped (for a directory, only after three attempts); the error of an
   * earlier snapshot that cannot be read, unless `onDamage` is given; `exists`
   * if `time` is not later than the time of the last snapshot, or if the
   * signing key of this machine was revoked; `unsafe` if a path of a stream
   * leads out of the tree or is below a path that is not a directory; the error
   * of the stream or of the storage; `aborted` if the signal ends the work.
   * @throws {RangeError} If `time` is in the future or before 1970, or if
   * `volumeSize` is less than 4,096.
   *
   * @example Keep the output of a program
   * ```ts
   * import { MemoryStorage, Repository } from "@deltar/deltar";
   * import assert from "node:assert/strict";
   *
   * async function* dump() {
   *   const state = { mode: 0o600, mtime: 0n, uid: 0, gid: 0, size: 0 };
   *   async function* body() {
   *     yield new TextEncoder().encode("a,b\n");
   *   }
   *   yield { member: { path: "data.csv", kind: "file", ...state }, body: body() } as const;
   * }
   *
   * const repository = await Repository.create(new MemoryStorage());
   * const { record } = await repository.snapshot(dump(), { source: "dump" });
   * const file = await repository.readFile(record, "data.csv");
   * assert.equal(await new Response(file).text(), "a,b\n");
   * ```
   */
  async snapshot(
    dir: Walker | AsyncIterable<StreamedEntry>,
    options: SnapshotOptions = {},
  ): Promise<SnapshotResult> {
    const isStream = isAsyncIterable(dir);
    if (!isStream) checkWalker(dir);
    checkOptions("snapshot()", options, {
      label: text,
      turn: aTurn,
      source: textUpTo(MAX_SOURCE_LENGTH, 1),
      time: pastTime,
      onlyIfChanged: flag,
      ignoreFolderTimes: flag,
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
    if (isStream && options.source === undefined) {
      throw new TypeError(
        "snapshot(): the option `source` is required for a stream",
      );
    }
    let { last } = options;
    for (let left = MAX_RETRIES;; left--) {
      try {
        return await takeSnapshot(this.#store, dir, { ...options, last });
      } catch (error) {
        if (left === 0 || isStream || !isConflict(error)) throw error;
        last = undefined;
      }
    }
  }

  /**
   * Returns the trust status of a record, which depends on the key that signed
   * it: `trusted`, `unsigned`, `unknown` if the key is unknown or is not
   * allowed to sign snapshots of the record's machine, `revoked` if the key was
   * revoked, or `foreign` if the record was signed for another repository. A
   * snapshot that is not trusted can be found only by its id, and is never a
   * parent.
   *
   * - In a repository that is not encrypted, every snapshot is trusted.
   * - With a full key, the snapshots that the admin key, a signer of the
   *   repository or this machine signed are trusted, unless the key was
   *   revoked. A signer with a write-only key is trusted only for the snapshots
   *   of its own machine.
   * - With a write-only key, only the snapshots that this machine signed are
   *   trusted. If this machine has no signing key, all snapshots are trusted.
   * - A snapshot that was copied from another repository is trusted if one of
   *   these keys signed the note about the copy.
   *
   * @param record The snapshot.
   * @throws {DeltarError} The error of the storage.
   */
  trustOf(record: SnapshotRecord): Promise<RecordTrust> {
    return this.#store.trustOf(record);
  }

  /**
   * Changes the label of a snapshot. The label is stored in a note. The record
   * does not change.
   *
   * @param record The snapshot.
   * @param label The label, of at most 1,000 characters; `undefined` removes
   * it.
   * @param options The signal that ends the work.
   * @returns The record with the new label.
   * @throws {DeltarError} `aborted` if the signal fired; `io` and the other
   * errors of the storage.
   * @throws {TypeError} If the label is not a text.
   * @throws {RangeError} If the label is longer than 1,000 characters.
   */
  async label(
    record: SnapshotRecord,
    label: string | undefined,
    { signal }: SignalOptions = {},
  ): Promise<SnapshotRecord> {
    checkLabel("label()", label);
    const { storage, keys } = this.#store.until(signal);
    return await labelSnapshot(storage, record, label, keys?.noteKey);
  }

  /**
   * Returns a snapshot's tree.
   *
   * @param record The snapshot.
   * @param options The signal that ends the work.
   * @throws {DeltarError} The error of a layer that is damaged or missing, such
   * as `corrupt` or `not-found`.
   */
  async tree(
    record: SnapshotRecord,
    { signal }: SignalOptions = {},
  ): Promise<Tree> {
    return await this.#store.tree(record, { signal });
  }

  /**
   * Returns the entry of a path in a snapshot, or `undefined` if the snapshot
   * does not have the path. Reads only a small part of the tree.
   *
   * @param record The snapshot.
   * @param path The path below the root, `/`-separated.
   * @param options The signal that ends the work.
   * @throws {DeltarError} `unsafe` if `path` is not a path inside a tree; the
   * error of a layer that is damaged or missing, such as `corrupt` or
   * `not-found`.
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
   * Yields the entries of a snapshot in path order, in batches, using a limited
   * amount of memory.
   *
   * @param record The snapshot.
   * @param options With `within`, yields only the file or folder at this path,
   * and everything in this folder. With `isShallow`, yields only the folder's
   * direct entries. Parts of the tree that cannot contain these entries are not
   * read. The signal ends the work with an error of code `aborted`.
   * @throws {DeltarError} The error of a layer that is damaged or missing, such
   * as `corrupt` or `not-found`.
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
   * @param before The old snapshot.
   * @param after The new snapshot.
   * @param options The signal that ends the work.
   * @throws {DeltarError} The error of a layer that is damaged or missing, such
   * as `corrupt` or `not-found`.
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
   * Returns a file of a snapshot as a stream. The stream fails at its end if
   * the content does not match its SHA-256.
   *
   * @param record The snapshot.
   * @param path The file's path; for a hard link, the content of the linked
   * file is returned.
   * @param options The signal that ends the work and the stream.
   * @throws {DeltarError} `not-found` if there is no such file; `unsafe` if
   * `path` is not a path inside a tree; the error of a layer that is damaged or
   * missing.
   */
  async readFile(
    record: SnapshotRecord,
    path: string,
    options: SignalOptions = {},
  ): Promise<ReadableStream<Uint8Array>> {
    return await this.fileReader(record)(path, options);
  }

  /**
   * Returns a tar or zip archive of a snapshot, or of some of its paths, as a
   * stream. The members are in path order, so two exports of the same paths as
   * an uncompressed tar are identical. The archive has no member for the root.
   * The memory use does not depend on the size of the snapshot. Each file is
   * compared with its SHA-256. If a file does not match, the stream fails. In
   * this case, discard the bytes read so far.
   *
   * A tar has everything that the snapshot has, except for creation times and
   * for the metadata of the root. A zip has no named pipes, devices, extended
   * attributes, ACLs or names of owners. It omits paths that are not valid
   * UTF-8, contain a backslash or begin with a drive letter. Its times are in
   * whole seconds, and each hard link becomes a copy of its file.
   *
   * @param record The snapshot.
   * @param options The format, the paths and callbacks.
   * @throws {DeltarError} `key` if the key is write-only; `not-found` if a path
   * or the folder `from` is not in the snapshot; `unsafe` if `from` or one of
   * the paths is not a path inside a tree; `aborted` if the signal fired. The
   * stream fails with the error of a layer or content that is damaged or
   * missing, such as `corrupt` or `not-found`; with `unsupported` if the
   * runtime cannot write the format; with `aborted` if the signal fired.
   *
   * @example Export a folder as a tar
   * ```ts
   * import { Dir, MemoryStorage, Repository } from "@deltar/deltar";
   * import { readTar } from "@deltar/deltar/archive";
   * import assert from "node:assert/strict";
   * import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
   *
   * const folder = mkdtempSync("example-");
   * try {
   *   mkdirSync(`${folder}/docs`);
   *   writeFileSync(`${folder}/docs/note.txt`, "hello");
   *   writeFileSync(`${folder}/other.txt`, "");
   *   const repository = await Repository.create(new MemoryStorage());
   *   const { record } = await repository.snapshot(new Dir(folder));
   *   const tar = await repository.export(record, { paths: ["docs"] });
   *   const paths = [];
   *   for await (const { member } of readTar(tar)) paths.push(member.path);
   *   assert.deepEqual(paths, ["docs", "docs/note.txt"]);
   * } finally {
   *   rmSync(folder, { recursive: true });
   * }
   * ```
   */
  async export(
    record: SnapshotRecord,
    options: ExportOptions = {},
  ): Promise<ReadableStream<Uint8Array>> {
    checkAborted(options.signal);
    checkReads(this.#store, "export");
    checkOptions("export()", options, {
      format: oneOf("tar", "tar.gz", "tar.zst", "zip"),
      from: text,
      paths: texts,
      onProgress: callback,
      onFailure: callback,
      signal: aSignal,
    });
    return await exportSnapshot(this.#store, record, options);
  }

  /**
   * Returns a function that reads files of a snapshot, as `readFile` does. The
   * function keeps the data that it decompressed last, up to about 100 MB. It
   * therefore reads many files faster than `readFile`, especially in path
   * order.
   *
   * @param record The snapshot.
   * @returns A function that takes the path of a file and, optionally, the
   * signal that ends the work and the stream. It throws the errors of
   * `readFile`.
   */
  fileReader(record: SnapshotRecord): (
    path: string,
    options?: SignalOptions,
  ) => Promise<ReadableStream<Uint8Array>> {
    const finder = new TreeFinder(this.storage, record.layers);
    const read = this.entryReader();
    return async (path, { signal } = {}) => {
      checkAborted(signal);
      let entry = await finder.find(path, signal);
      if (entry?.kind === "hardlink") {
        entry = await finder.find(entry.target, signal);
      }
      if (entry?.kind !== "file") {
        const what = entry === undefined
          ? "no such file in this snapshot"
          : `not a file in this snapshot, but a ${nameOfKind(entry.kind)}`;
        throw new DeltarError("not-found", what, {
          object: record.id,
          path,
        });
      }
      return read(entry, { signal });
    };
  }

  /**
   * Returns a function that reads files by their entries, such as the entries
   * of the versions that `history` yields. The function does not search for
   * paths and, like the one that `fileReader` returns, keeps the data that it
   * decompressed last. It therefore reads many versions of a file faster than
   * `readFile`.
   *
   * @returns A function that takes the entry of a file in a snapshot of this
   * repository and, optionally, the signal that ends the stream. It throws an
   * error of code `aborted` if the signal fired. The stream fails with the
   * errors of the stream that `readFile` returns.
   *
   * @example
   * ```ts
   * import { Dir, MemoryStorage, Repository } from "@deltar/deltar";
   * import assert from "node:assert/strict";
   * import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
   *
   * const folder = mkdtempSync("example-");
   * try {
   *   const repository = await Repository.create(new MemoryStorage());
   *   writeFileSync(`${folder}/note.txt`, "first");
   *   await repository.snapshot(new Dir(folder));
   *   writeFileSync(`${folder}/note.txt`, "second");
   *   const { record } = await repository.snapshot(new Dir(folder));
   *   const read = repository.entryReader();
   *   const texts = [];
   *   for await (const { entry } of repository.history(record, "note.txt")) {
   *     if (entry?.kind !== "file") continue;
   *     texts.push(await new Response(read(entry)).text());
   *   }
   *   assert.deepEqual(texts, ["second", "first"]);
   * } finally {
   *   rmSync(folder, { recursive: true });
   * }
   * ```
   */
  entryReader(): (
    entry: TreeFileEntry,
    options?: SignalOptions,
  ) => ReadableStream<Uint8Array> {
    const reader = new ContentReader(this.storage);
    return (entry, { signal } = {}) => {
      checkAborted(signal);
      return checkedStream(entry, () => reader.read(entry, { signal }));
    };
  }

  /**
   * Yields the versions of a file or folder in a snapshot and in the earlier
   * snapshots of the same directory and machine, newest first. A new version
   * begins when the content, metadata, kind or target of the path changes, when
   * something in the folder changes, or when the path is deleted. Snapshots
   * that skipped or excluded the path are ignored. Earlier snapshots are also
   * ignored if they are safety snapshots or not trusted. Reads only the parts
   * of trees that concern the path.
   *
   * @param last The newest snapshot to read. It need not have the path.
   * @param path The path below the directory.
   * @param options Whether to follow renames, the signal, and the callback for
   * snapshots that cannot be read.
   * @throws {DeltarError} `unsafe` if `path` is not a path inside a tree; the
   * error of a snapshot that cannot be read, unless `onDamage` is given.
   *
   * @example
   * ```ts
   * import { Dir, MemoryStorage, Repository } from "@deltar/deltar";
   * import assert from "node:assert/strict";
   * import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
   *
   * const folder = mkdtempSync("example-");
   * try {
   *   const repository = await Repository.create(new MemoryStorage());
   *   writeFileSync(`${folder}/note.txt`, "first");
   *   await repository.snapshot(new Dir(folder));
   *   rmSync(`${folder}/note.txt`);
   *   const { record } = await repository.snapshot(new Dir(folder));
   *   const versions = await Array.fromAsync(
   *     repository.history(record, "note.txt"),
   *   );
   *   assert.deepEqual(
   *     versions.map(({ change }) => change),
   *     ["deleted", "created"],
   *   );
   * } finally {
   *   rmSync(folder, { recursive: true });
   * }
   * ```
   */
  async *history(
    last: SnapshotRecord,
    path: string,
    options: HistoryOptions = {},
  ): AsyncGenerator<PathVersion> {
    checkPath(path);
    checkOptions("history()", options, {
      follow: flag,
      former: texts,
      onDamage: callback,
      signal: aSignal,
    });
    const { signal } = options;
    checkAborted(signal);
    const store = this.#store.until(signal);
    const labels = new Labels(
      store.storage,
      async (note) => await store.trustOfNote(note) === "trusted",
    );
    for await (const version of historyOf(store, last, path, options)) {
      yield { ...version, record: await labels.of(version.record) };
    }
  }

  /**
   * Finds paths in all snapshots of a directory, or of all directories. Safety
   * snapshots and snapshots that are not trusted are ignored.
   *
   * @param pattern A pattern in gitignore's syntax, such as `*.md`. A pattern
   * with a `/` before its end is compared with whole paths. Any other pattern
   * is compared with the names of files and folders.
   * @param options The directory, further conditions, the signal, and
   * callbacks.
   * @returns The paths of each directory in path order, each with the first and
   * the last snapshot that has it.
   * @throws {DeltarError} `not-found` if the repository has no snapshots of
   * `directory`, but has snapshots of several other directories or machines;
   * the error of a snapshot that cannot be read, unless `onDamage` is given.
   *
   * @example
   * ```ts
   * import { Dir, MemoryStorage, Repository } from "@deltar/deltar";
   * import assert from "node:assert/strict";
   * import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
   *
   * const folder = mkdtempSync("example-");
   * try {
   *   const repository = await Repository.create(new MemoryStorage());
   *   writeFileSync(`${folder}/note.txt`, "text");
   *   const { record } = await repository.snapshot(new Dir(folder));
   *   rmSync(`${folder}/note.txt`);
   *   await repository.snapshot(new Dir(folder));
   *   const [found] = await repository.findPaths("*.txt");
   *   assert.equal(found.path, "note.txt");
   *   assert.equal(found.last.id, record.id);
   *   assert.equal(found.count, 1);
   * } finally {
   *   rmSync(folder, { recursive: true });
   * }
   * ```
   */
  async findPaths(
    pattern: string,
    options: FindPathsOptions = {},
  ): Promise<FoundPath[]> {
    checkOptions("findPaths()", options, {
      directory: text,
      ignoreCase: flag,
      isWanted: callback,
      onProgress: callback,
      onDamage: callback,
      signal: aSignal,
    });
    const { directory, onDamage, signal } = options;
    checkAborted(signal);
    const finder = this.#finder({ directory, onDamage, signal });
    const store = this.#store.until(signal);
    return await findPaths(store, finder.snapshots(), pattern, options);
  }

  /**
   * Returns the changes that `restore` would make. A file in the target that
   * has the same size as in the snapshot is read and compared, even if its
   * modification time is also the same.
   *
   * @param record The snapshot.
   * @param target The directory. It need not exist.
   * @param options The paths to restore, and whether to delete paths that the
   * snapshot does not have.
   * @throws {DeltarError} `key` if the key is write-only; `not-found` if a path
   * is not in the snapshot; `unsafe` if the restore would write into the
   * repository; `unsupported` as for `restore`; the error of a layer that is
   * damaged or missing.
   */
  async planRestore(
    record: SnapshotRecord,
    target: string,
    options: RestoreOptions = {},
  ): Promise<RestorePlan> {
    checkReads(this.#store, "restore");
    checkRestore("planRestore()", target, options);
    return await planRestore(this.#store, record, target, options);
  }

  /**
   * Restores a snapshot, or some of its paths, into a directory. Only
   * differences are written. By default, files that would be overwritten or
   * deleted are saved to a safety snapshot first, so that `revert` can bring
   * them back. A file that cannot be saved is not changed. If a restore failed
   * or was killed, make the same call again to finish it, or call `revert` to
   * undo it.
   *
   * @param record The snapshot.
   * @param target The directory. It is created if it does not exist.
   * @param options The paths to restore, whether to delete paths that the
   * snapshot does not have, whether to take a safety snapshot, and callbacks.
   * @returns The numbers of written, changed and deleted entries, the paths
   * that were kept or failed, and the safety snapshot.
   * @throws {DeltarError} `key` if the key is write-only; `not-found` if a path
   * is not in the snapshot; `exists` if another process restores into the
   * directory; `unsafe` if the restore would write into the repository;
   * `unsupported` if `delete` is combined with `from`, or is set for a snapshot
   * that does not record its exclude rules; the error of a layer that is
   * damaged or missing.
   */
  async restore(
    record: SnapshotRecord,
    target: string,
    options: RestoreOptions = {},
  ): Promise<RestoreResult> {
    checkReads(this.#store, "restore");
    checkRestore("restore()", target, options);
    return await restoreTree(this.#store, record, target, options);
  }

  /**
   * Verifies that every snapshot can be restored: that all needed objects exist
   * with the right size and, with `data`, that each object and each rebuilt
   * file matches its SHA-256. Nothing is changed.
   *
   * @param options Whether to read all data, the callback for the progress, and
   * the signal.
   * @returns The numbers of checked objects and files, and the damage. Damage
   * does not make the call fail.
   * @throws {DeltarError} `key` if the key is write-only; `aborted` if the
   * signal fired; the error of the storage if its objects cannot be listed.
   */
  async verify(options: VerifyOptions = {}): Promise<VerifyResult> {
    checkReads(
      this.#store,
      "verify contents",
      "compare the stored objects with `deltar verify --without-key`",
    );
    checkOptions("verify()", options, {
      data: flag,
      signers: texts,
      onProgress: callback,
      signal: aSignal,
    });
    const store = this.#store.until(options.signal);
    const result = await verifyRepository(store, options);
    return { ...result, ...await findUntrusted(store, options) };
  }

  /**
   * Reverts the last restore into a directory. The next call reverts the
   * restore before that one. Changes made since the restore are saved first, so
   * that `revert` with the direction `redo` can bring them back. Files that
   * were created since then, at paths that the restore did not change, stay.
   *
   * If the directory was new or empty before the restore, the restored files
   * that have not changed since are deleted. The directory is then also
   * deleted, provided that it is empty and the restore created it. Files that
   * were changed or added since the restore stay, and are listed in `failed`.
   *
   * @param target The directory.
   * @param options With the direction `redo`, the last undo is reverted. With
   * `paths`, only the listed paths are brought back.
   * @returns The result, in the same form as the result of `restore`.
   * @throws {DeltarError} `not-found` if there is nothing to undo or redo;
   * `exists` if another process restores into the directory; `unsafe` if the
   * work would write into the repository; the error of a record or layer that
   * is damaged or missing.
   */
  async revert(
    target: string,
    options: RevertOptions = {},
  ): Promise<RestoreResult> {
    checkRestore("revert()", target, options);
    return await revertRestore(this.#store, target, options);
  }

  /**
   * Returns the changes that `revert` would make.
   *
   * @param target The directory.
   * @param options The options of `revert`.
   * @throws {DeltarError} The errors of `revert`.
   */
  async planRevert(
    target: string,
    options: RevertOptions = {},
  ): Promise<RestorePlan> {
    checkRestore("planRevert()", target, options);
    return await planRevert(this.#store, target, options);
  }

  /**
   * Undoes the changes between snapshots in a directory. Paths that have
   * changed again since then stay as they are and are listed in `failed`,
   * unless `force` is set. Files that are overwritten or deleted are saved to a
   * safety snapshot first, so that `revert` can bring them back.
   *
   * @param spans Pairs of snapshots, before and after changes, in the order of
   * their times. All snapshots must be of the same directory.
   * @param target The directory.
   * @param options Whether to overwrite later changes, the paths to which the
   * undo is limited, the label of the safety snapshot, and callbacks.
   * @returns The result, in the same form as the result of `restore`.
   * @throws {DeltarError} `key` if the key is write-only; `exists` if another
   * process restores into the directory; `unsafe` if the work would write into
   * the repository, or if one of `paths` is not a path inside a tree; the error
   * of a layer that is damaged or missing.
   * @throws {RangeError} If `spans` is empty.
   *
   * @example Undo what happened between two snapshots
   * ```ts
   * import { Dir, MemoryStorage, Repository } from "@deltar/deltar";
   * import assert from "node:assert/strict";
   * import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
   * import { tmpdir } from "node:os";
   *
   * const folder = mkdtempSync(`${tmpdir()}/deltar-`);
   * const repository = await Repository.create(new MemoryStorage());
   * writeFileSync(`${folder}/notes.txt`, "mine");
   * const { record: before } = await repository.snapshot(new Dir(folder));
   * rmSync(`${folder}/notes.txt`);
   * const { record: after } = await repository.snapshot(new Dir(folder));
   * await repository.undoChanges([{ before, after }], folder);
   * assert.equal(readFileSync(`${folder}/notes.txt`, "utf8"), "mine");
   * rmSync(folder, { recursive: true });
   * ```
   */
  async undoChanges(
    spans: readonly ChangeSpan[],
    target: string,
    options: UndoChangesOptions = {},
  ): Promise<RestoreResult> {
    checkReads(this.#store, "undo changes");
    checkUndo("undoChanges()", spans, target, options);
    return await undoChanges(this.#store, spans, target, options);
  }

  /**
   * Returns the changes that `undoChanges` would make.
   *
   * @param spans Pairs of snapshots, as for `undoChanges`.
   * @param target The directory.
   * @param options The options of `undoChanges`.
   * @throws {DeltarError} The errors of `undoChanges`, except `exists`.
   * @throws {RangeError} If `spans` is empty.
   */
  async planUndoChanges(
    spans: readonly ChangeSpan[],
    target: string,
    options: UndoChangesOptions = {},
  ): Promise<RestorePlan> {
    checkReads(this.#store, "undo changes");
    checkUndo("planUndoChanges()", spans, target, options);
    return await planUndoChanges(this.#store, spans, target, options);
  }

  /**
   * Removes a snapshot. During its grace period, `undelete` can bring it back.
   * The first `prune` after the grace period frees its space. If the disk is
   * too full to record the removal, garbage and earlier removed snapshots whose
   * grace period is over are deleted first.
   *
   * @param record The snapshot or, if its record is damaged, its id.
   * @param options The signal that ends the work.
   * @throws {DeltarError} `key` if the key is write-only; `not-found` if there
   * is no such snapshot, not even a removed one; `io` if the disk is full and
   * nothing can be freed.
   */
  async forget(
    record: SnapshotRecord | string,
    { signal }: SignalOptions = {},
  ): Promise<void> {
    const id = typeof record === "string" ? record : record.id;
    checkReads(this.#store, "remove snapshots");
    const store = this.#store.until(signal);
    try {
      await removeSnapshot(store, id, "forgotten");
    } catch (error) {
      if (!isFull(error)) throw error;
      await makeRoom(this.#store, [], { ...withDefaults({}), signal }, error);
      await removeSnapshot(store, id, "forgotten");
    }
  }

  /**
   * Returns the removed snapshots that can be brought back, in the order of
   * their ids.
   *
   * @param options The signal that ends the work.
   * @throws {DeltarError} The error of a record that cannot be read.
   */
  async removed({ signal }: SignalOptions = {}): Promise<RemovedSnapshot[]> {
    const { removed } = await readRecords(this.#store, signal);
    return removed.filter(canBeUndeleted);
  }

  /**
   * Brings back a removed snapshot as it was. Does nothing if the snapshot
   * exists already.
   *
   * @param id The id of the snapshot.
   * @param options The signal that ends the work.
   * @throws {DeltarError} `key` if the key is write-only; `not-found` if the
   * snapshot can no longer be brought back, or if no snapshot ever had the id.
   */
  async undelete(id: string, { signal }: SignalOptions = {}): Promise<void> {
    checkAborted(signal);
    checkReads(this.#store, "bring back snapshots");
    await undeleteSnapshot(this.#store, id, signal);
  }

  /**
   * Returns the snapshots that `prune` would keep and remove, and the number of
   * bytes that it would free.
   *
   * @param policy The rules for keeping snapshots. An empty policy keeps all
   * snapshots.
   * @param options The share of needed bytes below which volumes are repacked,
   * the callback and the signal.
   * @throws {DeltarError} `key` if the key is write-only; the error of a record
   * or layer that cannot be read.
   * @throws {RangeError} If a number in the policy or the options is out of
   * range.
   */
  async planPrune(
    policy: RetentionPolicy = {},
    options: PruneOptions = {},
  ): Promise<PrunePlan> {
    checkReads(this.#store, "prune");
    checkPrune("planPrune()", policy, options);
    return await planPrune(this.#store.until(options.signal), policy, options);
  }

  /**
   * Removes the snapshots that a policy does not keep. Then purges the removed
   * snapshots whose grace period is over, and deletes the objects that only
   * these snapshots needed. Also deletes other garbage whose grace period is
   * over, and repacks volumes with only a small share of needed bytes.
   * Snapshots can be taken during a prune. A prune can be killed at any time.
   *
   * A user who can only add snapshots cannot make a prune remove the snapshots
   * of others. The rules do not count snapshots with a wrong time or order (see
   * `judge`). Nothing is removed if the new snapshots are unusual and
   * `onUnusual` does not return true.
   *
   * @param policy The rules for keeping snapshots. An empty policy keeps all
   * snapshots.
   * @param options The grace period and other options for pruning.
   * @returns The judgement on each snapshot, and the numbers of deleted objects
   * and freed bytes.
   * @throws {DeltarError} `key` if the key is write-only; `exists` if another
   * prune, a rekey or a purge is running; `unsafe` if the new snapshots of a
   * directory are unusual and `onUnusual` does not return true; `conflict` if
   * another process took over the lease, because this process did not respond;
   * `io` if the disk is full and nothing can be freed; the error of a record or
   * layer that cannot be read, because no object is deleted unless all needed
   * objects are known.
   * @throws {RangeError} If a number in the policy or the options is out of
   * range.
   */
  async prune(
    policy: RetentionPolicy = {},
    options: PruneOptions = {},
  ): Promise<PruneResult> {
    checkReads(this.#store, "prune");
    checkPrune("prune()", policy, options);
    return await prune(this.#store, policy, options);
  }

  /**
   * Returns the changes that `rekey` would make. Only the beginnings of objects
   * are read.
   *
   * @param options The callback and the signal.
   * @throws {DeltarError} `unsupported` and `key` as for `rekey`; `conflict` if
   * a rotation was interrupted; `aborted` if the signal fired; the error of the
   * storage.
   */
  async planRekey(options: RekeyOptions = {}): Promise<RekeyPlan> {
    checkReads(this.#store, "rekey");
    checkRekey("planRekey()", options);
    // The ciphers are loaded only for encrypted repositories.
    const { planRekey } = await import("./rekey/rekey.ts");
    return await planRekey(this.#store, options);
  }

  /**
   * Encrypts the file keys of objects that were stored before the last rotation
   * (`RepositoryKeys.rotate`) for the newest identity only. Contents are not
   * decrypted, but each object is stored again completely, not only its header.
   * Afterwards, an older identity alone cannot decrypt any of the objects that
   * were stored again. A user who copied an object or its file key before the
   * rekey can still decrypt its content.
   *
   * When no object needs the older identities any longer, they are retired: key
   * files name them only in comments, and `recipients.json` is not encrypted
   * for them. Key files with a passphrase, except the caller's, stay as they
   * are. Damaged objects, and objects of runs that are still running or were
   * interrupted, are not changed. If there are any such objects, no identity is
   * retired until a later call has changed them.
   *
   * Snapshots can be taken and read during a rekey, but a prune cannot run. A
   * rekey can be killed at any time. The next one completes the work. Programs
   * that opened the repository before the rotation have to open it again.
   *
   * @param options The callbacks and the signal.
   * @returns The number and total size of the objects that were stored again,
   * the objects that were not changed, and the number of retired identities.
   * @throws {DeltarError} `unsupported` if the repository is not encrypted;
   * `key` if the key is write-only or older than the last rotation; `exists` if
   * a prune, a purge or another rekey is running; `conflict` if another process
   * changes the keys or took over the rekey, or if a rotation was interrupted;
   * `aborted` if `onPlan` returned false or the signal fired; the error of the
   * storage.
   *
   * @example
   * ```ts
   * import { MemoryStorage, Repository } from "@deltar/deltar";
   * import { newIdentity, recipientOf } from "@deltar/deltar/age";
   * import assert from "node:assert/strict";
   *
   * const to = await recipientOf(await newIdentity());
   * const repository = await Repository.create(new MemoryStorage(), {
   *   encrypt: { name: "me", to },
   * });
   * await repository.keys?.rotate();
   * const { retired, damage } = await repository.rekey();
   * assert.equal(retired, 1);
   * assert.deepEqual(damage, []);
   * ```
   */
  async rekey(options: RekeyOptions = {}): Promise<RekeyResult> {
    checkReads(this.#store, "rekey");
    checkRekey("rekey()", options);
    const { rekey } = await import("./rekey/rekey.ts");
    return await rekey(this.#store, options);
  }

  /**
   * Returns the changes that `purge` would make.
   *
   * @param paths The files and folders.
   * @param options The options of `purge`.
   * @throws {DeltarError} `key`, `unsafe`, `not-found` and `unsupported` as for
   * `purge`; the error of a record or layer that cannot be read.
   */
  async planPurge(
    paths: readonly string[],
    options: PurgeOptions = {},
  ): Promise<PurgePlan> {
    checkReads(this.#store, "purge");
    checkPurge("planPurge()", paths, options);
    return await planPurge(this.#store, paths, options);
  }

  /**
   * Deletes files and folders from all snapshots, or only from those in the
   * option `from`, and deletes the contents of these files from the repository.
   * Each snapshot that has one of the paths is replaced by a snapshot without
   * the path. The record of the new snapshot has the time of the purge and the
   * purged paths. Removed snapshots and safety snapshots are replaced, too. A
   * purge cannot be undone.
   *
   * Content that other files also have is kept, unless `all` is set. Copies of
   * the repository, versions of objects that a bucket keeps, and caches of
   * other machines are not changed.
   *
   * Snapshots can be taken during a purge, but a prune cannot run. A purge can
   * be killed at any time. No other files are lost, and repeating the call
   * completes the purge.
   *
   * @param paths The files and folders. Folders are purged with everything in
   * them.
   * @param options The snapshots to purge, the folder that the paths are
   * relative to, and callbacks.
   * @returns The replaced snapshots, the numbers of purged contents and bytes,
   * and the objects and files that were kept.
   * @throws {DeltarError} `key` if the key is write-only; `unsafe` if a path is
   * not a path inside a tree; `not-found` if an id in `from` matches no
   * snapshot, or several removed ones; `unsupported` if a path is the whole
   * directory of a snapshot, if a hard link to a purged file is not purged, or
   * if `all` is set and a hard link is purged but its target is not; `exists`
   * if a prune, rekey or another purge is running; `conflict` if another
   * process took over the lease, because this process did not respond;
   * `aborted` if `onPlan` returned false or the signal fired; the error of a
   * record or layer that cannot be read, because nothing is deleted unless all
   * needed objects are known.
   *
   * @example
   * ```ts
   * import { MemoryStorage, Repository } from "@deltar/deltar";
   * import assert from "node:assert/strict";
   *
   * const repository = await Repository.create(new MemoryStorage());
   * const { replaced, left } = await repository.purge(["secrets/token"]);
   * assert.deepEqual(replaced, []);
   * assert.deepEqual(left, []);
   * ```
   */
  async purge(
    paths: readonly string[],
    options: PurgeOptions = {},
  ): Promise<PurgeResult> {
    checkReads(this.#store, "purge");
    checkPurge("purge()", paths, options);
    return await purge(this.#store, paths, options);
  }

  /**
   * Reduces the repository to a maximum size, if it is larger. First, removed
   * snapshots are purged. If that does not suffice, snapshots and safety
   * snapshots are removed. Snapshots that are closest together in time,
   * relative to their age, are removed first, and labelled snapshots last. The
   * last snapshot and the last safety snapshot of each directory are kept, even
   * if the repository stays too large.
   *
   * By default there is no grace period, and removed snapshots cannot be
   * brought back. If the maximum comes from the repository's settings and not
   * from the user, pass a `grace`: anyone who can write a settings object could
   * otherwise cause snapshots to be purged. Removed snapshots are then purged,
   * and their space is freed, only when their grace period is over.
   *
   * @param maxSize The maximum total size of all objects, in bytes.
   * @param options The grace period, in milliseconds (default: 0), and
   * callbacks.
   * @returns The size of the repository before and after, in bytes, and the
   * removed snapshots.
   * @throws {DeltarError} `key` if the key is write-only; `exists` if another
   * prune, a rekey or a purge is running; `unsafe` if the new snapshots of a
   * directory are unusual and `onUnusual` does not return true; `conflict` if
   * another process took over the lease, because this process did not respond;
   * the error of a record or layer that cannot be read.
   * @throws {RangeError} If `maxSize` is not a positive integer, or a number in
   * the options is out of range.
   */
  async fit(
    maxSize: number,
    options: PruneOptions = {},
  ): Promise<FitResult> {
    checkReads(this.#store, "remove snapshots");
    checkPrune("fit()", {}, options);
    return await fitBudget(this.#store, maxSize, options);
  }

  /**
   * Returns the maximum size in the repository's settings, in bytes;
   * `undefined` if there is none, or if the key is write-only. Anyone who can
   * write to the repository can set the maximum. See `fit`.
   *
   * @param options The signal that ends the work.
   * @throws {DeltarError} The error of settings that cannot be read.
   */
  maxSize({ signal }: SignalOptions = {}): Promise<number | undefined> {
    if (this.#store.keys?.isWriteOnly) return Promise.resolve(undefined);
    return readBudget(untilAborted(this.storage, signal));
  }

  /**
   * Writes the maximum size into the repository's settings.
   *
   * @param maxSize The maximum size in bytes; `undefined` removes the limit.
   * @param options The signal that ends the work.
   * @throws {DeltarError} The error of the storage.
   * @throws {RangeError} If `maxSize` is not a positive integer.
   */
  setMaxSize(
    maxSize: number | undefined,
    { signal }: SignalOptions = {},
  ): Promise<void> {
    return writeBudget(untilAborted(this.storage, signal), maxSize);
  }

  /**
   * Returns statistics about the space that the repository uses. For each
   * snapshot, the result has the space that the snapshot added, and the space
   * that no other snapshot needs. For one snapshot, the result also has the
   * space that its folders and largest files use. For the volumes, the result
   * has the numbers of bytes that snapshots need and do not need. The contents
   * of files are not read.
   *
   * @param options The snapshot and folder to report on.
   * @throws {DeltarError} The error of a record or layer that cannot be read;
   * see `StatsOptions.onDamage`.
   */
  stats(options: StatsOptions = {}): Promise<RepositoryStats> {
    return repositoryStats(this.#store.until(options.signal), options);
  }

  /**
   * Restores some files of a snapshot into a scratch directory, compares their
   * content with the recorded SHA-256, and stores the result in a note. Each
   * drill of a snapshot begins, in path order, after the last file of the
   * previous drill of this snapshot.
   *
   * @param options The snapshot, the size of the sample, and the folder for the
   * scratch directory.
   * @returns The number of files that were restored exactly, and the files that
   * were not.
   * @throws {DeltarError} `key` if the key is write-only; `not-found` if there
   * is no snapshot; `io` if the scratch directory or the storage fails; the
   * error of a layer that is damaged or missing.
   * @throws {RangeError} If `files` or `bytes` is less than 1.
   */
  async drill(options: DrillOptions = {}): Promise<DrillResult> {
    checkReads(this.#store, "test a restore");
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
   * Returns the result of the last drill of each snapshot, by the snapshot's
   * id. Snapshots without a drill are omitted.
   *
   * @param options With `onDamage`, notes that cannot be read are reported. By
   * default damaged notes are ignored, and the error of a note in a newer
   * version of the format is thrown.
   */
  proofs(
    { onDamage, signal }: ReadOptions = {},
  ): Promise<Map<string, Proof>> {
    return readProofs(this.#store.until(signal), onDamage);
  }

  /**
   * Corrects damaged settings, records and notes if possible, and keeps their
   * damaged bytes in `damaged/`. A snapshot with lost files is replaced by a
   * snapshot that lists the lost files as skipped, so that the other files can
   * be used. The record of the old snapshot is moved to `damaged/`. The next
   * snapshot stores the lost files again if the directory still has them.
   *
   * @param options Whether to only report what would be done, and callbacks.
   * @returns The damage, the corrected and moved objects, and the replaced and
   * lost snapshots.
   * @throws {DeltarError} `key` if the key is write-only; `io` if the
   * verification that runs first could not read an object that might be
   * undamaged, for example because the disk or the network failed. Nothing is
   * changed in these cases.
   */
  async repair(options: RepairOptions = {}): Promise<RepairResult> {
    checkReads(this.#store, "repair");
    checkOptions("repair()", options, {
      dryRun: flag,
      onProgress: callback,
      signal: aSignal,
    });
    return await repairRepository(this.#store, options);
  }

  /**
   * Copies snapshots to another repository, on any storage. Objects that the
   * target already has are not copied again, so an interrupted copy continues
   * and a repeated copy transfers only new objects. Each object is checked
   * against its SHA-256 while it is copied. If this repository trusts a
   * snapshot that the target would not trust, a note in the target vouches for
   * the snapshot. The note is signed with this machine's key or, if there is
   * none, with the admin key of the target.
   *
   * @param target The other repository.
   * @param records The snapshots.
   * @param options Options for copying.
   * @returns The ids of the copied snapshots and of those that the target
   * already had, and the number and total size of the copied objects.
   * @throws {DeltarError} `key` if the key is write-only; `corrupt` if the size
   * or SHA-256 of an object differs from the recorded one; `mismatch` if the
   * target has a different snapshot with the same id, or a different object
   * with the same name, or if both repositories were pruned and the target no
   * longer has content that the snapshot needs; `conflict` if a prune of the
   * target deleted or repacked objects during the copy or considered the copy
   * dead, or if a prune of the source deleted a move during the copy.
   */
  async copyTo(
    target: Repository,
    records: readonly SnapshotRecord[],
    options: CopyOptions = {},
  ): Promise<CopyResult> {
    checkReads(this.#store, "copy snapshots");
    checkOptions("copyTo()", options, {
      onProgress: callback,
      signal: aSignal,
    });
    return await copySnapshots(this.#store, target.#store, records, options);
  }

  /**
   * Returns the last trusted snapshot of a directory of this machine, which is
   * the parent of the next snapshot; `undefined` if there is none.
   *
   * @param directory The directory's absolute path.
   * @param options Callbacks for damaged records, and for newer snapshots of
   * other directories and machines.
   * @throws {DeltarError} The error of a record that cannot be read, unless
   * `onDamage` is given.
   */
  async parentFor(
    directory: string,
    options: ParentOptions = {},
  ): Promise<ReadRecord | undefined> {
    return await this.#store.parentOf(directory, options);
  }

  /**
   * Returns the trusted safety snapshots of a directory of this machine, newest
   * first. Each belongs to a restore, undo or redo. A restore into a new or
   * empty directory has no safety snapshot.
   *
   * @param directory The directory's absolute path, without symlinks.
   * @param options The signal that ends the work.
   * @throws {DeltarError} The error of a record that cannot be read.
   */
  async safetySnapshots(
    directory: string,
    options: SignalOptions = {},
  ): Promise<SnapshotRecord[]> {
    return await this.#store.safetySnapshots(directory, options);
  }

  /**
   * Returns whether the repository has a record of a restore into a directory,
   * even if the restore was undone.
   *
   * @param directory The directory's absolute path, without symlinks.
   * @param options The signal that ends the work.
   * @throws {DeltarError} The error of a record that cannot be read.
   */
  async isRestoreTarget(
    directory: string,
    { signal }: SignalOptions = {},
  ): Promise<boolean> {
    return await isRestored(this.#store, directory, signal);
  }

  /**
   * Returns the record of a snapshot as it is stored.
   *
   * @param id The whole id of the snapshot.
   * @param options The signal that ends the work.
   * @throws {DeltarError} `not-found` if there is no such snapshot; `corrupt`,
   * `truncated` or `limit` if the record is damaged; `unsupported` if this
   * version of deltar does not know the record's version.
   */
  async readRecord(
    id: string,
    options: SignalOptions = {},
  ): Promise<ReadRecord> {
    return await this.#store.record(id, options);
  }
}

/** Refuses an invalid target or invalid options of a restore or undo. */
function checkRestore(
  call: string,
  target: unknown,
  options: RestoreOptions | RevertOptions,
): void {
  if (typeof target !== "string") {
    throw new TypeError(`${call}: the target must be a path`);
  }
  checkOptions(call, options, {
    from: text,
    paths: texts,
    neverTouch: texts,
    delete: flag,
    safety: flag,
    direction: oneOf("undo", "redo"),
    former: texts,
    rootAttributes: flag,
    trust: flag,
    onProgress: callback,
    onPlan: callback,
    signal: aSignal,
  });
}

/** Refuses invalid spans, an invalid target or invalid options of an undo. */
function checkUndo(
  call: string,
  spans: readonly ChangeSpan[],
  target: unknown,
  options: UndoChangesOptions,
): void {
  if (spans.length === 0) {
    throw new RangeError(`${call}: \`spans\` must contain at least one span`);
  }
  if (typeof target !== "string") {
    throw new TypeError(`${call}: the target must be a path`);
  }
  checkOptions(call, options, {
    force: flag,
    paths: texts,
    label: text,
    trust: flag,
    onProgress: callback,
    onPlan: callback,
    signal: aSignal,
  });
}

/** The expectation that a value is a turn of an AI agent. */
const aTurn: Expected = {
  words: "a valid `TurnRecord`, with an `agent` and a `turn` of at least 1",
  is: isTurn,
};

/** Refuses a label that is not a string or is too long. */
function checkLabel(name: string, label: unknown): void {
  checkValue(name, label, text);
  checkValue(name, label, textUpTo(MAX_LABEL_LENGTH));
}

/** Refuses invalid options of a rekey. */
function checkRekey(call: string, options: RekeyOptions): void {
  checkOptions(call, options, {
    patience: atLeast(0),
    onPlan: callback,
    onProgress: callback,
    signal: aSignal,
  });
}

/** Refuses invalid paths or options of a purge. */
function checkPurge(
  call: string,
  paths: readonly string[],
  options: PurgeOptions,
): void {
  for (const path of paths) checkPath(path);
  checkOptions(call, options, {
    place: text,
    patterns: texts,
    from: texts,
    all: flag,
    quick: flag,
    patience: atLeast(0),
    onPlan: callback,
    onProgress: callback,
    signal: aSignal,
  });
}

/** Refuses invalid rules or options of a prune. */
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
    isTrusted: callback,
    onProgress: callback,
    onUnusual: callback,
    signal: aSignal,
  });
}

function isAsyncIterable(
  value: Walker | AsyncIterable<StreamedEntry>,
): value is AsyncIterable<StreamedEntry> {
  return typeof value === "object" && value !== null &&
    Symbol.asyncIterator in value;
}
