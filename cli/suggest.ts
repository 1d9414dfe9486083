import { distance } from "fastest-levenshtein";
import { DeltarError, type Repository, type SnapshotRecord } from "../mod.ts";
import { showPath } from "./text.ts";

/** More edits than this are another name. */
const MOST_EDITS = 3;

/**
 * Does some work on paths of a snapshot; if one of them is not there, the error
 * says which path might have been meant.
 *
 * @param repository The repository.
 * @param record The snapshot.
 * @param work What is done.
 */
export async function suggesting<Result>(
  repository: Repository,
  record: SnapshotRecord,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const { code, path } = error as DeltarError;
    if (!(error instanceof DeltarError) || code !== "not-found" || !path) {
      throw error;
    }
    const similar = await findSimilar(repository, record, path);
    if (similar === undefined) throw error;
    const what = `it is not in this snapshot; did you mean ${
      showPath(similar)
    }?`;
    throw new DeltarError(code, what, { object: record.id, path });
  }
}

/** The path of a snapshot that is most like one, if any is much like it. */
async function findSimilar(
  repository: Repository,
  record: SnapshotRecord,
  path: string,
): Promise<string | undefined> {
  const { entries } = await repository.tree(record);
  let best: string | undefined;
  let least = Math.min(MOST_EDITS, path.length / 2);
  for (const entry of entries) {
    if (Math.abs(entry.path.length - path.length) > least) {
      // The same name in another folder.
      if (entry.path.endsWith(`/${path}`)) best ??= entry.path;
      continue;
    }
    const edits = distance(entry.path, path);
    if (edits > least || (edits === least && best !== undefined)) continue;
    [best, least] = [entry.path, edits];
  }
  return best;
}
