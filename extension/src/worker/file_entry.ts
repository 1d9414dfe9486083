import {
  DeltarError,
  type Repository,
  type SnapshotRecord,
  type TreeFileEntry,
} from "../../../mod.ts";

/**
 * Returns the entry of a file in a snapshot. For a hard link, returns the entry
 * of the file that has the content.
 *
 * @throws {DeltarError} `not-found` if the snapshot has no file at this path;
 * `aborted` if the signal fired; the error of reading a layer.
 */
export async function fileEntry(
  repository: Repository,
  record: SnapshotRecord,
  path: string,
  signal: AbortSignal,
): Promise<TreeFileEntry> {
  let entry = await repository.lookup(record, path, { signal });
  if (entry?.kind === "hardlink") {
    entry = await repository.lookup(record, entry.target, { signal });
  }
  if (entry?.kind === "file") return entry;
  throw new DeltarError("not-found", "no such file in this snapshot", {
    object: record.id,
    path,
  });
}
