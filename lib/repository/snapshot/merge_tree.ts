import type { StoredContent } from "../../archive/data_packer.ts";
import { type Change, pathOf } from "../../tree/diff_index.ts";
import { type HashedFileEntry, storedSize } from "../../tree/entry_line.ts";
import type { Parent } from "./parent.ts";
import type {
  LayerLine,
  StoredPiece,
  TreeEntry,
} from "../layers/tree_layer.ts";

/** The maximum number of lines that are yielded at a time. */
const LINES_PER_BATCH = 1024;

/**
 * Yields the lines of a layer for the changes since the parent: entries with
 * references to their content, and tombstones for deleted paths.
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
 * Returns the entry of a file for which the snapshot stored a delta or nothing.
 * With a delta, the entry refers to the old content and the delta. Otherwise,
 * the entry refers to a content that an earlier snapshot stored.
 *
 * @param entry The entry of the file without a reference to its content.
 * @param delta The stored delta; `undefined` if nothing was stored.
 * @param from The path that has the file's content in the parent, if it is not
 * the path of the entry.
 * @param parent The parent of the snapshot.
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
  // In a stream, the delta might have been stored under another name of the
  // file. The basis of the delta is then the old content under that name.
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
 * Returns a piece of one file for the entry of another file. The returned piece
 * has the path under which it was stored, unless that is the path of the other
 * file.
 *
 * @param piece The piece. If it has no path, it was stored under `owner`.
 * @param owner The path of the file that has the piece.
 * @param path The path of the other file.
 */
function underItsName(
  piece: StoredPiece,
  owner: string,
  path: string,
): StoredPiece {
  const { path: stored = owner, ...rest } = piece;
  return stored === path ? rest : { ...rest, path: stored };
}
