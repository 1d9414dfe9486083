import type { DataPacker } from "../../archive/data_packer.ts";
import { type DiffIndex, pathOf } from "../../tree/diff_index.ts";
import type { HashedEntry } from "../../tree/entry_line.ts";
import type { Parent } from "./parent.ts";
import type { RepositoryReader } from "./repository_reader.ts";
import type { StoredPiece, TreeEntry } from "../layers/tree_layer.ts";

/**
 * What changed of a tree: entries with their content, `undefined` for what is
 * gone.
 */
export async function changedEntries(
  diff: DiffIndex,
  parent: Parent,
  packer: DataPacker,
  reader: RepositoryReader,
): Promise<Map<string, TreeEntry | undefined>> {
  const changed = new Map<string, TreeEntry | undefined>();
  for (const change of diff.changes) {
    const path = pathOf(change);
    const entry = change.change === "deleted" ? undefined : change.entry;
    if (entry?.kind !== "file") {
      changed.set(path, entry);
      continue;
    }
    const before = await parent.find(path);
    const from = "from" in change && change.from !== undefined
      ? await parent.find(change.from)
      : before;
    const content = contentFor(entry, from, before, packer, reader);
    changed.set(path, { ...entry, ...content });
  }
  return changed;
}

function contentFor(
  entry: HashedEntry,
  from: TreeEntry | undefined,
  before: TreeEntry | undefined,
  packer: DataPacker,
  reader: RepositoryReader,
): Pick<TreeEntry, "content" | "signature"> {
  const stored = packer.stored.get(entry.path);
  if (stored?.form === "delta") {
    const { replacesDeltas, ...piece } = stored;
    const { content, signature } = before!;
    return {
      content: [...content!.slice(0, replacesDeltas ? 1 : undefined), piece],
      // It is of the whole content that the deltas build on.
      ...(signature && { signature }),
    };
  }
  if (stored !== undefined) {
    const signature = reader.signatures.get(entry.path);
    return { content: [stored], ...(signature && { signature }) };
  }
  if (from?.content === undefined) {
    throw new TypeError(`${entry.path}: no content`);
  }
  const { content, signature, path } = from;
  return {
    content: content.map((piece) => underItsName(piece, path, entry.path)),
    ...(signature && { signature: underItsName(signature, path, entry.path) }),
  };
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
