import { checkAborted } from "../../bytes/abort.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { inTurns } from "../../bytes/turns.ts";
import { findMoved, type Move } from "../content/move.ts";
import type { LayerRecord, ObjectRecord } from "../format/snapshot_record.ts";
import type { LayerPart, StoredPiece } from "../layers/tree_layer.ts";

/**
 * The rank of the last snapshot to go of those that need something. What no
 * snapshot needs has the rank `NEVER`.
 */
export type Rank = number;

/** The rank of what nothing needs. */
export const NEVER: Rank = -Infinity;
/** The rank of what stays. */
export const ALWAYS: Rank = Infinity;

/** A tree, as its layers, and how long it stays. */
export interface Root {
  /** Its layers, the full one first. */
  layers: readonly LayerRecord[];
  /** Its rank. */
  rank: Rank;
}

/** The frames of a volume that files need, and how long. */
export interface VolumeUse {
  /** Its size and sum, as layers name it. */
  record: ObjectRecord | undefined;
  /** The rank up to which any of it is needed. */
  rank: Rank;
  /** The ranges by their first byte. */
  ranges: Map<number, { length: number; rank: Rank }>;
}

/** The objects and ranges of a repository that trees need. */
export interface Usage {
  /** Layers and moves by name. */
  others: Map<string, Rank>;
  /** Volumes by name. */
  volumes: Map<string, VolumeUse>;
}

/** Options for reading the usage. */
export interface UsageOptions {
  /** Gives what a layer says, part by part. */
  read: (record: LayerRecord) => AsyncIterable<LayerPart>;
  /** Called after each layer, with the number of layers read and of all. */
  onLayer?: (done: number, all: number) => void;
  /** Ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** A layer with those that are laid over it in some tree. */
interface Node {
  record: LayerRecord | undefined;
  /** The rank of the tree that ends here, if one does. */
  own: Rank;
  above: Map<string, Node>;
}

/**
 * The paths whose entry below is hidden in some of the trees above a layer:
 * the longest rank of those in which it still shows. Others show as long as
 * `rank` says.
 */
interface Showing {
  rank: Rank;
  paths: Map<string, Rank>;
}

/**
 * Finds what trees need: the entries that show in any of them. Trees share
 * their lower layers; each layer is read once, however many trees have it, and
 * a part of one at a time is held, with the paths that the layers above it name.
 */
export async function findUsage(
  roots: readonly Root[],
  options: UsageOptions,
): Promise<Usage> {
  const usage: Usage = { others: new Map(), volumes: new Map() };
  const { top, count } = plant(roots);
  let done = 0;
  const visit = async (node: Node): Promise<Showing> => {
    const showing: Showing = { rank: node.own, paths: new Map() };
    for (const next of node.above.values()) merge(showing, await visit(next));
    if (node.record === undefined) return showing;
    checkAborted(options.signal);
    usage.others.set(
      node.record.name,
      Math.max(showing.rank, usage.others.get(node.record.name) ?? NEVER),
    );
    for await (const part of options.read(node.record)) {
      await inTurns(addPart(usage, part, showing), options.signal);
    }
    options.onLayer?.(++done, count);
    return showing;
  };
  await visit(top);
  return usage;
}

/** The roots as one tree of layers. */
function plant(roots: readonly Root[]): { top: Node; count: number } {
  const top: Node = { record: undefined, own: NEVER, above: new Map() };
  let count = 0;
  for (const { layers, rank } of roots) {
    let node = top;
    for (const record of layers) {
      const key = `${record.name} ${record.sha256}`;
      let next = node.above.get(key);
      if (next === undefined) {
        next = { record, own: NEVER, above: new Map() };
        node.above.set(key, next);
        count++;
      }
      node = next;
    }
    node.own = Math.max(node.own, rank);
  }
  return { top, count };
}

/** Trees beside each other: a path shows if it does in any of them. */
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

/** Notes what a part of a layer needs, and hides the same paths below it. */
function* addPart(
  usage: Usage,
  part: LayerPart,
  showing: Showing,
): Generator<void, void> {
  for (const line of part.lines) {
    yield;
    const rank = showing.paths.get(line.path) ?? showing.rank;
    showing.paths.set(line.path, NEVER);
    if (line.kind !== "file" || rank === NEVER) continue;
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
 * Says of volumes that were moved that the new ones are needed in their place.
 *
 * @param moves The moves, by the name of their object. One that lacks a part
 * which is needed of a volume that is still there counts for nothing, and is
 * taken out.
 * @param stored What is there.
 * @throws {DeltarError} `corrupt` if a move lacks what is needed.
 */
export function applyMoves(
  usage: Usage,
  moves: Map<string, Move>,
  stored: ReadonlyMap<string, unknown>,
): void {
  const byVolume = new Map(
    [...moves].map(([object, move]) => [move.from.name, { object, move }]),
  );
  // A volume may have been moved more than once: new names are looked at too.
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
    const lacking = placed.find(({ to, rank }) => to === undefined && rank > 0);
    if (lacking !== undefined) {
      if (!stored.has(name)) {
        throw new DeltarError("corrupt", "it lacks a part that is needed", {
          object,
          offset: lacking.offset,
        });
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
 * Returns the ranges of a volume that are needed up to a rank or longer, by
 * offset.
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
