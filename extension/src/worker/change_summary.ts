/**
 * Short summaries of the changes between two snapshots.
 *
 * Two snapshots usually share most layers of their trees. For a summary, only
 * two things are read: the lines of the layers that the two snapshots do not
 * share, and the old entries of the paths in these lines. The entries are
 * compared in the same way as those of whole trees, so a summary counts the
 * same files as the list of changes.
 *
 * @module
 */
import {
  DiffIndex,
  DirIndex,
  type Repository,
  type SnapshotRecord,
  type TreeEntry,
} from "../../../mod.ts";
import { checkAborted } from "../../../lib/bytes/abort.ts";
import { turnIfDue } from "../../../lib/bytes/turns.ts";
import { pathPairs } from "../../../lib/repository/search/folder_changes.ts";
import { LayerReaders } from "../../../lib/repository/search/layer_readers.ts";
import { bare } from "../../../lib/tree/change_finder.ts";
import { changedFields, isWithin } from "../../../lib/tree/mod.ts";
import type { ChangeSummary, FileChange } from "../shared/protocol.ts";
import { fileChanges } from "./file_changes.ts";

/** The maximum number of differing paths for which a summary is made. */
export const MAX_COMPARED = 10_000;

/** The maximum number of changes that a summary names. */
const MAX_NAMED = 2;

/** The snapshots and the folder that a summary describes. */
interface Compared {
  /**
   * The record of the old snapshot. If absent, all files of the new snapshot
   * count as created.
   */
  before: SnapshotRecord | undefined;
  /** The record of the new snapshot. */
  after: SnapshotRecord;
  /** The path of the folder; empty for the whole tree. */
  within: string;
}

/**
 * Returns a summary of the changes in a folder between two snapshots, or
 * `undefined` if more than `MAX_COMPARED` paths differ.
 *
 * @throws {DeltarError} `aborted` if the signal fired; the error of a layer
 * that is damaged or missing.
 */
export async function changeSummary(
  repository: Repository,
  { before, after, within }: Compared,
  signal: AbortSignal,
): Promise<ChangeSummary | undefined> {
  const olds: TreeEntry[] = [];
  const entries: TreeEntry[] = [];
  const pairs = before === undefined
    ? created(repository, after, within, signal)
    : pathPairs(new LayerReaders(repository.storage), before, after, within);
  for await (const [old, entry] of pairs) {
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    checkAborted(signal);
    if (old && entry && changedFields(entry, old).length === 0) continue;
    if (old !== undefined) olds.push(old);
    if (entry !== undefined) entries.push(entry);
    if (Math.max(olds.length, entries.length) > MAX_COMPARED) return undefined;
  }
  const [index, previous] = [entries, olds].map((some) =>
    new DirIndex(some.map(bare))
  );
  return summaryOf(fileChanges(DiffIndex.compute(index, previous).changes));
}

async function* created(
  repository: Repository,
  record: SnapshotRecord,
  within: string,
  signal: AbortSignal,
): AsyncGenerator<[undefined, TreeEntry]> {
  const some = { signal, ...(within !== "" && { within }) };
  for await (const entries of repository.entries(record, some)) {
    for (const entry of entries) {
      if (isWithin(entry.path, within)) yield [undefined, entry];
    }
  }
}

function summaryOf(changes: readonly FileChange[]): ChangeSummary {
  const shown = changes.filter(({ change }) => change !== "touched");
  return {
    changed: shown.length,
    first: named(shown),
    folder: commonFolder(shown.map(({ path }) => path)),
  };
}

/**
 * Returns up to `MAX_NAMED` of the changes. Deletions are among them only if
 * there are not enough other changes.
 */
export function named(changes: readonly FileChange[]): ChangeSummary["first"] {
  const isGone = ({ change }: FileChange) => change === "deleted";
  return [
    ...changes.filter((one) => !isGone(one)).slice(0, MAX_NAMED),
    ...changes.filter(isGone).slice(0, MAX_NAMED),
  ].slice(0, MAX_NAMED).map(({ path, change }) => ({ path, change }));
}

/**
 * Returns the path of the deepest folder that contains all paths; empty for the
 * root.
 */
function commonFolder([path = "", ...others]: readonly string[]): string {
  let folder = path.slice(0, Math.max(0, path.lastIndexOf("/")));
  for (const other of others) {
    while (!isWithin(other, folder)) {
      folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/")));
    }
  }
  return folder;
}
