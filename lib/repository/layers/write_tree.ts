import type { Codec } from "../../archive/codec.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Skipped } from "../../tree/entry.ts";
import { comparePaths } from "../../tree/path.ts";
import { encodeSkipped } from "../../tree/skipped_line.ts";
import { LayerReader } from "./layer_reader.ts";
import { LayerWriter } from "./layer_writer.ts";
import { mergeLayers } from "./merge_layers.ts";
import type { LayerRecord, ObjectRecord } from "../format/snapshot_record.ts";
import type { LayerLine, TreeEntry } from "./tree_layer.ts";
import { linesOf } from "./tree_reader.ts";

/**
 * The changes from the tree of a parent to the tree of a snapshot, as lines of
 * a layer.
 */
export interface ChangedLines {
  /** The number of lines. */
  size: number;
  /**
   * The lines in path order, in batches of any size. They can be iterated only
   * once.
   */
  lines: AsyncIterable<readonly LayerLine[]>;
}

/** The change from the tree of a parent to the tree of a snapshot. */
export interface TreeChange {
  /**
   * The parent's layers, starting with the full layer. The list is empty if a
   * new full layer must be written, for example because there is no parent.
   */
  layers: readonly LayerRecord[];
  /** The paths that the parent skipped or excluded. */
  skippedBefore: readonly Skipped[];
  /** The new and changed entries, and tombstones for deleted paths. */
  changed: ChangedLines;
  /** The number of entries of the new tree. */
  size: number;
  /**
   * The volumes that the new and changed entries need. Volumes that the
   * parent's layers name can be omitted, and volumes that no entry needs are
   * ignored.
   */
  objects: readonly ObjectRecord[];
  /** The paths that the snapshot skipped or excluded. */
  skipped: readonly Skipped[];
}

/**
 * Stores the layer of a new snapshot, unless the snapshot has a parent and
 * nothing changed.
 *
 * The last layer of the parent is merged into the new layer if it has at most
 * twice as many lines as the new layer. This is repeated with the layers before
 * it, so a tree of n entries has at most about log2(n) layers. If the new layer
 * would have at least as many lines as the tree has entries, a full layer is
 * written instead. Merging and full layers limit the cost of reading a tree.
 *
 * @param storage The storage for the layer.
 * @param name The layer's name.
 * @param codec The compression of the layer.
 * @param change The change from the parent's tree.
 * @param signal The signal that aborts the work with an error of code
 *   `aborted`.
 * @returns The layers of the new tree, and the number of bytes stored.
 */
export async function writeTree(
  storage: Storage,
  name: string,
  codec: Codec,
  change: TreeChange,
  signal?: AbortSignal,
): Promise<{ layers: LayerRecord[]; stored: number }> {
  const { changed, skipped } = change;
  if (
    changed.size === 0 && change.layers.length > 0 &&
    isSame(skipped, change.skippedBefore)
  ) return { layers: [...change.layers], stored: 0 };
  const { kept, merged, lines } = planLayer(change);
  const isFull = kept.length === 0;
  const writer = new LayerWriter({
    storage,
    name,
    codec,
    expected: isFull ? change.size : lines,
    isFull,
    signal,
  });
  try {
    const objects = new Map<string, ObjectRecord>();
    const sources = merged.map((layer) =>
      linesOf(
        new LayerReader(storage, layer).parts({ isDated: true, signal }),
        (part) => {
          for (const object of part.objects) objects.set(object.name, object);
        },
      )
    );
    const needed = new Set<string>();
    for await (const batch of mergeLayers([...sources, changed.lines])) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      for (const line of batch) {
        if (line.kind === "gone") {
          if (!isFull) writer.add(line);
          continue;
        }
        for (const { reference } of line.content ?? []) {
          needed.add(reference.volume);
        }
        if (line.signature) needed.add(line.signature.reference.volume);
        writer.add(line);
        const room = writer.ready();
        if (room !== undefined) await room;
      }
    }
    for (const object of change.objects) objects.set(object.name, object);
    const layer = await writer.close(
      objects.values().filter(({ name }) => needed.has(name)),
      skipped,
    );
    return { layers: [...kept, layer], stored: layer.size };
  } catch (error) {
    await writer.abort(error);
    throw error;
  }
}

/**
 * Returns the layers of the parent that the new tree shares, the layers to
 * merge into the new layer, and the maximum number of entries and tombstones in
 * the new layer.
 */
function planLayer(
  { layers, changed, size }: TreeChange,
): { kept: LayerRecord[]; merged: LayerRecord[]; lines: number } {
  const kept = [...layers];
  const merged: LayerRecord[] = [];
  let lines = changed.size;
  for (
    let last = kept.at(-1);
    last !== undefined && kept.length > 1 && last.entries <= 2 * lines;
    last = kept.at(-1)
  ) {
    kept.pop();
    merged.unshift(last);
    lines += last.entries;
  }
  if (lines < size) return { kept, merged, lines };
  return { kept: [], merged: [...kept, ...merged], lines };
}

/**
 * Returns the lines of a layer for changes that are in memory.
 *
 * @param changed The changed entries, by path; `undefined` for a deleted path.
 */
export function changedLines(
  changed: ReadonlyMap<string, TreeEntry | undefined>,
): ChangedLines {
  const lines = async function* () {
    yield [...changed.keys()].sort(comparePaths)
      .map((path): LayerLine => changed.get(path) ?? { path, kind: "gone" });
  };
  return { size: changed.size, lines: lines() };
}

function isSame(one: readonly Skipped[], other: readonly Skipped[]): boolean {
  const text = (skipped: readonly Skipped[]) =>
    JSON.stringify(skipped.map(encodeSkipped));
  return text(one) === text(other);
}
