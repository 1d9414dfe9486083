/**
 * Taking snapshots.
 *
 * `takeSnapshot` finds the last snapshot of the directory (`parent.ts`) and the
 * state that this machine remembers of it (`state_cache.ts`). If the remembered
 * state shows that nothing changed, and neither a label nor a time requires a
 * new snapshot, the work ends here (`find_unchanged.ts`). Otherwise the
 * directory is walked, and the `RepositoryReader` stores changed files in
 * volumes. A file is stored as a delta against its old content if the delta is
 * small enough (`../../archive/data_packer.ts` decides, `delta_basis.ts` finds
 * the basis). `SnapshotEntries` collects the entries, with the stored forms of
 * their content in a compact table (`piece_table.ts`). The entries of a stream,
 * such as a tar archive, arrive in any order, so a `StreamIndex` first collects
 * them (`index_stream.ts`).
 *
 * The `SnapshotWriter` stores volumes, signatures, the layer of the tree
 * (`merge_tree.ts` makes its lines) and the record, in that order. Without the
 * record there is no snapshot. An interrupted run leaves checkpoints
 * (`checkpoint.ts`). With these, the next run takes over finished volumes
 * (`left_work.ts`). The first snapshot of a directory reuses equal contents
 * from the snapshots of other directories (`elsewhere.ts`).
 *
 * @module
 */
import { checkAborted } from "../../bytes/abort.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { together } from "../../bytes/together.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import type { VolumeRecord } from "../../archive/object_writer.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { DataPacker } from "../../archive/data_packer.ts";
import type { DiffIndex } from "../../tree/diff_index.ts";
import type { Metadata, Skipped } from "../../tree/entry.ts";
import type { EntryList } from "../../tree/entry_list.ts";
import type { IgnoreOptions } from "../../tree/ignore_rules.ts";
import {
  type IndexedTree,
  type IndexProgress,
  indexTree,
} from "../../tree/index_tree.ts";
import type { OwnerNames } from "../../tree/owner_names.ts";
import { MAX_WHOLE_BYTES } from "../../tree/read_file.ts";
import { StateWriter } from "../../tree/state_writer.ts";
import type { StreamedEntry } from "../../tree/streamed_entry.ts";
import { Walker } from "../../tree/walker.ts";
import { packingAgainst } from "./delta_basis.ts";
import {
  type DamageHandler,
  DeltarError,
  isDamage,
} from "../../bytes/errors.ts";
import { CheckpointWriter } from "./checkpoint.ts";
import { Elsewhere } from "./elsewhere.ts";
import { KeptState } from "./kept_state.ts";
import { findLeftRuns, LeftWork } from "./left_work.ts";
import { findUnchanged, isSameRoot } from "./find_unchanged.ts";
import { hasOnlyFolderTimes } from "./folder_times.ts";
import { StreamIndex } from "./index_stream.ts";
import { idBehind } from "../format/names.ts";
import { changedLinesOf } from "./merge_tree.ts";
import type { FoundPlace } from "../store/find_snapshot.ts";
import {
  isOf,
  type ReadRecord,
  type SnapshotRecord,
  timeInRecord,
} from "../format/snapshot_record.ts";
import type { TurnRecord } from "../format/turn_record.ts";
import { machineOf, type Store } from "../store/store.ts";
import type { PackedEntries } from "./packed_entries.ts";
import { KeptSignatures } from "./kept_signatures.ts";
import { type Parent, parentOf, rememberedParent } from "./parent.ts";
import { RepositoryReader } from "./repository_reader.ts";
import { checkParent } from "../runs/run.ts";
import { countSnapshot, ownersOf } from "./snapshot_counts.ts";
import { SnapshotEntries } from "./snapshot_entries.ts";
import { SnapshotWriter } from "./snapshot_writer.ts";
import { StateCache } from "./state_cache.ts";
import { Tree } from "../layers/tree.ts";

/** Options for taking a snapshot. */
export interface SnapshotOptions {
  /**
   * The label, of at most 1,000 characters. A labelled snapshot is taken even
   * if nothing changed, unless `onlyIfChanged` is set. Default: none.
   */
  label?: string;
  /**
   * The turn of an AI agent during which the snapshot is taken. The turn is
   * stored in the record. Default: none.
   */
  turn?: TurnRecord;
  /**
   * The name of the directory in the repository, of at most 4,096 characters.
   * The snapshots that a machine takes with the same name form one series,
   * whatever path the directory has. Required for a stream. Default: the
   * directory's absolute path, or the name of a `DirSet`.
   */
  source?: string;
  /**
   * The time of the snapshot, in milliseconds since 1970, for content from the
   * past. It must be later than the time of the last snapshot with the same
   * `source`. A snapshot with a time is taken even if nothing changed, unless
   * `onlyIfChanged` is set. Default: the current time.
   */
  time?: number;
  /**
   * Whether to take no snapshot if nothing changed, even with a label or a
   * time. Default: `false`.
   */
  onlyIfChanged?: boolean;
  /**
   * Whether to treat the directory as unchanged if only the modification times
   * of folders in it differ, for example because another program created an
   * excluded file. The next snapshot without this option stores these times.
   * Default: `false`.
   */
  ignoreFolderTimes?: boolean;
  /** The maximum size of volumes, in bytes, at least 4,096. Default: 64 MiB. */
  volumeSize?: number;
  /**
   * The path of the folder in which this machine remembers the states of
   * directories. Without this folder, each snapshot reads every file. Not used
   * for a stream.
   */
  cache?: string;
  /**
   * Whether the folder `cache` is only read, as in a dry run. Default: `false`.
   */
  readOnlyCache?: boolean;
  /**
   * Called with each path that is skipped or excluded, and with each path that
   * changed while it was read. The reason is passed with the path.
   */
  onSkip?: (skipped: Skipped) => void;
  /**
   * Called with the progress after each entry, after each group of unchanged
   * entries of a folder, and repeatedly while a large file is read. While the
   * directory is only compared with its remembered state, the callback is
   * called after each unchanged folder.
   */
  onProgress?: (progress: IndexProgress) => void;
  /**
   * Whether to pass the total numbers of entries and bytes to `onProgress`. To
   * count them, a second walk visits each folder during the snapshot. Not used
   * for a stream. Default: `false`.
   */
  measure?: boolean;
  /**
   * Called with the error of each earlier snapshot that cannot be read. If the
   * record of the last snapshot is damaged, the snapshot before it becomes the
   * parent. If the tree of the parent is damaged, all files are stored whole
   * rather than as deltas. By default, errors are thrown, except that damaged
   * trees of other directories are ignored.
   */
  onDamage?: DamageHandler;
  /**
   * The last snapshot of this directory, if the caller has just found it with
   * `Repository.lastAt`. A snapshot of another directory is ignored. Default:
   * deltar searches for the last snapshot.
   */
  last?: FoundPlace;
  /**
   * The path from which this directory was moved. The last snapshot of that
   * path becomes the parent, unless this directory has a newer snapshot.
   * Default: none.
   */
  continues?: string;
  /**
   * Called with the changes before the snapshot is recorded. Not called if
   * nothing changed and therefore no snapshot is taken. An error that the
   * callback throws ends the work without a snapshot.
   *
   * @param changes The changes, and the paths that were skipped or excluded.
   */
  onChanges?: (changes: SnapshotChanges) => void | Promise<void>;
  /**
   * Called if the snapshot fails, with the stored volumes that have a
   * checkpoint. The next snapshot of the directory can take over the contents
   * of these volumes. Not called if there are no such volumes.
   */
  onKept?: (volumes: readonly VolumeRecord[]) => void;
  /**
   * The signal that ends the work with an error of code `aborted`. In this
   * case, no snapshot is taken.
   */
  signal?: AbortSignal;
}

/** Options for {@linkcode takeSnapshot}, including one that only tests use. */
export interface TakeOptions extends SnapshotOptions {
  /**
   * The minimum size in bytes of a remembered state that is not read into
   * memory. Default: 16 MiB.
   */
  minPaged?: number;
}

/** The changes between a directory's last snapshot and the next one. */
export interface SnapshotChanges {
  /**
   * The last snapshot. `undefined` if there is none, or if the tree of the last
   * snapshot is damaged.
   */
  parent: SnapshotRecord | undefined;
  /**
   * The changes since the last snapshot. The array `diff.changes` is created
   * when it is first read.
   */
  diff: DiffIndex;
  /** The number of files and links in the directory. */
  files: number;
  /** The paths that were skipped or excluded, and the reasons. */
  skipped: readonly Skipped[];
}

/** The result of taking a snapshot. */
export interface SnapshotResult {
  /** The record of the new snapshot or, if none was taken, of the last one. */
  record: SnapshotRecord;
  /** Whether a new snapshot was taken. */
  isNew: boolean;
  /**
   * The changes since the parent. The array `diff.changes` is created when it
   * is first read.
   */
  diff: DiffIndex;
  /** The paths that were skipped or excluded, and the reasons. */
  skipped: readonly Skipped[];
  /**
   * The last snapshot, if its time is more than ten minutes ahead of this
   * machine's clock. In this case, the clock of this machine or of the machine
   * that took the last snapshot is wrong.
   */
  ahead?: SnapshotRecord;
}

/**
 * The maximum difference between the clocks of two machines, in milliseconds. A
 * larger difference is reported.
 */
const MAX_CLOCK_DIFFERENCE_MS = 10 * 60 * 1000;

/**
 * Takes a snapshot of a directory or a stream, and stores it in a repository.
 * See `Repository.snapshot`.
 */
export async function takeSnapshot(
  store: Store,
  source: Walker | AsyncIterable<StreamedEntry>,
  options: TakeOptions,
): Promise<SnapshotResult> {
  try {
    return await takeOnce(store, source, options);
  } catch (error) {
    if (!(error instanceof DamageFoundLate)) throw error;
    // The second attempt ignores the remembered state and reads the parent's
    // tree.
    const again = { ...options, last: undefined };
    return await takeOnce(store, source, again, { ignoresState: true });
  }
}

/**
 * Thrown if the remembered state was used instead of the parent's tree, and
 * damage in this tree or in the state was found later.
 */
class DamageFoundLate extends Error {}

async function takeOnce(
  store: Store,
  source: Walker | AsyncIterable<StreamedEntry>,
  options: TakeOptions,
  { ignoresState = false }: { ignoresState?: boolean } = {},
): Promise<SnapshotResult> {
  const dir = source instanceof Walker ? source : undefined;
  const { source: directory = dir?.name ?? "", label, signal } = options;
  checkAborted(signal);
  const started = Date.now();
  const { time = started } = options;
  const { found, others } = await findLast(store, directory, options);
  const before = found?.record;
  if (options.time !== undefined && before !== undefined) {
    checkLater(time, before);
  }
  const isWanted = label !== undefined || options.time !== undefined;
  const mayBeNone = (!isWanted || options.onlyIfChanged) &&
    (before === undefined || isOf(before, directory, store.machine?.id));
  const ahead =
    before !== undefined && before.time > started + MAX_CLOCK_DIFFERENCE_MS
      ? { ahead: before }
      : {};
  const { cache: folder, readOnlyCache: isReadOnly, minPaged } = options;
  using cache = dir && await StateCache.read(
    folder,
    store,
    { name: directory, walker: dir },
    {
      before: ignoresState ? undefined : before,
      now: started,
      isReadOnly,
      minPaged,
    },
  );
  if (dir && cache && before !== undefined && mayBeNone) {
    const unchanged = await findUnchanged(before, dir, cache, options);
    if (unchanged !== undefined) return { ...unchanged, ...ahead };
  }
  const reading = untilAborted(store.storage, signal);
  const [parent, left] = await together([
    findParent(store, found, cache, options),
    findLeftRuns(reading, directory, signerOf(store)),
  ]);
  const signatures = await signaturesOf(store, dir?.path ?? directory, options);
  const { last } = parent;
  await using elsewhere = last === undefined
    ? await Elsewhere.read(reading, others, options.onDamage, signal)
    : undefined;
  parent.elsewhere = elsewhere && ((sha256) => elsewhere.find(sha256));
  const id = idBehind(last?.record.id, time, Math.random());
  const kept = dir && await KeptState.read(store, dir.path, parent, signal);
  const states = cache?.states.writer ?? new StateWriter();
  const entries = new SnapshotEntries(states, parent.index, kept);
  await using writer = new SnapshotWriter(store, {
    id,
    parent: last,
    reuses: left.ids,
    volumeSize: options.volumeSize,
    async onStored(volume) {
      const isOnly = isWalked && checkpoints.names.length === 0;
      checkpointing = checkpointing.then(async () => {
        await checkpoints.stored(volume);
        // If there is only one volume, the last manifest of the run lists it,
        // together with the other objects.
        if (checkpoints.kept.length > 1) await writer.list();
      });
      // If there is only one volume, its checkpoint is stored at the same time
      // as the layer. If there are several volumes, each is stored after the
      // checkpoint of the previous one, so that an interrupted run loses at
      // most one volume.
      if (isOnly) checkpointing.catch(() => {});
      else await checkpointing;
    },
    signal,
  });
  let checkpointing = Promise.resolve();
  let isWalked = false;
  const checkpoints: CheckpointWriter = new CheckpointWriter(
    writer.storage,
    store,
    {
      id,
      directory,
      parent: last?.record.id,
    },
    { next: (volume) => packed.next(volume) },
  );
  /** The entries in the order in which their content is stored. */
  let packed: PackedEntries = entries;
  try {
    if (left.ids.length > 0) await writer.begin();
    const work = await LeftWork.read(writer.storage, left, {
      parent: last?.record.id,
      signer: signerOf(store),
      isLocal: store.storage.localPath !== undefined,
    });
    const packer = new DataPacker({
      writer: writer.volumes,
      ...packingAgainst(parent, untilAborted(writer.storage, signal), {
        signatures,
        // The intent is stored while the old content is read. If storing the
        // intent fails, storing the first object throws the error.
        onChanged: () => writer.begin().catch(() => {}),
        // Reading the old content costs more than it saves if the content must
        // be fetched or decrypted.
        readsLarge: store.storage.localPath !== undefined &&
          store.keys === undefined,
      }),
      known: work,
      shared: (sha256) => packed.findStored(sha256),
      elsewhere,
    });
    const reader = new RepositoryReader(packer, writer.signatures, signatures);
    const indexing = {
      previous: parent.index,
      onSkip: options.onSkip,
      onProgress: options.onProgress,
      signal,
    };
    let indexed: IndexedTree & { owners?: OwnerNames };
    if (source instanceof Walker) {
      indexed = await indexTree(source, entries, reader, {
        ...indexing,
        unchanged(entry) {
          // Without this check, the error would be thrown only after all files
          // had been read.
          checkState(cache);
          return entry.isKnown === true;
        },
        measure: options.measure,
      }, cache?.states);
    } else {
      const stream = new StreamIndex(reader, indexing);
      packed = stream;
      await stream.read(source);
      indexed = await stream.finish(
        entries,
        states,
        parent.root ?? rootAt(time),
      );
    }
    checkState(cache);
    const { root: walked, skipped, owners } = indexed;
    const root = kept?.root(walked) ?? walked;
    const diff = entries.finish(root, skipped);
    const isSame = diff.isEmpty && isSameRoot(root, parent.root);
    const isAlmostSame = options.ignoreFolderTimes === true &&
      hasOnlyFolderTimes(diff, parent.root);
    if (last !== undefined && mayBeNone && (isSame || isAlmostSame)) {
      await writer.abort();
      await clear(writer.storage, left.names);
      // If only the times of folders changed, the new times are not remembered.
      // If they were, the next snapshot would not find these changes, even
      // without `ignoreFolderTimes`.
      if (isSame) await cache?.write(last.record.id, entries.list, skipped);
      return { record: last.record, isNew: false, diff, skipped, ...ahead };
    }
    const { kinds } = entries.tally;
    await options.onChanges?.({
      parent: last?.record,
      diff,
      files: kinds.file + kinds.symlink + kinds.hardlink,
      skipped,
    });
    isWalked = true;
    const objects = await writer.closeVolumes();
    await elsewhere?.hold(id);
    const layers = await writer.writeTree({
      layers: parent.layers,
      skippedBefore: parent.skipped,
      changed: {
        size: entries.changed,
        lines: changedLinesOf(entries.stored(), parent, reader.signatures),
      },
      size: entries.list.length,
      objects: [...work.objects, ...elsewhere?.objects ?? [], ...objects],
      skipped,
    });
    const record: SnapshotRecord = {
      id,
      time: timeInRecord(id, time),
      // The difference is negative if the clock was set back during the run.
      duration: Math.max(0, Date.now() - started),
      directory,
      ...dir && directory === dir.name && dir.name !== dir.path &&
        { common: dir.path },
      ...machineOf(store),
      root,
      ...owners ? { owners } : kept?.owners ?? ownersOf(entries.tally, root),
      ...(label !== undefined && { label }),
      ...options.turn !== undefined && { turn: options.turn },
      ...(last
        ? { parent: last.record.id, parentSha256: last.sha256 }
        : found && { follows: found.record.id }),
      layers,
      counts: countSnapshot(
        entries.tally,
        diff.counts,
        skipped,
        writer.stored,
        last !== undefined && !isSameRoot(root, last.record.root),
      ),
      ...rulesIn(dir?.rules ?? NO_RULES),
    };
    await checkpointing;
    checkState(cache);
    await writer.commit(
      record,
      () => clear(writer.storage, [...left.names, ...checkpoints.names]),
    );
    await cache?.write(id, entries.list, skipped);
    await signatures?.tidy(sumsIn(entries.list));
    return { record, isNew: true, diff, skipped, ...ahead };
  } catch (error) {
    await writer.abort(error);
    await checkpointing.catch(() => {});
    if (parent.isBroken || cache?.isBroken) {
      await cache?.drop();
      throw new DamageFoundLate("the tree or the remembered state is damaged", {
        cause: error,
      });
    }
    if (checkpoints.kept.length > 0) options.onKept?.(checkpoints.kept);
    throw error;
  }
}

/**
 * Throws an error if the file with the remembered state could not be read. The
 * walk might have taken the original error for the fault of another file, and
 * skipped that file. After this error, the snapshot begins again without the
 * remembered state.
 */
function checkState(cache: StateCache | undefined): void {
  if (cache?.isBroken) throw new Error("the remembered state cannot be read");
}

/**
 * The maximum total length, in UTF-16 code units, of the paths in the rules of
 * a record. Rules with longer paths are not recorded, because many operations
 * read the records of all snapshots.
 */
const MAX_RECORDED_PATHS = 1 << 16;

/**
 * Returns the field `rules` of the record. If the paths in the rules are longer
 * than `MAX_RECORDED_PATHS` in total, the field is absent, and a restore of the
 * snapshot cannot delete files.
 */
function rulesIn(rules: IgnoreOptions): Pick<SnapshotRecord, "rules"> {
  const length = rules.paths?.reduce((sum, { length }) => sum + length, 0) ?? 0;
  return length > MAX_RECORDED_PATHS ? {} : { rules };
}

/** The rules for a stream: nothing is excluded. */
const NO_RULES: IgnoreOptions = {
  excludes: [],
  ignoreFile: false,
  gitignore: false,
};

/**
 * Returns the state of the root for a stream that has no entry for the root.
 *
 * @param time The time of the snapshot, in milliseconds since 1970.
 */
function rootAt(time: number): Metadata {
  return { mode: 0o755, mtime: BigInt(time) * 1_000_000n, uid: 0, gid: 0 };
}

/**
 * Checks that a time is later than the time of the last snapshot.
 *
 * @param time The time of the new snapshot, in milliseconds since 1970.
 * @param last The last snapshot.
 * @throws {DeltarError} `exists` if the time is not later.
 */
function checkLater(time: number, last: SnapshotRecord): void {
  if (time > last.time) return;
  const [wanted, found] = [time, last.time].map((one) =>
    new Date(one).toISOString()
  );
  throw new DeltarError(
    "exists",
    `the time of the new snapshot (${wanted}) is not later than the time of ` +
      `the last snapshot ${last.id} (${found}); use a later \`time\` or ` +
      "another `source`",
    { object: last.directory },
  );
}

/**
 * Returns the signatures that this machine keeps; `undefined` if there is no
 * folder for them or the folder is only read.
 *
 * @param store The repository.
 * @param directory The path of the directory; for a stream, its name in the
 * repository.
 * @param options The folder, and whether it is only read.
 */
async function signaturesOf(
  store: Store,
  directory: string,
  { cache, readOnlyCache }: SnapshotOptions,
): Promise<KeptSignatures | undefined> {
  if (cache === undefined || readOnlyCache) return undefined;
  return new KeptSignatures(cache, {
    repository: store.id,
    directory,
    files: await store.sealedFiles(),
    isWriteOnly: store.keys?.isWriteOnly === true,
  });
}

/** Yields the SHA-256 of each file of more than 1 MiB, in hexadecimal. */
function* sumsIn(list: EntryList): Generator<string> {
  for (let at = 0; at < list.length; at++) {
    const entry = list.at(at);
    if (entry.kind === "file" && entry.size > MAX_WHOLE_BYTES) {
      yield entry.sha256;
    }
  }
}

/**
 * Finds the last snapshot of a directory or of its former path, whichever is
 * newer. If neither has a snapshot, also returns the last snapshots of other
 * directories, except for those with contents that cannot be taken over.
 */
async function findLast(
  store: Store,
  directory: string,
  options: SnapshotOptions,
): Promise<{ found: ReadRecord | undefined; others: Iterable<ReadRecord> }> {
  /**
   * The latest snapshot of each other directory or machine, by both as JSON.
   */
  const others = new Map<string, ReadRecord>();
  const own = knownLast(directory, store, options) ??
    await store.parentOf(directory, {
      onDamage: options.onDamage,
      signal: options.signal,
      onOther(other) {
        const { directory, machine } = other.record;
        const key = JSON.stringify([directory, machine?.id]);
        if (!others.has(key)) others.set(key, other);
      },
    });
  const former = await continued(store, options);
  const isNewer = former !== undefined &&
    (own === undefined || own.record.id < former.record.id);
  const found = isNewer ? former : own;
  const taken: ReadRecord[] = [];
  if (found === undefined) {
    for (const other of others.values()) {
      if (await store.mayTakeOver(other.record)) taken.push(other);
    }
  }
  return { found, others: taken };
}

/**
 * Returns the option `last` if it is a snapshot of the directory; otherwise
 * `undefined`.
 */
function knownLast(
  directory: string,
  { machine }: Store,
  { last }: SnapshotOptions,
): ReadRecord | undefined {
  return last && isOf(last.record, directory, machine?.id) ? last : undefined;
}

/**
 * Returns the last snapshot of the directory's former path; `undefined` if
 * there is no such path or snapshot.
 */
async function continued(
  store: Store,
  { continues, onDamage, signal }: SnapshotOptions,
): Promise<ReadRecord | undefined> {
  if (continues === undefined) return undefined;
  return await store.parentOf(continues, { onDamage, signal });
}

/**
 * Returns the public half of the key that must have signed the checkpoints that
 * are taken over: this machine's key, if the repository is encrypted. Returns
 * `undefined` if any checkpoint can be taken over.
 */
function signerOf({ keys, signingKey }: Store): string | undefined {
  return keys && signingKey?.publicKey;
}

/**
 * Deletes checkpoints. Errors are ignored, because a later prune deletes the
 * checkpoints that remain.
 */
async function clear(storage: Storage, names: string[]): Promise<void> {
  await forEachConcurrent(
    names,
    MAX_REQUESTS_AT_ONCE,
    (name) => storage.delete(name).catch(() => {}),
  );
}

/**
 * Returns the parent of the next snapshot. Returns an empty parent if there is
 * no last snapshot, or if the tree of the last snapshot is damaged and
 * `onDamage` is given.
 *
 * @param store The repository.
 * @param last The last snapshot.
 * @param cache The state that this machine remembers from the last snapshot.
 * @param options `onDamage` and the signal.
 * @throws {DeltarError} The error of a damaged tree, unless `onDamage` is
 * given; `conflict` if the last snapshot was removed and its tree cannot be
 * read.
 */
async function findParent(
  store: Store,
  last: ReadRecord | undefined,
  cache: StateCache | undefined,
  { onDamage, signal }: SnapshotOptions,
): Promise<Parent> {
  if (last === undefined) return parentOf(Tree.empty());
  const remembered = cache && rememberedParent(store.storage, last, cache);
  if (remembered !== undefined) return remembered;
  try {
    return parentOf(await store.tree(last.record, { signal }), last);
  } catch (error) {
    if (isDamage(error)) await checkParent(store.storage, last);
    if (onDamage === undefined || !isDamage(error)) throw error;
    onDamage(error);
    return parentOf(Tree.empty());
  }
}
