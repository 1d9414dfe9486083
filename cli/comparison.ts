import {
  type Change,
  DiffIndex,
  DirIndex,
  type Skipped,
  type SnapshotRecord,
} from "../mod.ts";
import { isWithin, pathOf } from "../lib/tree/mod.ts";
import type { Begun } from "./begin.ts";
import { rootChange, withoutMoved } from "./change_line.ts";
import {
  type ComparedState,
  directoryState,
  snapshotState,
} from "./compared_state.ts";
import type { Context } from "./context.ts";
import { tellIndexProgress } from "./index_progress.ts";
import { placeHere } from "./place_here.ts";
import { relativeError } from "./relative_error.ts";
import { type Named, pathIn } from "./suggest.ts";
import { treePath } from "./text.ts";

/** Two states to compare, and the paths to show. */
export interface Compared {
  states: [before: ComparedState, after: ComparedState];
  /** The record of the old snapshot. */
  before: SnapshotRecord;
  /**
   * The record of the new snapshot; absent if the new state is the current
   * state of the directory.
   */
  after?: SnapshotRecord;
  /** The path of the directory, if its current state is the new state. */
  directory?: string;
  /** Whether a state is that of a folder instead of the whole directory. */
  isOfFolder: boolean;
  /** The paths of the files and folders to show. The path `""` means all. */
  paths: string[];
  /** The excluded and skipped paths of the new state. */
  skipped: readonly Skipped[];
}

/**
 * Returns the comparison of two snapshots, or of folders in them.
 *
 * @param words The paths to show, as the user typed them. If empty, all paths
 * are shown.
 */
export async function withSnapshot(
  { signal }: Context,
  { repository }: Begun,
  [old, now]: readonly [Named, Named],
  words: readonly string[],
): Promise<Compared> {
  const isOfFolder = old.folder + now.folder !== "";
  const trees = await Promise.all(
    [old, now].map(async ({ record, folder }) =>
      (await repository.tree(record)).below(folder)
    ),
  );
  const [before, after] = [old, now].map(({ record, folder }, at) =>
    snapshotState(repository, record, trees[at], folder, signal)
  );
  return {
    states: [before, after],
    before: old.record,
    after: now.record,
    isOfFolder,
    paths: isOfFolder
      ? pathsOr("", words.map(treePath))
      : await pathsBelow(repository, now, words),
    skipped: trees[1].skipped,
  };
}

/**
 * Returns the comparison of a snapshot with the current state of its directory.
 *
 * @param words The paths to show, as the user typed them. If empty, all paths
 * in the folder of `old` are shown.
 */
export async function withDirectory(
  { signal }: Context,
  { out, repository }: Begun,
  old: Named,
  words: readonly string[],
  { checksum = false }: { checksum?: boolean } = {},
): Promise<Compared> {
  const { record } = old;
  const directory = placeHere(record, "Compare the snapshot with another one.");
  const tree = await repository.tree(record, { signal });
  const after = await directoryState(directory, record, tree.index, {
    repository: repository.storage.localPath,
    checksum,
    onProgress: (progress) => tellIndexProgress(out, progress),
    signal,
  });
  out.clear();
  return {
    states: [snapshotState(repository, record, tree, "", signal), after],
    before: record,
    directory,
    isOfFolder: false,
    paths: await pathsBelow(repository, old, words),
    skipped: after.index.skipped,
  };
}

/**
 * Returns the comparison of a folder of the old state with a folder of the new
 * state. If a state does not have the folder, the folder counts as empty.
 *
 * @param compared The comparison of the whole states.
 * @param folders The folder of the old state and the folder of the new state;
 * `""` for the root.
 * @param paths The files and folders to show, relative to the folders. Default:
 * all.
 */
export function inFolders(
  compared: Compared,
  folders: readonly [old: string, now: string],
  paths: string[] = [],
): Compared {
  const { states } = compared;
  const [before, after] = folders.map((folder, at) =>
    folder === "" ? states[at] : stateBelow(states[at], folder)
  );
  return {
    ...compared,
    states: [before, after],
    isOfFolder: folders.some((folder) => folder !== ""),
    paths: pathsOr("", paths),
    skipped: after.index.skipped,
  };
}

/** Returns the state of a folder, with paths relative to the folder. */
function stateBelow(state: ComparedState, folder: string): ComparedState {
  const { index, root, owners } = state;
  const start = `${folder}/`;
  const cut = (path: string) => path.slice(start.length);
  const entries = index.entries.filter(({ path }) => path.startsWith(start))
    .map((entry) => {
      const path = cut(entry.path);
      if (entry.kind !== "hardlink") return { ...entry, path };
      const { target } = entry;
      return target.startsWith(start)
        ? { ...entry, path, target: cut(target) }
        // The linked file is outside the folder, so the link becomes a file.
        : { ...index.get(target) ?? entry, path };
    });
  const skipped = index.skipped.filter(({ path }) => path.startsWith(start))
    .map((skip) => ({ ...skip, path: cut(skip.path) }));
  return {
    index: new DirIndex(entries, root, skipped),
    root,
    owners,
    async *open(file) {
      try {
        yield* state.open({ ...file, path: `${folder}/${file.path}` });
      } catch (error) {
        throw relativeError(error, folder);
      }
    },
  };
}

/**
 * Returns the paths that a user typed, relative to the root of a snapshot. If
 * the user typed none, returns the folder that the user named.
 */
async function pathsBelow(
  repository: Begun["repository"],
  named: Named,
  words: readonly string[],
): Promise<string[]> {
  const paths = await Promise.all(
    words.map((word) => pathIn(repository, named, word)),
  );
  return pathsOr(named.folder, paths);
}

/** Returns the paths or, if the list is empty, the folder. */
function pathsOr(folder: string, paths: string[]): string[] {
  return paths.length === 0 ? [folder] : paths;
}

/** Returns the changes at or below one of the paths to show. */
export function shownChanges(
  { states: [before, after], paths, isOfFolder, ...compared }: Compared,
): Change[] {
  const diff = DiffIndex.compute(after.index, before.index);
  const isWanted = (change: Change) =>
    paths.some((path) => isWithin(pathOf(change), path)) &&
    // A safety snapshot has only the paths that a restore, undo or redo was
    // about to change. The other paths of the directory only look new, so they
    // are not shown.
    (compared.directory === undefined || compared.before.safety === undefined ||
      "before" in change);
  const wanted = diff.changes.filter(isWanted);
  return [
    ...paths.includes("") && !isOfFolder ? rootChange(before, after) : [],
    ...withoutMoved(wanted),
  ];
}
