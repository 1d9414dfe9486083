import type { DataPacker } from "../archive/data_packer.ts";
import { type DiffIndex, pathOf } from "../tree/diff_index.ts";
import type { DirIndex, IndexEntry } from "../tree/dir_index.ts";
import type { RepositoryReader } from "./repository_reader.ts";
import type { Tree } from "./tree.ts";
import type { StoredPiece, TreeEntry } from "./tree_layer.ts";

/** The new tree: what changed with its new content, the rest as it was. */
export function mergeTree(
  index: DirIndex,
  diff: DiffIndex,
  parent: Tree,
  packer: DataPacker,
  reader: RepositoryReader,
): Map<string, TreeEntry> {
  const changes = new Map(
    diff.changes.map((change) => [pathOf(change), change]),
  );
  const tree = new Map<string, TreeEntry>();
  for (const { signature: _, ...entry } of index.entries) {
    const change = changes.get(entry.path);
    const before = parent.byPath.get(entry.path);
    if (change === undefined) tree.set(entry.path, before!);
    else if (entry.kind !== "file") tree.set(entry.path, entry);
    else {
      const from = "from" in change && change.from !== undefined
        ? parent.byPath.get(change.from)
        : before;
      tree.set(entry.path, {
        ...entry,
        ...contentFor(entry, from, before, packer, reader),
      });
    }
  }
  return tree;
}

function contentFor(
  entry: IndexEntry,
  from: TreeEntry | undefined,
  before: TreeEntry | undefined,
  packer: DataPacker,
  reader: RepositoryReader,
): Pick<TreeEntry, "content" | "signature"> {
  const stored = packer.stored.get(entry.path);
  const source = stored === undefined ? from : undefined;
  const content = stored === undefined
    ? from?.content?.map((piece) => underItsName(piece, from.path, entry.path))
    : stored.form === "whole"
    ? [stored]
    : [...before!.content!, stored];
  if (content === undefined) throw new TypeError(`${entry.path}: no content`);
  const signature = reader.signatures.get(entry.path) ??
    (source?.signature &&
      underItsName(source.signature, source.path, entry.path));
  return { content, ...(signature && { signature }) };
}

/** A piece that another file takes over keeps the path it was stored under. */
function underItsName(
  piece: StoredPiece,
  owner: string,
  path: string,
): StoredPiece {
  const { path: stored = owner, ...rest } = piece;
  return stored === path ? rest : { ...rest, path: stored };
}
