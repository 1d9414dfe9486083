import type { StoredContent } from "../../archive/data_packer.ts";
import { type Change, pathOf } from "../../tree/diff_index.ts";
import { type HashedFileEntry, storedSize } from "../../tree/entry_line.ts";
import type { Parent } from "./parent.ts";
import type {
  LayerLine,
  StoredPiece,
  TreeEntry,
} from "../layers/tree_layer.ts";

/** The number of lines yielded at a time. */
const LINES_PER_BATCH = 1024;

/**
 * Yields the changes of a tree as lines of its layer: entries with their
 * content, and tombstones for deleted paths.
 *
 * @param changes The changes in path order, each with the stored form of its
 * new content; `undefined` if no new content was stored.
 * @param parent The parent of the snapshot.
 * @param signatures The signatures that were stored, by path.
 */
export async function* changedLinesOf(
  changes: Iterable<[change: Change, stored: StoredContent | undefined]>,
  parent: Parent,
  signatures: ReadonlyMap<string, StoredPiece>,
): AsyncGenerator<LayerLine[]> {
  let batch: LayerLine[] = [];
  for (const [change, stored] of changes) {
    const line = lineOf(change, stored, parent, signatures);
    batch.push(line instanceof Promise ? await line : line);
    if (batch.length < LINES_PER_BATCH) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

function lineOf(
  change: Change,
  stored: StoredContent | undefined,
  parent: Parent,
  signatures: ReadonlyMap<string, StoredPiece>,
): LayerLine | Promise<LayerLine> {
  if (change.change === "deleted") {
    return { path: pathOf(change), kind: "gone" };
  }
  const { entry } = change;
  if (entry.kind !== "file") return entry;
  if (stored?.form === "whole") {
    const signature = signatures.get(entry.path);
    return { ...entry, content: [stored], ...(signature && { signature }) };
  }
  const from = "from" in change ? change.from : undefined;
  return fromBefore(entry, stored, from, parent);
}

/**
 * Returns the entry of a file that was not stored whole. If a delta was stored,
 * the entry refers to the file's old content and the delta. Otherwise it refers
 * to a content that was stored earlier.
 */
async function fromBefore(
  entry: HashedFileEntry,
  delta: StoredContent | undefined,
  from: string | undefined,
  parent: Parent,
): Promise<TreeEntry> {
  if (delta === undefined) {
    const before = await parent.find(from ?? entry.path) ??
      await parent.elsewhere?.(entry.sha256);
    if (before?.content === undefined) {
      throw new TypeError(`${entry.path}: the content is not stored`);
    }
    const { content, signature, path } = before;
    const own = (piece: StoredPiece) => underItsName(piece, path, entry.path);
    return {
      ...entry,
      content: content.map(own),
      ...(signature && { signature: own(signature) }),
    };
  }
  const { replacesDeltas, ...piece } = delta;
  // A delta in a stream might have been made for another name of the same file.
  const basis = delta.path ?? entry.path;
  const old = await parent.find(basis);
  if (old?.kind !== "file") {
    throw new TypeError(`${basis}: the basis of a delta is not a file`);
  }
  const own = (piece: StoredPiece) => underItsName(piece, basis, entry.path);
  const content = old.content.map(own);
  const signature = old.signature && own(old.signature);
  const before = replacesDeltas
    ? content.slice(0, 1)
    // Older versions of deltar stored deltas without the size of their result,
    // so the size is added to the last delta.
    : content.map((piece, at) =>
      at > 0 && at === content.length - 1
        ? { ...piece, result: storedSize(old) }
        : piece
    );
  return {
    ...entry,
    content: [...before, { ...piece, result: storedSize(entry) }],
    // The signature belongs to the whole content that the deltas apply to.
    ...(signature && { signature }),
  };
}

/**
 * Returns a piece with the path under which it was stored, for use by another
 * file.
 */
function underItsName(
  piece: StoredPiece,
  owner: string,
  path: string,
): StoredPiece {
  const { path: stored = owner, ...rest } = piece;
  return stored === path ? rest : { ...rest, path: stored };
}
