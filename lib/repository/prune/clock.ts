import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { byDirectory } from "./retention.ts";
import type { RepositoryState } from "./repository_state.ts";

/** The maximum leap of a clock that is trusted, in milliseconds: a day. */
const MAX_LEAP_MS = 24 * 60 * 60 * 1000;

/** When something was done in a repository, as far as it tells. */
interface Moment {
  time: number;
  /** Whether it is the time of a snapshot, and can be right. */
  isTaken?: boolean;
  /** If it was a prune that did not believe its clock: how far it was ahead. */
  leap?: number;
}

/**
 * Judges whether a clock can be believed. It is, if what the repository tells
 * leads up to its time without a leap of more than the grace; or if, behind
 * such a leap, snapshots were taken for a day, or an earlier prune was made,
 * which said that it did not believe the clock. A clock that is wrong once, for
 * a snapshot and the prune after it, is not believed.
 *
 * @param survey What the repository has.
 * @param now The time, in milliseconds since 1970.
 * @param grace How long removed snapshots can be brought back, in milliseconds.
 * @returns How far the clock is ahead, in milliseconds; `undefined` if it is
 * believed.
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
    // Prunes may be as rare as the leap that one of them has doubted.
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
