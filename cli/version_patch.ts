import {
  type Change,
  DiffIndex,
  DirIndex,
  type Repository,
  type SnapshotRecord,
} from "../mod.ts";
import type { PathVersion } from "../lib/repository/mod.ts";
import { chunks } from "../lib/storage/mod.ts";
import { isWithin, pathOf } from "../lib/tree/mod.ts";
import { withoutMoved } from "./change_line.ts";
import { snapshotState } from "./compared_state.ts";
import type { PatchState } from "./git_patch.ts";
import type { Patched } from "./patch_contents.ts";

type Entry = NonNullable<PathVersion["entry"]>;

/**
 * Returns the changes from the previous version of a file or folder to the
 * given version, and the two states.
 *
 * @param repository The repository that has the versions.
 * @param version The new version, which names the previous version, if there is
 * one.
 * @param signal Stops the reading of trees and files.
 */
export async function patchedBy(
  repository: Repository,
  version: PathVersion,
  signal: AbortSignal,
): Promise<Patched> {
  const { entry, before } = version;
  const isFolder = [entry, before].some((one) => one?.kind === "directory");
  return isFolder
    ? await ofFolder(repository, version, signal)
    : await ofFile(repository, version, signal);
}

async function ofFolder(
  repository: Repository,
  { record, recordBefore, path, from }: PathVersion,
  signal: AbortSignal,
): Promise<Patched> {
  const paths = [path, ...from === undefined ? [] : [from]];
  const stateOf = async (snapshot: SnapshotRecord) => {
    const tree = await repository.tree(snapshot, { signal });
    return snapshotState(repository, snapshot, tree, "", signal);
  };
  const now = await stateOf(record);
  const old = recordBefore === undefined
    ? { index: DirIndex.empty(), open: now.open }
    : await stateOf(recordBefore);
  const { changes } = DiffIndex.compute(now.index, old.index);
  return {
    states: [old, now],
    paths,
    changes: withoutMoved(
      changes.filter((change) =>
        paths.some((folder) => isWithin(pathOf(change), folder))
      ),
    ),
  };
}

async function ofFile(
  repository: Repository,
  { record, recordBefore, path, change, entry, before, from }: PathVersion,
  signal: AbortSignal,
): Promise<Patched> {
  // A renamed file has the same content as before, so its entry, with the old
  // path, also describes the previous version.
  const renamed = change === "renamed" && entry !== undefined &&
      from !== undefined
    ? { ...entry, path: from }
    : undefined;
  const states: Patched["states"] = [
    await fileState(
      repository,
      recordBefore ?? record,
      before ?? renamed,
      signal,
    ),
    await fileState(repository, record, entry, signal),
  ];
  return {
    states,
    paths: [path, ...from === undefined ? [] : [from]],
    changes: changesOf(entry, before, renamed && from),
  };
}

function changesOf(
  entry: Entry | undefined,
  before: Entry | undefined,
  from: string | undefined,
): Change[] {
  if (entry === undefined) {
    return before === undefined ? [] : [{ change: "deleted", before }];
  }
  if (before !== undefined) return [{ change: "updated", entry, before }];
  return from === undefined
    ? [{ change: "created", entry }]
    : [{ change: "renamed", entry, from }];
}

/**
 * Returns a state that has only the given entry, if there is one. If the entry
 * is a hard link, the state also has the file that the entry links to.
 */
async function fileState(
  repository: Repository,
  record: SnapshotRecord,
  entry: Entry | undefined,
  signal: AbortSignal,
): Promise<PatchState> {
  const target = entry?.kind === "hardlink"
    ? await repository.lookup(record, entry.target, { signal })
    : undefined;
  const read = repository.fileReader(record);
  return {
    index: {
      get: (path) => [entry, target].find((one) => one?.path === path),
    },
    async *open({ path }) {
      yield* chunks(await read(path, { signal }));
    },
  };
}
