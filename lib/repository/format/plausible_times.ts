import type { SnapshotRecord } from "./snapshot_record.ts";

/**
 * The maximum error with which a recorded time is still plausible, in
 * milliseconds: two hours. A clock that misses a change to or from summer time
 * is wrong by one hour. With a higher maximum, forged times could do more harm:
 * under a rule such as `hourly`, a snapshot with a forged time can be kept in
 * place of snapshots whose times differ from the forged time by up to this
 * maximum.
 */
const MAX_CLOCK_ERROR_MS = 2 * 60 * 60 * 1000;

/** A snapshot with the time that retention rules use. */
export interface TimedSnapshot {
  /** The record of the snapshot. */
  record: SnapshotRecord;
  /**
   * The time, in milliseconds since 1970. It differs from the recorded time if
   * the recorded time is after the current time, or is not between the times of
   * the snapshots before and after this one. If none of the directory's
   * snapshots has a plausible recorded time, the recorded time of the first of
   * these snapshots is used.
   */
  time: number;
  /** Whether the recorded time is plausible, as `judgeTimes` defines it. */
  isPlausible: boolean;
}

/**
 * Returns whether the time of a snapshot is more than two hours after the
 * current time.
 *
 * @param time The time of the snapshot, in milliseconds since 1970.
 * @param now The current time, in milliseconds since 1970.
 */
export function isAhead(time: number, now: number): boolean {
  return time > now + MAX_CLOCK_ERROR_MS;
}

/**
 * Determines which recorded times of the snapshots of one directory are
 * plausible. The snapshots were taken in the order of their ids, so their times
 * must not decrease. Times more than two hours after `now` are not plausible.
 * Of the other times, the longest subsequence that does not decrease is
 * trusted, and all of its times are plausible. A time outside this subsequence
 * is plausible if it is at most two hours before the time that is returned for
 * the previous snapshot, and at most two hours after the next trusted time.
 *
 * @param records The snapshots, in the order of their ids.
 * @param now The current time, in milliseconds since 1970.
 * @returns The same snapshots, in the same order, with times that do not
 * decrease.
 */
export function judgeTimes(
  records: readonly SnapshotRecord[],
  now: number,
): TimedSnapshot[] {
  const times = records.map(({ time }) =>
    isAhead(time, now) ? undefined : Math.min(time, now)
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
    const isPlausible = time !== undefined &&
      time >= last - MAX_CLOCK_ERROR_MS &&
      time <= above[at] + MAX_CLOCK_ERROR_MS;
    const own = time ?? record.time;
    const nearest = isPlausible
      ? Math.min(Math.max(own, last), above[at])
      : [above[at], last].find(Number.isFinite) ?? own;
    // The time of each later snapshot must be at least this time.
    last = Math.max(last, nearest);
    return { record, time: nearest, isPlausible };
  });
}

/**
 * Returns the time for a new note: the current time of this machine or, if it
 * is later, the newest plausible time of a snapshot. If a note had an earlier
 * time because the clock of this machine is behind, the grace period that
 * begins with the note could already be over by the clock of another machine.
 *
 * @param records The snapshots, in any order.
 * @returns The time in milliseconds since 1970.
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
 * Groups snapshots by directory and machine. The safety snapshots of a
 * directory form a separate group.
 */
function groupsOf(
  records: readonly SnapshotRecord[],
): Map<string, SnapshotRecord[]> {
  return Map.groupBy(
    records,
    ({ directory, machine, safety }) =>
      JSON.stringify([directory, machine?.id, safety !== undefined]),
  );
}

/**
 * Returns snapshots sorted by the times that `judgeTimes` returns, the oldest
 * first. The snapshots of each group that `groupsOf` returns stay in the order
 * of their ids.
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
 * Finds the longest subsequence of times that do not decrease. Returns, for
 * each time, whether it belongs to this subsequence.
 */
function longestRun(times: readonly (number | undefined)[]): boolean[] {
  /**
   * For each length, the subsequence with the lowest last time. `time` is this
   * last time, and `at` is its position in `times`. The first element is the
   * subsequence of length 1.
   */
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
