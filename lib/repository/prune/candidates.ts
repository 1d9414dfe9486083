import { paddedSize } from "../../bytes/padded_size.ts";
import type { GarbageLine } from "../runs/garbage_mark.ts";
import { idOfObject, moveName } from "../format/names.ts";
import type { RunIntent } from "../runs/run.ts";
import type { KeptRange } from "./repack.ts";
import type { RepositoryState } from "./repository_state.ts";
import {
  neededRanges,
  NEVER,
  type Rank,
  REPLACED,
  type Usage,
} from "./usage.ts";

/**
 * A volume that can be repacked because only a small share of its bytes is
 * needed.
 */
export interface RepackCandidate {
  /** The name of the volume. */
  name: string;
  /** The ranges of the volume that are needed. */
  ranges: KeptRange[];
  /** The number of bytes that repacking frees. */
  freed: number;
}

/** The objects that a prune can delete or repack. */
export interface Candidates {
  /**
   * The objects that nothing needs, or that only removed snapshots whose grace
   * period is over need.
   */
  garbage: GarbageLine[];
  /** The volumes to repack. */
  repack: RepackCandidate[];
  /** The names of the volumes that are needed but missing. */
  missing: string[];
}

/** Options for finding candidates. */
export interface CandidateOptions {
  /** The current time, in milliseconds since 1970. */
  now: number;
  /**
   * The start of the grace period of new garbage, in milliseconds since 1970.
   * It is not earlier than `now`.
   */
  since: number;
  /** The grace period of garbage, in milliseconds. */
  grace: number;
  /**
   * Whether the clock is trusted. If not, no grace period of garbage counts as
   * over, unless `grace` is 0.
   */
  isTimeSure: boolean;
  /**
   * The share of needed bytes, from 0 to 1, below which a volume is repacked.
   */
  repackBelow: number;
  /** The ids of the runs whose objects are kept. */
  running: ReadonlySet<string>;
}

/**
 * Returns the ids of the runs whose objects are needed: the runs with an
 * intent, and the interrupted runs whose objects these runs take over.
 */
export function runningIds(intents: readonly RunIntent[]): Set<string> {
  return new Set(intents.flatMap(({ id, reuses }) => [id, ...reuses]));
}

/**
 * Returns the rank of an object according to a usage: `NEVER` if the usage does
 * not have the object.
 */
export function rankOf(usage: Usage, name: string): Rank {
  return usage.others.get(name) ?? usage.volumes.get(name)?.rank ?? NEVER;
}

/**
 * The approximate size of a move, in bytes. A volume is repacked only if this
 * frees more bytes than the move takes.
 */
const MOVE_BYTES = 1024;

/**
 * Returns the size, in bytes, that a volume has after a prune.
 *
 * @param size The size of the volume before the prune, in bytes.
 * @param alive The number of bytes of the volume that are needed.
 * @param repackBelow The share of needed bytes below which a volume is
 * repacked.
 * @param isPadded Whether objects are padded when they are written.
 */
function sizeAfter(
  size: number,
  alive: number,
  repackBelow: number,
  isPadded: boolean,
): number {
  if (alive === 0) return 0;
  const sizeOf = isPadded ? paddedSize : (bytes: number) => bytes;
  const moved = sizeOf(alive);
  const pays = moved < size * repackBelow && size - moved > sizeOf(MOVE_BYTES);
  return pays ? moved : size;
}

/**
 * Finds the garbage and the volumes that can be repacked. An object is garbage
 * if its rank is `NEVER` (no tree needs it) or 0 (only removed snapshots whose
 * grace period is over need it). Objects of the runs in `options.running` are
 * never candidates.
 *
 * @param state The objects of the repository, with its marks and moves.
 * @param usage The objects that trees need, with their ranks.
 * @param options The current time, the grace period, the runs whose objects are
 * kept, and the share of needed bytes below which a volume is repacked.
 * @returns The garbage, the volumes to repack, and the missing volumes.
 */
export function findCandidates(
  { stored, marks, moves, isPadded }: RepositoryState,
  usage: Usage,
  options: CandidateOptions,
): Candidates {
  const { now, grace, isTimeSure, repackBelow, running } = options;
  const since = new Map<string, number>();
  for (const { objects } of marks) {
    for (const { name, since: time } of objects) {
      since.set(name, Math.min(time, since.get(name) ?? now));
    }
  }
  const result: Candidates = { garbage: [], repack: [], missing: [] };
  for (const [name, size] of stored) {
    const rank = rankOf(usage, name);
    if (rank > 0) {
      const use = usage.volumes.get(name);
      if (use?.record === undefined) continue;
      const ranges = neededRanges(use, Number.MIN_VALUE);
      const alive = ranges.reduce((sum, { length }) => sum + length, 0);
      const freed = size - sizeAfter(size, alive, repackBelow, isPadded);
      if (freed > 0 && !running.has(idOfObject(name) ?? "")) {
        result.repack.push({ name, ranges, freed });
      }
    } else if (!running.has(idOfObject(name) ?? "")) {
      const begun = since.get(name) ?? options.since;
      const isOver = grace === 0 || isTimeSure && begun + grace <= now;
      const condemned = rank === 0 || moves.has(moveName(name)) || isOver;
      result.garbage.push({ name, since: begun, condemned });
    }
  }
  for (const [name, { rank }] of usage.volumes) {
    if (rank > REPLACED && !stored.has(name)) result.missing.push(name);
  }
  return result;
}

/**
 * Returns, for each rank, the number of bytes that are freed when the snapshots
 * of that rank are removed after those of all lower ranks.
 *
 * @param state The state of the repository.
 * @param usage The objects that trees need, with their ranks.
 * @param repackBelow The share of needed bytes below which a volume is
 * repacked.
 */
export function freedByRank(
  { stored, intents, isPadded }: RepositoryState,
  usage: Usage,
  repackBelow: number,
): Map<Rank, number> {
  const running = runningIds(intents);
  const freed = new Map<Rank, number>();
  const add = (rank: Rank, bytes: number) => {
    if (bytes > 0) freed.set(rank, (freed.get(rank) ?? 0) + bytes);
  };
  for (const [name, size] of stored) {
    if (running.has(idOfObject(name) ?? "")) continue;
    const use = usage.volumes.get(name);
    if (use === undefined) {
      add(rankOf(usage, name), size);
      continue;
    }
    const ranks = [...use.ranges.values()].sort((a, b) => a.rank - b.rank);
    let alive = ranks.reduce((sum, { length }) => sum + length, 0);
    const left = () => sizeAfter(size, alive, repackBelow, isPadded);
    let before = size;
    add(NEVER, before - left());
    before = left();
    for (const [at, { length, rank }] of ranks.entries()) {
      alive -= length;
      if (ranks[at + 1]?.rank === rank) continue;
      add(rank, before - left());
      before = left();
    }
  }
  return freed;
}
