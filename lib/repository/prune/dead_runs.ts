import { mapAhead } from "../../bytes/map_ahead.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import type { Storage } from "../../storage/storage.ts";
import type { SeenRun } from "../runs/garbage_mark.ts";
import { noteName, RUNNING } from "../format/names.ts";
import { beatName, countHeartbeats } from "../runs/heartbeat.ts";
import type { RunIntent } from "../runs/run.ts";
import type { RepositoryState } from "./repository_state.ts";
import { watch } from "./lease.ts";

/**
 * The minimum time, in milliseconds, for which the heartbeat count of a run
 * must stay the same before a prune can declare the run dead: one day.
 */
const MIN_AGE_MS = 24 * 60 * 60 * 1000;

/** Options for finding dead runs. */
export interface DeadRunOptions {
  /** The current time, in milliseconds since 1970. */
  now: number;
  /**
   * The time in milliseconds for which the heartbeat count of a run must stay
   * the same before the prune watches the run. A time of less than one day
   * counts as one day.
   */
  grace: number;
  /** Whether the clock is trusted. If not, no run is declared dead. */
  isTimeSure: boolean;
  /**
   * The time for which a run is watched before it is declared dead, in
   * milliseconds.
   */
  patience: number;
  /** Called before runs are watched, with their ids. */
  onWait?: (ids: string[]) => void;
  /** The signal that ends the wait with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * Finds dead runs and deletes their intents. A run is declared dead if all of
 * these conditions are met:
 *
 * - the clock is trusted;
 * - an earlier prune saw the same heartbeat count;
 * - since then the grace period, or a day if that is longer, has passed;
 * - the count does not change while the run is watched.
 *
 * A run that was only suspended checks its intent before it commits. It finds
 * that the intent is missing, and fails.
 *
 * @param storage The repository's storage.
 * @param state The intents and marks in the repository.
 * @param options The times, the callback and the signal.
 * @returns `alive` has the intents of the live runs, `seen` their heartbeat
 * counts, and `dead` the ids of the dead runs.
 */
export async function buryDeadRuns(
  storage: Storage,
  { intents, marks }: RepositoryState,
  options: DeadRunOptions,
): Promise<{ alive: RunIntent[]; seen: SeenRun[]; dead: string[] }> {
  const { now, grace, isTimeSure } = options;
  const before = new Map(
    marks.flatMap(({ runs }) => runs).map((run) => [run.running, run]),
  );
  const seen: SeenRun[] = [];
  const silent = new Set<string>();
  const limits = { most: MAX_REQUESTS_AT_ONCE };
  const counted = mapAhead(intents, limits, async ({ id }) => {
    return { id, count: await countHeartbeats(storage, noteName(RUNNING, id)) };
  });
  for await (const { id, count } of counted) {
    const earlier = before.get(id);
    const since = earlier?.count === count ? Math.min(earlier.since, now) : now;
    seen.push({ running: id, count, since });
    if (isTimeSure && earlier?.count === count) {
      if (since + Math.max(grace, MIN_AGE_MS) <= now) silent.add(id);
    }
  }
  if (silent.size > 0) options.onWait?.([...silent]);
  const dead: string[] = [];
  await Promise.all([...silent].map(async (id) => {
    const name = noteName(RUNNING, id);
    if (await watch(() => countHeartbeats(storage, name), options)) return;
    await storage.delete(name);
    await storage.delete(beatName(name));
    dead.push(id);
  }));
  return {
    alive: intents.filter(({ id }) => !dead.includes(id)),
    seen: seen.filter(({ running }) => !dead.includes(running)),
    dead: dead.sort(),
  };
}
