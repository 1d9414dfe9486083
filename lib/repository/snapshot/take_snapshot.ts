/**
 * Taking snapshots.
 *
 * `takeSnapshot` finds the last snapshot of the directory (`parent.ts`) and
 * what this machine remembers of it (`state_cache.ts`). If nothing changed,
 * that is all (`find_unchanged.ts`). Otherwise the directory is walked once.
 * Changed files go through the `RepositoryReader` into volumes, as deltas
 * against their last state where that is smaller
 * (`../../archive/data_packer.ts` decides, and `delta_basis.ts` finds the
 * basis), and `SnapshotEntries` collects the entries in little memory
 * (`piece_table.ts`).
 *
 * The `SnapshotWriter` stores volumes, signatures, the layer of the tree
 * (`merge_tree.ts` makes its lines) and the record, in that order: without the
 * record there is no snapshot. A run that is interrupted leaves checkpoints
 * (`checkpoint.ts`), from which the next one takes over finished volumes
 * (`left_work.ts`). A first snapshot takes over equal files from other
 * directories' snapshots (`elsewhere.ts`).
 *
 * @module
 */
import { checkAborted } from "../../bytes/abort.ts";
import type { VolumeRecord } from "../../archive/object_writer.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { DataPacker } from "../../archive/data_packer.ts";
import type { DiffIndex } from "../../tree/diff_index.ts";
import type { Skipped } from "../../tree/entry.ts";
import { type IndexProgress, indexTree } from "../../tree/index_tree.ts";
import type { Walker } from "../../tree/walker.ts";
import { packingAgainst } from "./delta_basis.ts";
import { type DamageHandler, isDamage } from "../../bytes/errors.ts";
import { CheckpointWriter } from "./checkpoint.ts";
import { Elsewhere } from "./elsewhere.ts";
import { findLeftRuns, LeftWork } from "./left_work.ts";
import { findUnchanged, isSameRoot } from "./find_unchanged.ts";
import { idBehind } from "../format/names.ts";
import { changedLinesOf } from "./merge_tree.ts";
import type { FoundPlace } from "../store/find_snapshot.ts";
import {
  type ReadRecord,
  type SnapshotRecord,
  timeInRecord,
} from "../format/snapshot_record.ts";
import type { Store } from "../store/store.ts";
import { type Parent, parentOf, rememberedParent } from "./parent.ts";
import { RepositoryReader } from "./repository_reader.ts";
import { checkParent } from "../runs/run.ts";
import { countSnapshot } from "./snapshot_counts.ts";
import { SnapshotEntries } from "./snapshot_entries.ts";
import { SnapshotWriter } from "./snapshot_writer.ts";
import { StateCache } from "./state_cache.ts";
import { Tree } from "../layers/tree.ts";

/** Options for taking a snapshot. */
export interface SnapshotOptions {
  /**
   * The user's name for it, of at most 1,000 characters. A labelled snapshot is taken even if nothing
   * changed.
   */
  label?: string;
  /** Take none if nothing changed, whatever its label. Default: false. */
  onlyIfChanged?: boolean;
  /** The size that volumes do not exceed, in bytes. Default: 64 MiB. */
  volumeSize?: number;
  /**
   * Where this machine remembers what it saw, a folder of the operating
   * system. Without one every file is read every time.
   */
  cache?: string;
  /** Called with each path that is left out, as it happens. */
  onSkip?: (skipped: Skipped) => void;
  /** Called after each entry, and repeatedly during a large file. */
  onProgress?: (progress: IndexProgress) => void;
  /**
   * Whether `onProgress` is to know how much there is in all: beside the work,
   * each folder is looked at once more. Default: `false`.
   */
  measure?: boolean;
  /**
   * Called with each earlier snapshot that cannot be read. All files are then
   * stored whole rather than as deltas. By default the errors are thrown.
   */
  onDamage?: DamageHandler;
  /**
   * The last snapshot of this directory, as `Repository.lastAt` has just found
   * it. Default: looked up.
   */
  last?: FoundPlace;
  /**
   * A directory whose last snapshot is the parent if this one has none yet: the
   * directory was moved from there. Default: none.
   */
  continues?: string;
  /**
   * Called with the changes before the snapshot is recorded. An error that it
   * throws ends the work without a snapshot.
   *
   * @param changes The changes, and the paths that were left out.
   */
  onChanges?: (changes: SnapshotChanges) => void | Promise<void>;
  /**
   * Called if the work ends early, with the volumes that are stored and kept. The
   * next snapshot of the directory takes over their content.
   */
  onKept?: (volumes: readonly VolumeRecord[]) => void;
  /** Ends the work with an error of code `aborted`; no snapshot appears. */
  signal?: AbortSignal;
}

/** The changes between a directory's last snapshot and the next. */
export interface SnapshotChanges {
  /** The last snapshot; none at first. */
  parent: SnapshotRecord | undefined;
  /** The changes since; the list is made when it is asked for. */
  diff: DiffIndex;
  /** The number of files and links now. */
  files: number;
  /** The paths that were left out, and the reasons. */
  skipped: readonly Skipped[];
}

/** The result of taking a snapshot. */
export interface SnapshotResult {
  /** The record of the snapshot, or of the last one if nothing changed. */
  record: SnapshotRecord;
  /** Whether a snapshot was made; without any change none is. */
  isNew: boolean;
  /** The changes since the parent; the list is made when it is asked for. */
  diff: DiffIndex;
  /** The paths that were left out, and the reasons. */
  skipped: readonly Skipped[];
  /**
   * The snapshot before, if its time lies ahead of this machine's clock by more
   * than ten minutes: one of the two clocks is wrong.
   */
  ahead?: SnapshotRecord;
}

/** Clocks of two machines may differ by this, in milliseconds. */
const CLOCK_SLACK = 10 * 60 * 1000;

/** Takes a snapshot of `dir` into a repository. */
export async function takeSnapshot(
  store: Store,
  dir: Walker,
  options: SnapshotOptions,
): Promise<SnapshotResult> {
  try {
    return await takeOnce(store, dir, options);
  } catch (error) {
    if (!(error instanceof DamageFoundLate)) throw error;
    // With nothing remembered, the tree itself is read now.
    return await takeOnce(store, dir, { ...options, last: undefined });
  }
}

/**
 * The error that the parent's tree is damaged, which what this machine remembers
 * of it had hidden. What is remembered was dropped.
 */
class DamageFoundLate extends Error {}

async function takeOnce(
  store: Store,
  dir: Walker,
  options: SnapshotOptions,
): Promise<SnapshotResult> {
  const { signal } = options;
  checkAborted(signal);
  const started = Date.now();
  const { found, others } = await findLast(store, dir, options);
  const before = found?.record;
  const mayBeNone = (options.label === undefined || options.onlyIfChanged) &&
    (before === undefined || before.directory === dir.path);
  const ahead = before !== undefined && before.time > started + CLOCK_SLACK
    ? { ahead: before }
    : {};
  const { cache: folder } = options;
  const cache = await StateCache.read(folder, store.id, dir, before, started);
  if (before !== undefined && mayBeNone) {
    const unchanged = await findUnchanged(before, dir, cache, options);
    if (unchanged !== undefined) return { ...unchanged, ...ahead };
  }
  const parent = await findParent(store, found, cache, options);
  const { last } = parent;
  const reading = untilAborted(store.storage, signal);
  await using elsewhere = last === undefined
    ? await Elsewhere.read(reading, others, options.onDamage, signal)
    : undefined;
  parent.elsewhere = elsewhere && ((sha256) => elsewhere.find(sha256));
  const id = idBehind(last?.record.id, started, Math.random());
  const left = await findLeftRuns(reading, dir.path);
  const entries = new SnapshotEntries(cache.states.writer, parent.index);
  await using writer = new SnapshotWriter(store, {
    id,
    parent: last,
    reuses: left.ids,
    volumeSize: options.volumeSize,
    onStored: (volume) => checkpoints.stored(volume),
    signal,
  });
  const checkpoints: CheckpointWriter = new CheckpointWriter(
    writer.storage,
    store.codec,
    {
      id,
      directory: dir.path,
      parent: last?.record.id,
    },
    entries,
  );
  try {
    if (left.ids.length > 0) await writer.begin();
    const work = await LeftWork.read(writer.storage, left, last?.record.id);
    const packer = new DataPacker({
      writer: writer.volumes,
      ...packingAgainst(parent, untilAborted(writer.storage, signal)),
      known: work,
      shared: (sha256) => entries.findStored(sha256),
      elsewhere,
    });
    const reader = new RepositoryReader(packer, writer.signatures);
    const { root, skipped } = await indexTree(dir, entries, reader, {
      previous: parent.index,
      unchanged: (entry) => entry.isKnown === true,
      onSkip: options.onSkip,
      onProgress: options.onProgress,
      measure: options.measure,
      signal,
    }, cache.states);
    const diff = entries.finish(root, skipped);
    const isSame = diff.isEmpty && isSameRoot(root, parent.index.root);
    if (last !== undefined && isSame && mayBeNone) {
      await writer.abort();
      await clear(writer.storage, left.names);
      await cache.write(last.record.id, entries.list, skipped);
      return { record: last.record, isNew: false, diff, skipped, ...ahead };
    }
    const { kinds } = entries.tally;
    await options.onChanges?.({
      parent: last?.record,
      diff,
      files: kinds.file + kinds.symlink + kinds.hardlink,
      skipped,
    });
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
      time: timeInRecord(id, started),
      // The clock may be set back meanwhile.
      duration: Math.max(0, Date.now() - started),
      directory: dir.path,
      root,
      ...(options.label !== undefined && { label: options.label }),
      ...(last && { parent: last.record.id, parentSha256: last.sha256 }),
      layers,
      counts: countSnapshot(
        entries.tally,
        diff.counts,
        skipped,
        writer.stored,
        last !== undefined && !isSameRoot(root, last.record.root),
      ),
      rules: dir.rules,
    };
    await writer.commit(record);
    await clear(writer.storage, [...left.names, ...checkpoints.names]);
    await cache.write(id, entries.list, skipped);
    return { record, isNew: true, diff, skipped, ...ahead };
  } catch (error) {
    await writer.abort(error);
    if (parent.isBroken) {
      await cache.drop();
      throw new DamageFoundLate("the parent's tree is damaged", {
        cause: error,
      });
    }
    if (checkpoints.kept.length > 0) options.onKept?.(checkpoints.kept);
    throw error;
  }
}

/** Finds the last snapshot of a directory, and those of others on the way. */
async function findLast(
  store: Store,
  dir: Walker,
  options: SnapshotOptions,
): Promise<{ found: ReadRecord | undefined; others: Iterable<ReadRecord> }> {
  /** The latest snapshots of other directories. */
  const others = new Map<string, ReadRecord>();
  const found = knownLast(dir, options) ??
    await store.parentOf(dir.path, {
      onDamage: options.onDamage,
      signal: options.signal,
      onOther(other) {
        const { directory } = other.record;
        if (!others.has(directory)) others.set(directory, other);
      },
    }) ?? await continued(store, options);
  return { found, others: others.values() };
}

/** Returns the last snapshot that the caller has found, if it is of `dir`. */
function knownLast(
  { path }: Walker,
  { last }: SnapshotOptions,
): ReadRecord | undefined {
  return last?.record.directory === path ? last : undefined;
}

/** The last snapshot of the directory that this one was before. */
async function continued(
  store: Store,
  { continues, onDamage, signal }: SnapshotOptions,
): Promise<ReadRecord | undefined> {
  if (continues === undefined) return undefined;
  return await store.parentOf(continues, { onDamage, signal });
}

/** Clears away what only an interrupted run would have needed. */
async function clear(storage: Storage, names: string[]): Promise<void> {
  for (const name of names) await storage.delete(name).catch(() => {});
}

/** The last snapshot of the directory, if its tree can be read, and that. */
async function findParent(
  store: Store,
  last: ReadRecord | undefined,
  cache: StateCache,
  { onDamage, signal }: SnapshotOptions,
): Promise<Parent> {
  if (last === undefined) return parentOf(Tree.empty());
  const remembered = rememberedParent(store.storage, last, cache);
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
