import type { ChangeCounts } from "../../tree/diff_index.ts";
import {
  type Entry,
  type EntryKind,
  isFault,
  type Metadata,
  type Skipped,
} from "../../tree/entry.ts";
import { OwnerTally } from "../../tree/owner_names.ts";
import type {
  SnapshotCounts,
  SnapshotRecord,
} from "../format/snapshot_record.ts";

/** The counts of a tree's entries, and the owners and groups of the entries. */
export class EntryTally {
  /** The owners and groups of the entries. */
  readonly owners: OwnerTally = new OwnerTally();
  /** The total size of all files, in bytes. */
  bytes = 0;
  /** The number of entries of each kind. */
  readonly kinds: Record<EntryKind, number> = {
    file: 0,
    directory: 0,
    symlink: 0,
    hardlink: 0,
    fifo: 0,
    block: 0,
    character: 0,
  };

  /**
   * Counts an entry, or several entries with the same kind, owner and group.
   *
   * @param entry The entry. For several entries, `size` is their total size in
   * bytes.
   * @param count The number of entries. Default: 1.
   */
  add(
    entry: Pick<Entry, "kind" | "size" | "uid" | "gid">,
    count: number = 1,
  ): void {
    this.kinds[entry.kind] += count;
    this.bytes += entry.size;
    this.owners.add(entry);
  }
}

/** Returns the counts of a snapshot that depend only on its tree. */
export function countTree(
  { kinds, bytes }: EntryTally,
): Pick<
  SnapshotCounts,
  "files" | "directories" | "links" | "special" | "bytes"
> {
  const special = kinds.fifo + kinds.block + kinds.character;
  return {
    files: kinds.file,
    directories: kinds.directory,
    links: kinds.symlink + kinds.hardlink,
    ...(special > 0 && { special }),
    bytes,
  };
}

/**
 * Returns the field `owners` of a record: the names of the owners and groups of
 * the directory and its entries. Owners and groups without a name on this
 * system are omitted. If none of them has a name, the field is absent.
 *
 * @param tally The owners and groups of the entries. Those of `root` are added.
 * @param root The state of the directory itself.
 */
export function ownersOf(
  { owners }: EntryTally,
  root: Metadata,
): Pick<SnapshotRecord, "owners"> {
  owners.add(root);
  const names = owners.names();
  return names === undefined ? {} : { owners: names };
}

/**
 * Returns the counts of a snapshot.
 *
 * @param tally The counts of the tree's entries.
 * @param changes The numbers of changes since the parent.
 * @param skipped The skipped and excluded paths. Only the paths that were
 * skipped because of a fault are counted.
 * @param stored The total size of the objects that were stored, in bytes.
 * @param isRootTouched Whether the mode, owner or extended attributes of the
 * directory itself changed. If so, it counts as touched. Default: `false`.
 */
export function countSnapshot(
  tally: EntryTally,
  changes: ChangeCounts,
  skipped: readonly Skipped[],
  stored: number,
  isRootTouched = false,
): SnapshotCounts {
  const { created, updated, deleted, renamed, copied, touched } = changes;
  return {
    ...countTree(tally),
    created,
    updated,
    deleted,
    renamed,
    copied,
    touched: touched + (isRootTouched ? 1 : 0),
    stored,
    faults: skipped.filter(isFault).length,
  };
}
