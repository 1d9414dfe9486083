import { checkAborted } from "../../bytes/abort.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { mapAhead } from "../../bytes/map_ahead.ts";
import { inTurns } from "../../bytes/turns.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import { findMoved, type Move } from "../content/move.ts";
import type { LayerRecord, ObjectRecord } from "../format/snapshot_record.ts";
import { MAX_AHEAD_BYTES } from "../layers/layer_limits.ts";
import type {
  LayerLine,
  LayerPart,
  StoredPiece,
} from "../layers/tree_layer.ts";

/**
 * The rank of a tree or object. Trees with a lower rank are removed first. The
 * rank of an object is the highest rank of the trees that need it, or `NEVER`
 * if no tree needs it.
 */
export type Rank = number;

/** The rank of objects that no tree needs. */
export const NEVER: Rank = -Infinity;
/**
 * The rank of the trees of removed snapshots that can no longer be brought
 * back: a purge replaced them, or some of their layers are missing. Other
 * objects of these trees may be missing, too.
 */
export const REPLACED: Rank = 0.5;
/** The rank of trees that are not removed. */
export const ALWAYS: Rank = Infinity;

/** The layers of a tree, and the rank of the tree. */
export interface Root {
  /** The layers of the tree, starting with the full layer. */
  layers: readonly LayerRecord[];
  /** The rank of the tree. */
  rank: Rank;
}

/** The ranges of a volume that files need, with their ranks. */
export interface VolumeUse {
  /**
   * The size and SHA-256 of the volume, as a layer or a move records them.
   * `undefined` if no layer or move records them.
   */
  record: ObjectRecord | undefined;
  /** The highest rank of the ranges. */
  rank: Rank;
  /**
   * The needed ranges, by their offsets in bytes. Their lengths are in bytes.
   */
  ranges: Map<number, { length: number; rank: Rank }>;
}

/** The objects and ranges of a repository that trees need. */
export interface Usage {
  /** The ranks of the layers and moves, by name. */
  others: Map<string, Rank>;
  /** The needed ranges of the volumes, by the names of the volumes. */
  volumes: Map<string, VolumeUse>;
}

/** Options for finding the objects that trees need. */
export interface UsageOptions {
  /** Called once for each layer. Yields the content of the layer in parts. */
  read: (record: LayerRecord) => AsyncIterable<LayerPart>;
  /**
   * Called after each layer, with the number of layers read so far and the
   * total number of layers.
   */
  onLayer?: (done: number, all: number) => void;
  /**
   * Called for each line that is visible in at least one tree, with the line,
   * the highest rank of those trees, and the record of the line's layer.
   */
  onLine?: (line: LayerLine, rank: Rank, layer: LayerRecord) => void;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** A layer, with the layers that are directly above it in at least one tree. */
interface Node {
  record: LayerRecord;
  /**
   * The highest rank of the trees whose last layer is this layer, or `NEVER` if
   * there are no such trees.
   */
  own: Rank;
  above: Map<string, Node>;
}

/**
 * The visibility of a layer's paths in the trees that contain the layer.
 * `paths` contains the paths that upper layers hide in some or all of these
 * trees. The rank of such a path is the highest rank of the trees in which it
 * is visible, or `NEVER`. The rank of every other path is `rank`.
 */
interface Showing {
  rank: Rank;
  paths: Map<string, Rank>;
}

/**
 * Finds the objects that trees need: their layers, and the volumes of the
 * entries that are visible in any tree. Several trees can share their lower
 * layers. Each layer is read once, part by part, while the paths of the layers
 * above it are in memory.
 *
 * @param roots The trees, with their ranks.
 * @param options Callbacks that read layers and report the progress, and a
 * signal.
 */
export async function findUsage(
  roots: readonly Root[],
  options: UsageOptions,
): Promise<Usage> {
  const usage: Usage = { others: new Map(), volumes: new Map() };
  const { firsts, count } = plant(roots);
  let done = 0;
  // Small layers are read ahead, in the order in which they are needed.
  const ahead = mapAhead(
    upperFirst(firsts),
    { most: MAX_REQUESTS_AT_ONCE },
    async (record) =>
      record.size <= MAX_AHEAD_BYTES
        ? await Array.fromAsync(options.read(record))
        : undefined,
  );
  const visit = async (node: Node, isFirst: boolean): Promise<Showing> => {
    const showing: Showing = { rank: node.own, paths: new Map() };
    for (const next of node.above.values()) {
      merge(showing, await visit(next, false));
    }
    checkAborted(options.signal);
    const { record } = node;
    usage.others.set(
      record.name,
      Math.max(showing.rank, usage.others.get(record.name) ?? NEVER),
    );
    const { value: small } = await ahead.next();
    for await (const part of small ?? options.read(record)) {
      const onLine = options.onLine &&
        ((line: LayerLine, rank: Rank) => options.onLine?.(line, rank, record));
      const steps = addPart(usage, part, showing, onLine);
      await inTurns(steps, options.signal);
      // The first layer of a tree hides nothing, and is usually the largest, so
      // its paths are not collected.
      if (isFirst) continue;
      await inTurns(hide(part, showing), options.signal);
    }
    options.onLayer?.(++done, count);
    return showing;
  };
  try {
    for (const node of firsts) await visit(node, true);
  } finally {
    await ahead.return(undefined);
  }
  return usage;
}

/**
 * Yields the layers of nodes and of all nodes above them, upper layers first.
 */
function* upperFirst(nodes: Iterable<Node>): Generator<LayerRecord> {
  for (const { record, above } of nodes) {
    yield* upperFirst(above.values());
    yield record;
  }
}

/**
 * Builds nodes from the layers of all roots. Roots share the nodes of their
 * common lower layers. Returns the nodes of the first layers, and the number of
 * all nodes.
 */
function plant(roots: readonly Root[]): { firsts: Node[]; count: number } {
  const firsts = new Map<string, Node>();
  let count = 0;
  for (const { layers, rank } of roots) {
    let nodes = firsts;
    let last: Node | undefined;
    for (const record of layers) {
      const key = `${record.name} ${record.sha256}`;
      last = nodes.get(key);
      if (last === undefined) {
        last = { record, own: NEVER, above: new Map() };
        nodes.set(key, last);
        count++;
      }
      nodes = last.above;
    }
    if (last !== undefined) last.own = Math.max(last.own, rank);
  }
  return { firsts: [...firsts.values()], count };
}

/**
 * Merges `other` into `into`. Both are the visibility of paths in trees that
 * share a lower layer. After the merge, a path is visible if it is visible in
 * any of these trees.
 */
function merge(into: Showing, other: Showing): void {
  const rank = Math.max(into.rank, other.rank);
  const set = (path: string, shown: Rank) => {
    if (shown < rank) into.paths.set(path, shown);
    else into.paths.delete(path);
  };
  for (const [path, shown] of [...into.paths]) {
    set(path, Math.max(shown, other.paths.get(path) ?? other.rank));
  }
  for (const [path, shown] of other.paths) {
    if (!into.paths.has(path)) set(path, Math.max(shown, into.rank));
  }
  into.rank = rank;
}

/** Hides the paths of a part of a layer in the layers below. */
function* hide(part: LayerPart, showing: Showing): Generator<void, void> {
  for (const { path } of part.lines) {
    yield;
    showing.paths.set(path, NEVER);
  }
}

/** Adds to the usage the pieces and volumes that a part of a layer needs. */
function* addPart(
  usage: Usage,
  part: LayerPart,
  showing: Showing,
  onLine: ((line: LayerLine, rank: Rank) => void) | undefined,
): Generator<void, void> {
  for (const line of part.lines) {
    yield;
    const rank = showing.paths.get(line.path) ?? showing.rank;
    if (rank === NEVER) continue;
    onLine?.(line, rank);
    if (line.kind !== "file") continue;
    for (const piece of line.content ?? []) addPiece(usage, piece, rank);
    if (line.signature !== undefined) addPiece(usage, line.signature, rank);
  }
  for (const object of part.objects) {
    const use = usage.volumes.get(object.name);
    if (use !== undefined) use.record ??= object;
    else usage.volumes.set(object.name, newUse(object));
  }
}

function addPiece(usage: Usage, { reference }: StoredPiece, rank: Rank): void {
  const { volume, offset, length } = reference;
  let use = usage.volumes.get(volume);
  if (use === undefined) {
    use = newUse(undefined);
    usage.volumes.set(volume, use);
  }
  addRange(use, offset, length, rank);
}

function newUse(record: ObjectRecord | undefined): VolumeUse {
  return { record, rank: NEVER, ranges: new Map() };
}

function addRange(
  use: VolumeUse,
  offset: number,
  length: number,
  rank: Rank,
): void {
  use.rank = Math.max(use.rank, rank);
  const range = use.ranges.get(offset);
  if (range === undefined) use.ranges.set(offset, { length, rank });
  else {
    range.length = Math.max(range.length, length);
    range.rank = Math.max(range.rank, rank);
  }
}

/**
 * Replaces each moved volume in a usage with the volume that now contains its
 * frames.
 *
 * @param usage The usage. It is changed in place.
 * @param moves The moves, by the names of the objects that store them. If a
 * move lacks a needed range and the old volume still exists, the move is
 * ignored and removed from the map.
 * @param stored The stored objects.
 * @throws {DeltarError} `corrupt` if a move lacks a needed range and the old
 * volume is missing.
 */
export function applyMoves(
  usage: Usage,
  moves: Map<string, Move>,
  stored: ReadonlyMap<string, unknown>,
): void {
  const byVolume = new Map(
    [...moves].map(([object, move]) => [move.from.name, { object, move }]),
  );
  // A volume may have been moved several times, so the names of new volumes are
  // added to this list.
  const names = [...usage.volumes.keys()];
  for (const name of names) {
    const found = byVolume.get(name);
    const old = usage.volumes.get(name);
    if (found === undefined || old === undefined) continue;
    byVolume.delete(name);
    const { object, move } = found;
    const placed = [...old.ranges].map(([offset, { length, rank }]) => ({
      to: findMoved(move, offset, length),
      offset,
      length,
      rank,
    }));
    const lacking = placed.find(({ to, rank }) =>
      to === undefined && rank > REPLACED
    );
    if (lacking !== undefined) {
      if (!stored.has(name)) {
        throw new DeltarError(
          "corrupt",
          "the move does not list a range that a snapshot needs",
          {
            object,
            offset: lacking.offset,
          },
        );
      }
      moves.delete(object);
      continue;
    }
    names.push(move.to.name);
    const use = usage.volumes.get(move.to.name) ?? newUse(move.to);
    usage.volumes.set(move.to.name, use);
    for (const { to, length, rank } of placed) {
      if (to !== undefined) addRange(use, to, length, rank);
    }
    usage.others.set(object, old.rank);
    usage.volumes.delete(name);
  }
}

/**
 * Returns the needed ranges of a volume that have at least the rank `atLeast`,
 * sorted by offset. Adjacent and overlapping ranges are merged. Offsets and
 * lengths are in bytes.
 *
 * @param use The needed ranges of the volume, with their ranks.
 * @param atLeast The minimum rank.
 */
export function neededRanges(
  use: VolumeUse,
  atLeast: Rank,
): { offset: number; length: number }[] {
  const merged: { offset: number; length: number }[] = [];
  const sorted = [...use.ranges].sort(([a], [b]) => a - b);
  for (const [offset, { length, rank }] of sorted) {
    if (rank < atLeast) continue;
    const last = merged.at(-1);
    if (last === undefined || last.offset + last.length < offset) {
      merged.push({ offset, length });
    } else {
      const end = Math.max(last.offset + last.length, offset + length);
      last.length = end - last.offset;
    }
  }
  return merged;
}
