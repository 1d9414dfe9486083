import { checkAborted } from "../../bytes/abort.ts";
import type { DeltarError } from "../../bytes/errors.ts";
import {
  type Candidates,
  findCandidates,
  type RepackCandidate,
  runningIds,
} from "./candidates.ts";
import { codecOf } from "../content/content.ts";
import { isDamage } from "../damage.ts";
import { buryDeadRuns } from "./dead_runs.ts";
import { each } from "../each.ts";
import { putMark } from "./garbage.ts";
import {
  GARBAGE,
  idOfObject,
  moveName,
  newId,
  noteName,
  REMOVED,
  volumeName,
} from "../layout.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import type { Lease } from "./lease.ts";
import type { Storage } from "../../storage/storage.ts";
import { namesUnder } from "../note.ts";
import { encodeMove } from "../content/move.ts";
import type { PruneOptions, PruneProgress } from "./prune.ts";
import type { RemovedSnapshot } from "./removed.ts";
import { repackVolume } from "./repack.ts";
import type { Repository } from "../repository.ts";
import { LABELS, PROOFS } from "../snapshot_note.ts";
import { readIntents, Run } from "../snapshot/running.ts";
import type { LayerRecord } from "../snapshot_record.ts";
import {
  AT_ONCE,
  readRecords,
  standing,
  type Survey,
  survey,
} from "./survey.ts";
import {
  ALWAYS,
  applyMoves,
  findUsage,
  type Usage,
  type UsageOptions,
} from "./usage.ts";
import { waitsFor } from "./watch.ts";

/**
 * A clock that is further ahead of all that the repository knows than this, or
 * than the grace, is not believed at first sight.
 */
const LEAP = 24 * 60 * 60 * 1000;

/** What a collection did. */
export interface Collected {
  /** Ids of removed snapshots that are gone for good now. */
  purged: string[];
  /** The removed snapshots that can still be brought back. */
  removed: RemovedSnapshot[];
  /** Objects that were deleted. */
  deleted: number;
  /** Volumes that were written anew without what was dead. */
  repacked: number;
  /** How many bytes the repository became smaller by. */
  freed: number;
  /** Objects that nothing leads to and whose grace is not over. */
  waiting: { objects: number; bytes: number };
  /** Ids of interrupted runs that were given up for dead. */
  dead: string[];
  /** Objects that are needed and not there: damage that was there before. */
  missing: string[];
  /** Volumes that were to be repacked and are damaged; they stay as they are. */
  damaged: string[];
  /**
   * Whether the clock is so far ahead of all that the repository knows that
   * nothing was purged this time; the next prune believes it.
   */
  isClockDoubted: boolean;
  /** How many bytes of trees and content are stored now. */
  stored: number;
}

/** The options of a prune with all their defaults. */
type Options =
  & PruneOptions
  & Required<Pick<PruneOptions, "grace" | "repackBelow" | "patience">>;

/**
 * Collects what nothing leads to. See "Removing" in docs/FORMAT.md for the
 * order of its steps, and for why it is safe beside snapshots.
 *
 * @param lease Looked at before each step that cannot be taken back.
 * @param id The id of this prune.
 */
export async function collectGarbage(
  repository: Repository,
  lease: Lease,
  id: string,
  options: Options,
): Promise<Collected> {
  const { storage } = repository;
  const { grace } = options;
  const now = Date.now();
  const found = await survey(repository);
  const isTimeSure = grace === 0 || isBelievable(found, now, grace);
  const { alive, seen, dead } = await buryDeadRuns(storage, found, {
    ...options,
    now,
    isTimeSure,
    onWait: (ids) => options.onProgress?.(waitsFor({ ids }, options)),
  });
  const expired = found.removed.filter(({ time }) =>
    isTimeSure && time + grace <= now
  );
  const grounds = standing(found, alive);
  const usage = await readUsage(repository, found, expired, grounds, options);
  const candidates = findCandidates(found, usage, {
    ...options,
    now,
    isTimeSure,
    running: runningIds(alive),
  });
  const { garbage, repack, missing } = candidates;

  // Told before intents are read, so that who comes later sees it.
  await lease.check();
  if (garbage.length + repack.length + seen.length > 0) {
    await putMark(storage, id, {
      time: now,
      ...marked(candidates, now),
      runs: seen,
    });
  }
  for (const removed of expired) {
    await storage.delete(noteName(REMOVED, removed.id));
  }
  const spared = await findSpared(repository, found, grounds, expired);

  const work = new Work(repository, lease, id, found, options);
  await work.delete(
    garbage.filter(({ name, condemned }) => condemned && !spared(name))
      .map(({ name }) => name),
  );
  await work.repack(repack.filter(({ name }) => !spared(name)), usage);

  for (const removed of expired) await deleteNotes(storage, removed.id);
  // What was condemned stays so: one that was overtaken may yet delete it.
  const waiting = garbage.filter(({ name, condemned }) =>
    !condemned || spared(name)
  );
  if (waiting.length + seen.length > 0) {
    // Not the id of the mark before, however short all this took.
    const next = newId(Math.max(Date.now(), now + 1), Math.random());
    await putMark(storage, next, {
      time: now,
      objects: waiting,
      runs: seen,
    });
  }
  if (garbage.length + repack.length + seen.length > 0) {
    await storage.delete(noteName(GARBAGE, id));
  }
  for (const name of found.markNames) await storage.delete(name);
  const sizes = (names: Iterable<string>) =>
    [...names].reduce((sum, name) => sum + (found.stored.get(name) ?? 0), 0);
  return {
    purged: expired.map((removed) => removed.id),
    removed: found.removed.filter((removed) => !expired.includes(removed)),
    deleted: work.deleted,
    repacked: work.repacked,
    freed: work.freed,
    waiting: {
      objects: waiting.length,
      bytes: sizes(waiting.map(({ name }) => name)),
    },
    dead,
    missing,
    damaged: work.damaged,
    isClockDoubted: !isTimeSure,
    stored: sizes(found.stored.keys()) - work.freed,
  };
}

/** How layers are read for their use. */
export function layerOptions(
  { storage }: Repository,
  { onProgress, signal }: PruneOptions,
): UsageOptions {
  return {
    read: (record) => new LayerReader(storage, record).parts(),
    onLayer: (done, all) => onProgress?.({ phase: "reading", done, all }),
    signal,
  };
}

async function readUsage(
  repository: Repository,
  { stored, records, removed, moves }: Survey,
  expired: readonly RemovedSnapshot[],
  grounds: ReturnType<typeof standing>,
  options: Options,
): Promise<Usage> {
  const usage = await findUsage([
    ...records.map(({ layers }) => ({ layers, rank: ALWAYS })),
    ...removed.map((one) => ({
      layers: one.record?.layers ?? [],
      rank: expired.includes(one) ? 0 : ALWAYS,
    })),
    ...grounds,
  ], layerOptions(repository, options));
  applyMoves(usage, moves, stored);
  return usage;
}

/**
 * What has become needed since the survey: all that a new record, or a run
 * that was not there, leads to. Intents are read first: who ends in between is
 * found by its record.
 */
async function findSpared(
  repository: Repository,
  found: Survey,
  grounds: readonly { id: string }[],
  expired: readonly RemovedSnapshot[],
): Promise<(name: string) => boolean> {
  const { storage } = repository;
  const intents = await readIntents(storage);
  const { records, removed } = await readRecords(repository);
  const gone = new Set(expired.map(({ id }) => id));
  const known = new Set([
    ...found.records.map(({ id }) => id),
    ...found.removed.map(({ id }) => id).filter((id) => !gone.has(id)),
  ]);
  const names = new Set<string>();
  const spareVolume = (volume: string) => {
    // And wherever it was moved to.
    for (let name: string | undefined = volume; name !== undefined;) {
      if (names.has(name)) return;
      const object = moveName(name);
      names.add(name).add(object);
      name = found.moves.get(object)?.to.name;
    }
  };
  const spare = async (layers: readonly LayerRecord[]) => {
    for (const layer of layers) {
      names.add(layer.name);
      for await (const { objects } of new LayerReader(storage, layer).parts()) {
        for (const { name } of objects) spareVolume(name);
      }
    }
  };
  for (const { id, record } of removed) {
    if (!known.has(id) && record !== undefined) await spare(record.layers);
  }
  for (const { id, layers } of records) {
    if (!known.has(id)) await spare(layers);
  }
  for (const { id, layers } of intents) {
    if (grounds.some((ground) => ground.id === id)) continue;
    try {
      await spare(layers);
    } catch (error) {
      // Its ground was gone before it looked; it will find that out.
      if (!isDamage(error)) throw error;
    }
  }
  const running = runningIds(intents);
  return (name) => names.has(name) || running.has(idOfObject(name) ?? "");
}

/** Labels and proofs of a snapshot that is purged. */
async function deleteNotes(storage: Storage, id: string): Promise<void> {
  for (const { folder } of [LABELS, PROOFS]) {
    for (const name of await namesUnder(storage, `${folder}${id}.`)) {
      await storage.delete(name);
    }
  }
}

function marked(
  { garbage, repack }: Candidates,
  now: number,
): { objects: Candidates["garbage"] } {
  const rewritten = repack.map(({ name }) => ({
    name,
    since: now,
    condemned: true,
  }));
  return { objects: [...garbage, ...rewritten] };
}

/** Whether a time may be so: not far ahead of the newest that is known. */
function isBelievable(
  { records, removed, marks }: Survey,
  now: number,
  grace: number,
): boolean {
  const times = [...records, ...removed, ...marks].map(({ time }) => time);
  const newest = times.reduce((a, b) => Math.max(a, b), -Infinity);
  return now - newest <= Math.max(grace, LEAP);
}

/** The steps that cannot be taken back. */
class Work {
  deleted = 0;
  repacked = 0;
  freed = 0;
  readonly damaged: string[] = [];
  readonly #repository: Repository;
  readonly #lease: Lease;
  readonly #id: string;
  readonly #found: Survey;
  readonly #options: Options;

  constructor(
    repository: Repository,
    lease: Lease,
    id: string,
    found: Survey,
    options: Options,
  ) {
    this.#repository = repository;
    this.#lease = lease;
    this.#id = id;
    this.#found = found;
    this.#options = options;
  }

  async delete(names: readonly string[]): Promise<void> {
    if (names.length > 0) await this.#lease.check();
    await each(names, AT_ONCE, async (name) => {
      checkAborted(this.#options.signal);
      await this.#repository.storage.delete(name);
      this.deleted++;
      this.freed += this.#found.stored.get(name) ?? 0;
      this.#tell("deleting", this.deleted, names.length);
    });
  }

  async repack(
    candidates: readonly RepackCandidate[],
    usage: Usage,
  ): Promise<void> {
    const { storage } = this.#repository;
    const run = new Run(storage, { id: this.#id });
    try {
      for (const [at, candidate] of candidates.entries()) {
        checkAborted(this.#options.signal);
        this.#tell("repacking", at, candidates.length);
        try {
          await this.#repackOne(run, at, candidate, usage);
        } catch (error) {
          const { code } = error as DeltarError;
          // Another prune was quicker, or the volume is damaged.
          if (code !== "exists" && !isDamage(error)) throw error;
          if (code !== "exists") this.damaged.push(candidate.name);
        }
      }
    } finally {
      await run.end();
    }
  }

  async #repackOne(
    run: Run,
    at: number,
    { name, ranges }: RepackCandidate,
    usage: Usage,
  ): Promise<void> {
    const { storage } = this.#repository;
    const { signal } = this.#options;
    const from = usage.volumes.get(name)!.record!;
    const folder = name.startsWith("signatures/") ? "signatures" : "volumes";
    const to = volumeName(folder, this.#id, at, codecOf(name).name);
    const move = await repackVolume(run.storage, from, ranges, to, signal);
    try {
      await this.#lease.check();
      await run.check();
      await storage.put(moveName(name), encodeMove(move), { ifAbsent: true });
    } catch (error) {
      // Nothing tells of it, unless an answer was lost; then it has to stay.
      if ((error as DeltarError).code !== "io") await storage.delete(to);
      throw error;
    }
    // Taken for dead, it may have lost the new volume; overtaken, the old one
    // may be of use again: then it stays.
    await run.check();
    await this.#lease.check();
    await storage.delete(name);
    this.repacked++;
    this.freed += from.size - move.to.size;
  }

  #tell(phase: PruneProgress["phase"], done: number, all: number): void {
    this.#options.onProgress?.({ phase, done, all });
  }
}
