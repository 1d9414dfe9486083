import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { byDirectory } from "./retention.ts";
import type { RepositoryState } from "./repository_state.ts";

/**
 * The longest leap that is always trusted, in milliseconds: one day. A leap is
 * the difference between two successive times that are recorded in a
 * repository, or between the last of these times and now. If the grace period
 * is longer than a day, leaps up to the grace period are trusted, too. After a
 * longer leap, the clock is trusted once snapshots have been taken for at least
 * one day.
 */
const MAX_LEAP_MS = 24 * 60 * 60 * 1000;

/** The recorded time of a snapshot, a removal or a mark. */
interface Moment {
  time: number;
  /** Whether a snapshot was taken at this time, and the time is plausible. */
  isTaken?: boolean;
  /**
   * The leap that a prune recorded because it did not trust its clock, in
   * milliseconds.
   */
  leap?: number;
}

/**
 * Finds the leap that is the reason not to trust this machine's clock. The
 * clock is trusted if no leap (see `MAX_LEAP_MS`) is longer than both the grace
 * period and a day. After a longer leap, the clock is trusted if snapshots have
 * been taken for at least a day since then, or if a prune after the leap
 * recorded that it did not trust the clock. So a clock that is wrong while a
 * snapshot is taken, and still wrong during the next prune, is not trusted.
 *
 * @param onDisk The state of the repository.
 * @param now The current time, in milliseconds since 1970.
 * @param grace The grace period, in milliseconds.
 * @returns The leap, in milliseconds; `undefined` if the clock is trusted.
 */
export function findLeap(
  { records, removed, marks }: Pick<
    RepositoryState,
    "records" | "removed" | "marks"
  >,
  now: number,
  grace: number,
): number | undefined {
  const snapshots = [
    ...records,
    ...removed.flatMap(({ record }) => record ?? []),
  ];
  const moments: Moment[] = [
    ...plausibleTimes(snapshots, now).map((time) => ({ time, isTaken: true })),
    ...removed,
    ...marks,
  ].filter(({ time }) => time <= now).sort((a, b) => b.time - a.time);
  const most = Math.max(grace, MAX_LEAP_MS);
  let since = now;
  let taken = now;
  for (const { time, isTaken, leap } of moments) {
    // If an earlier prune recorded a leap, the intervals between prunes may
    // really be that long. So the next leap is trusted if it is at most twice
    // as long.
    if (since - time > Math.max(most, 2 * (leap ?? 0))) {
      return now - taken >= MAX_LEAP_MS ? undefined : since - time;
    }
    if (leap !== undefined) return undefined;
    since = time;
    if (isTaken) taken = time;
  }
  return undefined;
}

function plausibleTimes(
  records: readonly SnapshotRecord[],
  now: number,
): number[] {
  return [...byDirectory(records, now).values()]
    .flatMap(({ taken, saved }) => [...taken, ...saved])
    .flatMap(({ record, isPlausible }) => isPlausible ? [record.time] : []);
}
