/**
 * Purging: deleting files and folders from all snapshots, at once and for good.
 *
 * `matching_paths.ts` finds the paths that match patterns.
 *
 * `survey.ts` reads all trees. It finds the snapshots that have the paths, the
 * other files with the same content, and the files of other paths that are
 * stored as deltas of purged content.
 *
 * `replace.ts` makes new snapshots without the paths. It rewrites each layer
 * that has an entry of the paths, once for all snapshots that share the layer,
 * and stores the dependent files again. The new records are stored last. Only
 * then are the old snapshots removed, with a note in `removed/` that names the
 * paths. Such a snapshot cannot be brought back, and prunes leave it alone.
 *
 * `scrub.ts` deletes the contents. It finds the volumes of the purged files in
 * the trees of the replaced snapshots, and reads all other volumes, because
 * snapshots that were removed earlier may have left contents of the paths that
 * no tree names. A volume that nothing else needs is deleted. Any other volume
 * is rewritten: a frame that nothing needs is omitted. In a frame that has
 * needed contents, too, everything else is blanked, and the frame keeps its
 * length, so that a move leads to the new volume as after a prune.
 *
 * The purge works beside snapshots by the rules of a prune: it holds the lease,
 * removes records first, stores a mark, and reads the intents of runs after
 * that. It keeps what runs need, and reports it as left. Snapshots that appear
 * before the contents are deleted are replaced, too, and the records of later
 * ones with the paths are reported as left. The notes in `removed/` are deleted
 * last. So the same call finishes a purge that was killed or left something. It
 * finds new snapshots whose old ones were not removed yet, and compares their
 * trees. It also finds files that runs have stored meanwhile as deltas of
 * contents of the old snapshots.
 *
 * @module
 */
import { DeltarError } from "../../bytes/errors.ts";
import { checkAborted, type SignalOptions } from "../../bytes/abort.ts";
import { newId, noteName, REMOVED } from "../format/names.ts";
import { DEFAULT_PATIENCE_MS } from "../prune/defaults.ts";
import { Lease } from "../prune/lease.ts";
import { canBeUndeleted } from "../prune/removed.ts";
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
   * The absolute path of the folder that the paths are relative to. Snapshots
   * of directories that do not contain a path are not changed for it. Symlinks
   * in the paths are not followed. By default, the paths are relative to the
   * root of each snapshot.
   */
  place?: string;
  /**
   * Patterns in gitignore's syntax. Each path that matches in any snapshot is
   * purged from all snapshots. A pattern without a slash is compared with the
   * name of each file and folder, and otherwise with the whole path, relative
   * to `place`. Default: none.
   */
  patterns?: readonly string[];
  /**
   * The ids of the snapshots to purge the paths from. A removed snapshot, also
   * one that an interrupted purge has replaced, may be named by a part of its
   * id. Default: all.
   */
  from?: readonly string[];
  /**
   * Whether to purge other files with the same content, too. Default: `false`.
   */
  all?: boolean;
  /**
   * Whether to leave out the search for contents that snapshots which were
   * removed earlier have left. The search reads all volumes. Default: `false`.
   */
  quick?: boolean;
  /**
   * Called with the plan before anything is changed. Returns whether to
   * continue. By default, the purge continues.
   */
  onPlan?: (plan: PurgePlan) => boolean | Promise<boolean>;
  /** Called with the progress. */
  onProgress?: (progress: PurgeProgress) => void;
  /**
   * The time for which a prune, rekey or purge without a sign of life is
   * watched before it counts as dead, in milliseconds. Default: 45 seconds,
   * three heartbeats.
   */
  patience?: number;
}

/** The progress of a purge. */
export interface PurgeProgress {
  /** The current phase. */
  phase: "reading" | "replacing" | "scanning" | "deleting" | "rewriting";
  /** The number of layers, snapshots, volumes or objects processed so far. */
  done: number;
  /** The total number of layers, snapshots, volumes or objects of the phase. */
  all: number;
}

/** A snapshot that a purge replaces. */
export interface SnapshotToPurge {
  /** The id of the snapshot. */
  id: string;
  /** The directory of the snapshot. */
  directory: string;
  /** Whether the snapshot was removed and can be brought back. */
  isRemoved: boolean;
  /**
   * The paths that are purged from the snapshot. Empty if the snapshot is
   * replaced only because it depends on purged content, or because its layers
   * have lines of paths that were deleted before the snapshot.
   */
  paths: string[];
  /** The number of files that are purged from the snapshot. */
  files: number;
}

/** The changes that a purge would make. */
export interface PurgePlan {
  /** The snapshots that are replaced, the oldest first. */
  snapshots: SnapshotToPurge[];
  /** The requested paths, with those that match the patterns. */
  paths: string[];
  /** The requested paths that none of these snapshots has. */
  missing: string[];
  /** The patterns that no path in these snapshots matches. */
  unmatched: string[];
  /** The number of different contents that are purged. */
  contents: number;
  /** The total size of these contents before compression, in bytes. */
  bytes: number;
  /**
   * The other files with the same content. They stay, and so does their
   * content.
   */
  others: SameContent[];
  /**
   * The paths of the files that are stored again, because they are deltas of
   * purged content.
   */
  storedAgain: string[];
  /** The ids of snapshots that an interrupted purge has replaced. */
  unfinished: string[];
  /**
   * The ids of running or interrupted runs. What they need or have stored is
   * not purged.
   */
  running: string[];
}

/** The result of a purge. */
export interface PurgeResult extends PurgePlan, Scrubbed {
  /** The replaced snapshots, and their replacements. */
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
  // Snapshots that appeared while the caller was asked, or while snapshots were
  // replaced, are surveyed and replaced, too.
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
 * The maximum number of times that snapshots are replaced. Snapshots that appear
 * later stay, and the purge reports them as left.
 */
const MAX_ROUNDS = 4;

/** Returns the names of the records that a purge may replace. */
function namesIn({ records, removed }: RepositoryState): string[] {
  return [
    ...records.map(({ id }) => id),
    ...removed.filter(canBeUndeleted).map(({ id }) => removedName(id)),
  ];
}

function removedName(id: string): string {
  return noteName(REMOVED, id);
}

/**
 * Returns the options with whole ids in `from`.
 *
 * @throws {DeltarError} `not-found` if there is no such snapshot or removed
 * snapshot.
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
          "undelete` the removed ones"
        : "several removed snapshots have an id with this part. Name the whole id",
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
    unfinished: found.removed.filter((one) => !canBeUndeleted(one))
      .map(({ id }) => id),
    running: found.intents.map(({ id }) => id),
  };
}
