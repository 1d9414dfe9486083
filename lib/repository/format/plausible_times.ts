import type { SnapshotRecord } from "./snapshot_record.ts";

/**
 * The error, in milliseconds, up to which the time of a clock is still used:
 * one day, because of clocks in the wrong time zone.
 */
const SLACK = 24 * 60 * 60 * 1000;

/** A snapshot with the time that retention rules use. */
export interface TimedSnapshot {
  /** The snapshot. */
  record: SnapshotRecord;
  /**
   * The time, in milliseconds since 1970. If it is not between those of the
   * snapshots before and after, it is moved between them.
   */
  time: number;
  /** Whether the recorded time can be right, give or take a day. */
  isPlausible: boolean;
}

/**
 * Finds out which times of the snapshots of one directory can be right. Each
 * snapshot was taken after those whose ids sort before its own. The longest
 * subsequence of times that do not decrease is therefore trusted, except for
 * times ahead of the clock. The neighbors of a wrong time, ahead or behind,
 * expose it.
 *
 * @param records The snapshots, in the order of their ids.
 * @param now The time, in milliseconds since 1970.
 * @returns The same snapshots, in the same order, with times that do not
 * decrease.
 */
export function judgeTimes(
  records: readonly SnapshotRecord[],
  now: number,
): TimedSnapshot[] {
  const times = records.map(({ time }) =>
    time <= now + SLACK ? Math.min(time, now) : undefined
  );
  const isBelieved = longestRun(times);
  const above = new Array<number>(records.length);
  let next = Infinity;
  for (let at = records.length - 1; at >= 0; at--) {
    above[at] = next;
    const time = times[at];
    if (time !== undefined && isBelieved[at]) next = time;
  }
  let last = -Infinity;
  return records.map((record, at) => {
    const time = times[at];
    if (time !== undefined && isBelieved[at]) {
      last = time;
      return { record, time, isPlausible: true };
    }
    const isPlausible = time !== undefined && time >= last - SLACK &&
      time <= above[at] + SLACK;
    const own = time ?? record.time;
    const nearest = isPlausible
      ? Math.min(Math.max(own, last), above[at])
      : [above[at], last].find(Number.isFinite) ?? own;
    // The times after it must not be earlier.
    last = Math.max(last, nearest);
    return { record, time: nearest, isPlausible };
  });
}

/**
 * Returns the time for a new note: this machine's or, if its clock is behind,
 * that of the newest snapshot. A grace period that began too early would be
 * over at once by a right clock.
 *
 * @param records The snapshots, in any order.
 * @returns Milliseconds since 1970.
 */
export function timeNotBehind(records: readonly SnapshotRecord[]): number {
  const sorted = [...records].sort((a, b) => a.id < b.id ? -1 : 1);
  return [...groupsOf(sorted).values()]
    .flatMap((group) => judgeTimes(group, Infinity))
    .reduce(
      (newest, { time, isPlausible }) =>
        isPlausible ? Math.max(newest, time) : newest,
      Date.now(),
    );
}

/**
 * Returns snapshots by directory. Safety snapshots are in groups of their own.
 */
function groupsOf(
  records: readonly SnapshotRecord[],
): Map<string, SnapshotRecord[]> {
  return Map.groupBy(
    records,
    ({ directory, safety }) =>
      JSON.stringify([directory, safety !== undefined]),
  );
}

/**
 * Returns snapshots by time, the oldest first. The snapshots of one directory
 * stay in the order of their ids.
 *
 * @param records The snapshots, in the order of their ids.
 */
export function byTime(records: readonly SnapshotRecord[]): SnapshotRecord[] {
  const now = Date.now();
  return [...groupsOf(records).values()].flatMap((group) =>
    judgeTimes(group, now)
  )
    .sort((a, b) => a.time - b.time || (a.record.id < b.record.id ? -1 : 1))
    .map(({ record }) => record);
}

/**
 * Returns which numbers belong to the longest subsequence that does not
 * decrease.
 */
function longestRun(times: readonly (number | undefined)[]): boolean[] {
  /** The end of the subsequence of each length whose last time is lowest. */
  const ends: { at: number; time: number }[] = [];
  const before: (number | undefined)[] = [];
  for (const [at, time] of times.entries()) {
    if (time === undefined) continue;
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle].time <= time) low = middle + 1;
      else high = middle;
    }
    before[at] = ends[low - 1]?.at;
    ends[low] = { at, time };
  }
  const isInRun = times.map(() => false);
  for (let at = ends.at(-1)?.at; at !== undefined; at = before[at]) {
    isInRun[at] = true;
  }
  return isInRun;
}
