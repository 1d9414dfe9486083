import { mapAhead } from "../../bytes/map_ahead.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import type { Storage } from "../../storage/storage.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import { comparePaths } from "../../tree/path.ts";
import type { LayerRecord, SnapshotRecord } from "../format/snapshot_record.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import { Cursor } from "../layers/merge_layers.ts";
import type { LayerLine } from "../layers/tree_layer.ts";
import { layerKey } from "../verify/family.ts";
import type { PathSet } from "./path_set.ts";

/**
 * The maximum number of layers that are read at the same time. For each layer,
 * about two decompressed frames and 1 MiB of compressed frames are in memory.
 */
export const MAX_LAYERS_AT_ONCE = 64;

/**
 * Calls a function with the visible line of each path of each snapshot. Many
 * snapshots are read together, and each layer that they share is read once. The
 * required memory depends neither on the number of paths nor on the number of
 * snapshots.
 *
 * @param storage The repository's storage.
 * @param snapshots The snapshots. Those that share layers should follow each
 * other.
 * @param paths The paths. A folder includes everything in it.
 * @param onLine Called with a snapshot and a visible line: for each path, the
 * line of the last layer that has a line for it. The line can be a tombstone.
 * @param signal The signal that ends the work with an error of code `aborted`.
 * @throws {DeltarError} The errors of `LayerReader.select`.
 */
export async function visibleLines<T extends { record: SnapshotRecord }>(
  storage: Storage,
  snapshots: readonly T[],
  paths: PathSet,
  onLine: (snapshot: T, line: LayerLine) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const batch of batchesOf(snapshots)) {
    const merge = new Merge(storage, batch, paths, signal);
    await merge.run((at, line) => onLine(batch[at], line));
  }
}

/**
 * Divides snapshots into groups that have at most `MAX_LAYERS_AT_ONCE` layers.
 * A snapshot with more layers is a group of its own.
 */
function* batchesOf<T extends { record: SnapshotRecord }>(
  snapshots: readonly T[],
): Generator<T[]> {
  let batch: T[] = [];
  let keys = new Set<string>();
  for (const snapshot of snapshots) {
    const own = snapshot.record.layers.map(layerKey);
    const more = new Set([...keys, ...own]);
    if (more.size > MAX_LAYERS_AT_ONCE && batch.length > 0) {
      yield batch;
      batch = [];
      keys = new Set(own);
    } else keys = more;
    batch.push(snapshot);
  }
  if (batch.length > 0) yield batch;
}

/** A layer, and the snapshots that share it. */
interface Shared {
  layer: LayerRecord;
  /**
   * The snapshots: `at` is the position of a snapshot in the list of snapshots,
   * and `depth` is the position of the layer in this snapshot, both from 0.
   */
  users: { at: number; depth: number }[];
}

class Merge {
  readonly #count: number;
  readonly #open: { cursor: Cursor; users: Shared["users"] }[];

  constructor(
    storage: Storage,
    snapshots: readonly { record: SnapshotRecord }[],
    paths: PathSet,
    signal: AbortSignal | undefined,
  ) {
    const layers = new Map<string, Shared>();
    for (const [at, { record }] of snapshots.entries()) {
      for (const [depth, layer] of record.layers.entries()) {
        const key = layerKey(layer);
        const known = layers.get(key) ?? { layer, users: [] };
        known.users.push({ at, depth });
        layers.set(key, known);
      }
    }
    const options = { within: paths.within, signal };
    const isWanted = (path: string) => paths.includes(path);
    this.#count = snapshots.length;
    this.#open = [...layers.values()].map(({ layer, users }) => ({
      cursor: new Cursor(
        new LayerReader(storage, layer).select(isWanted, options),
      ),
      users,
    }));
  }

  /**
   * Calls a function with each visible line of each snapshot, and with the
   * position of the snapshot in the list, from 0.
   */
  async run(onLine: (at: number, line: LayerLine) => void): Promise<void> {
    const all = this.#open;
    try {
      const limits = { most: MAX_REQUESTS_AT_ONCE };
      const begun = mapAhead(all, limits, ({ cursor }) => cursor.advance());
      for await (const _ of begun);
      let open = all.filter(({ cursor }) => !cursor.ended);
      const depths = new Int32Array(this.#count);
      const lines = new Array<LayerLine | undefined>(this.#count);
      while (open.length > 0) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        let { path } = open[0].cursor.line;
        for (const { cursor } of open) {
          if (comparePaths(cursor.line.path, path) < 0) {
            path = cursor.line.path;
          }
        }
        lines.fill(undefined);
        let ended = false;
        for (const { cursor, users } of open) {
          const { line } = cursor;
          if (line.path !== path) continue;
          for (const { at, depth } of users) {
            if (lines[at] !== undefined && depths[at] > depth) continue;
            lines[at] = line;
            depths[at] = depth;
          }
          if (!cursor.step() && !await cursor.advance()) ended = true;
        }
        for (const [at, line] of lines.entries()) {
          if (line !== undefined) onLine(at, line);
        }
        if (ended) open = open.filter(({ cursor }) => !cursor.ended);
      }
    } finally {
      for (const { cursor } of all) await cursor.close();
    }
  }
}
