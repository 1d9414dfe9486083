import type { DiffIndex } from "../../tree/diff_index.ts";
import type { DirIndex } from "../../tree/dir_index.ts";
import { isFault } from "../../tree/entry.ts";
import type { SnapshotCounts } from "../snapshot_record.ts";

/** What a snapshot found and did, in numbers. */
export function countSnapshot(
  index: DirIndex,
  diff: DiffIndex,
  stored: number,
): SnapshotCounts {
  const kinds = { file: 0, directory: 0, symlink: 0, hardlink: 0 };
  let bytes = 0;
  for (const { kind, size } of index.entries) {
    kinds[kind]++;
    bytes += size;
  }
  return {
    files: kinds.file,
    directories: kinds.directory,
    links: kinds.symlink + kinds.hardlink,
    bytes,
    created: diff.created.length,
    updated: diff.updated.length,
    deleted: diff.deleted.length,
    renamed: diff.renamed.length,
    copied: diff.copied.length,
    touched: diff.touched.length,
    stored,
    faults: index.skipped.filter(isFault).length,
  };
}
