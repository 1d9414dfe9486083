/**
 * Purging: deleting files and folders from all snapshots, immediately and
 * permanently.
 *
 * `matching_paths.ts` finds the paths that match patterns.
 *
 * `survey.ts` reads all trees. It finds the snapshots that have the paths, the
 * other files with the same content, and the files of other paths that are
 * stored as deltas of purged content.
 *
 * `replace.ts` makes new snapshots without the paths. It rewrites each layer
 * that has an entry of the paths, once for all snapshots that share the layer.
 * It also stores the files that depend on purged content again. The new records
 * are stored last. Only then are the old snapshots removed, with a note in
 * `removed/` that names the paths. Snapshots with such a note cannot be brought
 * back, and prunes keep these notes.
 *
 * `scrub.ts` deletes the contents. It finds the volumes of the purged files in
 * the trees of the replaced snapshots. It also reads all other volumes, because
 * snapshots that were removed earlier may have left contents of the paths in
 * volumes that no tree names. A volume with purged contents is deleted if
 * nothing else needs it. Otherwise, it is rewritten without the frames that
 * nothing needs. In a frame with both needed and purged contents, the purged
 * contents are overwritten, and the frame keeps its length. So a move can name
 * the new volume, as after a prune.
 *
 * A purge can run at the same time as snapshots, because it follows the rules
 * of a prune: it holds the lease, removes records first, stores a mark, and
 * then reads the intents of runs. It keeps the objects that runs need, and
 * reports them as left. Snapshots that appear before the contents are deleted
 * are replaced, too. Records of later snapshots with the paths are reported as
 * left. The notes in `removed/` are deleted last.
 *
 * So a second purge of the same paths finishes a purge that was killed or that
 * left objects. If the killed purge stored a new snapshot but did not remove
 * the old one, the second purge finds both and compares their trees. It also
 * finds files that runs have meanwhile stored as deltas of contents of the old
 * snapshots.
 *
 * @module
 */
import { DeltarError } from "../../bytes/errors.ts";
import { checkAborted, type SignalOptions } from "../../bytes/abort.ts";
import { newId, noteName, REMOVED } from "../format/names.ts";
import { DEFAULT_PATIENCE_MS } from "../prune/defaults.ts";
import { Lease } from "../prune/lease.ts";
import { canBeUndeleted, isReplaced } from "../prune/removed.ts";
import {
  readRecords,
  readState,
  type RepositoryState,
} from "../prune/repository_state.ts";
import { isPartOfId } from "../store/find_snapshot.ts";
import type { Store } from "../store/store.ts";
import { type Replacement, replaceSnapshots } from "./replace.ts";
import { scrub, type Scrubbed } from "./scrub.ts";
import { type Matched, pathsToPurge } from "./matching_paths.ts";
import {
  candidatesIn,
  deletedPaths,
  pathIn,
  recordsWithPaths,
  replacedIn,
  type SameContent,
  type Survey,
  survey,
} from "./survey.ts";

/** Options for purging paths. */
export interface PurgeOptions extends SignalOptions {
  /**
   * The absolute path of the folder that the paths are relative to. If a path
   * is not in the directory of a snapshot, it is ignored for this snapshot.
   * Symlinks in the paths are not followed. By default, the paths are relative
   * to the root of each snapshot.
   */
  place?: string;
  /**
   * Patterns in gitignore's syntax. If a path in one of the snapshots that
   * `from` selects matches a pattern, the path is purged from all of these
   * snapshots. A pattern with a `/` before its end is compared with whole
   * paths, relative to `place`. Any other pattern is compared with the names of
   * files and folders. Default: no patterns.
   */
  patterns?: readonly string[];
  /**
   * The ids of the snapshots to purge the paths from. Removed snapshots,
   * including those that an interrupted purge has replaced, can be named by the
   * beginning or end of their ids. Default: all snapshots, including removed
   * ones.
   */
  from?: readonly string[];
  /**
   * Whether to also purge other files that have the same content as a purged
   * file. Default: `false`.
   */
  all?: boolean;
  /**
   * Whether to skip the search for purged contents that snapshots left behind
   * when they were removed earlier. The search reads all volumes. Default:
   * `false`.
   */
  quick?: boolean;
  /**
   * Called with the plan before anything is changed. Returns whether to
   * continue. If it returns false, the purge ends with an error of code
   * `aborted`. By default, the purge always continues.
   */
  onPlan?: (plan: PurgePlan) => boolean | Promise<boolean>;
  /**
   * Called for each layer, snapshot, volume or object of a phase, with the
   * progress.
   */
  onProgress?: (progress: PurgeProgress) => void;
  /**
   * The time for which a prune, rekey or purge without a heartbeat is watched
   * before it is considered dead, in milliseconds. Default: 45 seconds, which
   * is three heartbeat intervals.
   */
  patience?: number;
}

/** The progress of a purge. */
export interface PurgeProgress {
  /** The current phase. */
  phase: "reading" | "replacing" | "scanning" | "deleting" | "rewriting";
  /**
   * The number of layers, snapshots, volumes or objects that have been
   * processed so far in this phase.
   */
  done: number;
  /**
   * The total number of layers, snapshots, volumes or objects in this phase.
   */
  all: number;
}

/** A snapshot that a purge replaces. */
export interface SnapshotToPurge {
  /** The id of the snapshot. */
  id: string;
  /** The path of the snapshot's directory. */
  directory: string;
  /** Whether the snapshot was removed and can be brought back. */
  isRemoved: boolean;
  /**
   * The paths that are purged from the snapshot. Empty if the snapshot is
   * replaced only because it depends on purged content, or because its layers
   * still have lines for purged paths that the snapshot itself does not have.
   */
  paths: string[];
  /** The number of files that are purged from the snapshot. */
  files: number;
}

/** The changes that a purge would make. */
export interface PurgePlan {
  /** The snapshots to replace, the oldest first. */
  snapshots: SnapshotToPurge[];
  /** The requested paths, and the paths that match the patterns. */
  paths: string[];
  /** The requested paths that no searched snapshot contains. */
  missing: string[];
  /** The patterns that match no path in the searched snapshots. */
  unmatched: string[];
  /** The number of different contents of the purged files. */
  contents: number;
  /**
   * The total size of the different contents of the purged files before
   * compression, in bytes.
   */
  bytes: number;
  /**
   * The kept files that have the same content as a purged file. Their content
   * stays in the repository.
   */
  others: SameContent[];
  /**
   * The paths of the files that are stored again because they are stored as
   * deltas of purged content.
   */
  storedAgain: string[];
  /** The ids of snapshots that an interrupted purge has replaced. */
  unfinished: string[];
  /**
   * The ids of the runs that are running or were interrupted. The objects that
   * they need or have stored are not purged.
   */
  running: string[];
}

/** The result of a purge. */
export interface PurgeResult extends PurgePlan, Scrubbed {
  /** The replaced snapshots, with their replacements. */
  replaced: Replacement[];
}

/** Plans a purge. See `Repository.planPurge`. */
export async function planPurge(
  store: Store,
  paths: readonly string[],
  options: PurgeOptions,
): Promise<PurgePlan> {
  const found = await readState(store, options.signal);
  const named = withFrom(found, options);
  const matched = await pathsToPurge(store, found, paths, named);
  const surveyed = await survey(store, found, matched.paths, named);
  return planOf(found, matched, surveyed);
}

/** Purges paths from a repository. See `Repository.purge`. */
export async function purge(
  store: Store,
  requested: readonly string[],
  given: PurgeOptions,
): Promise<PurgeResult> {
  const { onPlan, signal, patience = DEFAULT_PATIENCE_MS } = given;
  const id = newId(Date.now(), Math.random());
  checkAborted(signal);
  await using lease = await Lease.take(store.storage, id, { patience, signal });
  let found = await readState(store, signal);
  const options = withFrom(found, given);
  let matched = await pathsToPurge(store, found, requested, options);
  let surveyed = await survey(store, found, matched.paths, options);
  let plan = planOf(found, matched, surveyed);
  if (onPlan !== undefined && !await onPlan(plan)) {
    throw new DeltarError(
      "aborted",
      "the purge was stopped, because `onPlan` returned false",
    );
  }
  // Snapshots may have appeared while `onPlan` was called or while snapshots
  // were being replaced. They are surveyed and replaced, too.
  const known = new Set(namesIn(found));
  const replaced: Replacement[] = [];
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const now = await readState(store, signal);
    if (namesIn(now).some((name) => !known.has(name))) {
      found = now;
      matched = await pathsToPurge(store, found, matched.paths, options);
      surveyed = await survey(store, found, matched.paths, options);
      const others = new Map(
        [...plan.others, ...surveyed.others].map((one) => [one.path, one]),
      );
      if (round === 0) plan = planOf(found, matched, surveyed);
      plan = { ...plan, others: [...others.values()] };
    } else if (round > 0) break;
    const more = await replaceSnapshots(
      store,
      lease,
      found,
      surveyed,
      options,
    );
    replaced.push(...more);
    for (const name of namesIn(found)) known.add(name);
    for (const { by } of more) known.add(by).add(removedName(by));
  }
  const { paths } = matched;
  const own = new Set<string>();
  for (const { record } of [...candidatesIn(found), ...replacedIn(found)]) {
    for (const path of paths) {
      const one = pathIn(record, path, options);
      if (one !== undefined && one !== "") own.add(one);
    }
  }
  const findLate = async () => {
    const now = await readRecords(store, signal);
    const late = {
      records: now.records.filter(({ id }) => !known.has(id)),
      removed: now.removed.filter((one) =>
        canBeUndeleted(one) && !known.has(removedName(one.id))
      ),
    };
    const all = await pathsToPurge(store, late, paths, options);
    return await recordsWithPaths(store, late, all.paths, options);
  };
  const scrubbed = await scrub(
    store,
    lease,
    [...own],
    findLate,
    options,
  );
  return { ...plan, replaced, ...scrubbed };
}

/**
 * The maximum number of rounds in which new snapshots are replaced. Snapshots
 * that appear later are kept, and the purge reports them as left.
 */
const MAX_ROUNDS = 4;

/**
 * Returns the ids of all snapshots, and the names of the notes about removed
 * snapshots that no purge has replaced.
 */
function namesIn({ records, removed }: RepositoryState): string[] {
  return [
    ...records.map(({ id }) => id),
    ...removed.filter((one) => !isReplaced(one))
      .map(({ id }) => removedName(id)),
  ];
}

function removedName(id: string): string {
  return noteName(REMOVED, id);
}

/**
 * Returns the options with whole ids in `from`.
 *
 * @throws {DeltarError} `not-found` if an id in `from` matches no snapshot and
 * no removed snapshot, or matches several removed snapshots.
 */
function withFrom(
  { records, removed }: RepositoryState,
  options: PurgeOptions,
): PurgeOptions {
  if (options.from === undefined) return options;
  const from = options.from.map((name) => {
    if (records.some(({ id }) => id === name)) return name;
    const ids = removed.map(({ id }) => id)
      .filter((id) => isPartOfId(name, id));
    if (ids.length === 1) return ids[0];
    throw new DeltarError(
      "not-found",
      ids.length === 0
        ? "no such snapshot. `deltar list` lists the snapshots, and `deltar " +
          "undelete` the removed ones."
        : "several removed snapshots have an id with this beginning or end. " +
          "Use the whole id.",
      { object: name },
    );
  });
  return { ...options, from };
}

function planOf(
  found: RepositoryState,
  { paths, unmatched }: Matched,
  surveyed: Survey,
): PurgePlan {
  const { targets, missing, others, contents, dependents } = surveyed;
  const again = [...dependents.values()].flat().map(({ path }) => path);
  const sizes = [...contents.values()].map(({ size }) => size);
  return {
    snapshots: targets.map((target) => ({
      id: target.record.id,
      directory: target.record.directory,
      isRemoved: target.removed !== undefined,
      paths: deletedPaths(target),
      files: target.purged.kinds.file,
    })),
    paths,
    missing,
    unmatched,
    contents: sizes.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
    others,
    storedAgain: [...new Set(again)].sort(),
    unfinished: found.removed.filter(isReplaced)
      .map(({ id }) => id),
    running: found.intents.map(({ id }) => id),
  };
}
