import { DeltarError } from "../../bytes/errors.ts";
import type { Metadata } from "../../tree/entry.ts";
import { checkPath, isWithin } from "../../tree/path.ts";
import { withJson } from "../../tree/to_json.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { Tree } from "../layers/tree.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";

/** The state that a restore is to bring about. */
export interface Wanted {
  /** The entries to restore, in path order. */
  entries: readonly TreeEntry[];
  /** Those of the entries that are only the way to others. */
  above: ReadonlySet<string>;
  /** The state of the directory itself, if it is to get one. */
  root: Metadata | undefined;
  /** The fault by which a part of `root` is not set. */
  rootFault?: DeltarError;
  /**
   * Whether it comes from a repository of somebody else, whose owners and
   * set-user-ID bits are not believed.
   */
  isForeign?: boolean;
}

/**
 * Returns the entries that a snapshot wants in the target.
 *
 * @param tree The snapshot's tree.
 * @param record The snapshot.
 * @param paths Files and folders, with all that is in them; all by default. A
 * hard link whose first name is not among them becomes the file itself.
 * @throws {DeltarError} `not-found` if a path is not in the snapshot.
 */
export function wantedOf(
  tree: Tree,
  record: SnapshotRecord,
  paths: readonly string[] | undefined,
): Wanted {
  const { directory, root } = record;
  const wanted = pick(tree, record, paths);
  return isOfWindows(directory)
    ? {
      ...wanted,
      entries: wanted.entries.map(asOfWindows),
      root: wanted.root && asOfWindows(root),
    }
    : wanted;
}

function pick(
  tree: Tree,
  record: SnapshotRecord,
  paths: readonly string[] | undefined,
): Wanted {
  if (paths === undefined) {
    return { entries: tree.entries, above: new Set(), root: record.root };
  }
  for (const path of paths) {
    checkPath(path);
    if (!tree.byPath.has(path)) {
      throw new DeltarError("not-found", "it is not in this snapshot", {
        object: record.id,
        path,
      });
    }
  }
  const chosen = new Map<string, TreeEntry>();
  const above = new Set<string>();
  const instead = new Map<string, string>();
  for (const entry of tree.entries) {
    if (paths.some((path) => isWithin(entry.path, path))) {
      chosen.set(entry.path, withoutAbsentLink(entry, tree, chosen, instead));
    } else if (
      entry.kind === "directory" &&
      paths.some((path) => isWithin(path, entry.path))
    ) {
      chosen.set(entry.path, entry);
      above.add(entry.path);
    }
  }
  return { entries: [...chosen.values()], above, root: undefined };
}

function withoutAbsentLink(
  entry: TreeEntry,
  tree: Tree,
  chosen: Map<string, TreeEntry>,
  instead: Map<string, string>,
): TreeEntry {
  const { target } = entry;
  if (entry.kind !== "hardlink" || chosen.has(target!)) return entry;
  const first = instead.get(target!);
  if (first !== undefined) return withJson({ ...entry, target: first });
  const file = tree.byPath.get(target!);
  // A tree that lies: the link will fail, and be named.
  if (file?.kind !== "file") return entry;
  instead.set(target!, entry.path);
  return withJson({ ...file, path: entry.path });
}

/** Whether a directory's path is one of Windows. */
function isOfWindows(directory: string): boolean {
  return /^(?:[A-Za-z]:[\\/]|\\\\)/.test(directory);
}

/**
 * The modes that runtimes make up on Windows are not the user's: 0666, or 0444
 * for what is read-only, for folders too, which nobody can enter then.
 */
function asOfWindows<Of extends Metadata & { kind?: string }>(entry: Of): Of {
  const { mode, kind = "directory" } = entry;
  if (mode !== 0o666 && mode !== 0o444) return entry;
  const isFolder = kind === "directory";
  return withJson({ ...entry, mode: isFolder ? 0o755 : mode & 0o644 });
}
