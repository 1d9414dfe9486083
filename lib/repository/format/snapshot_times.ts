import type { SnapshotRecord } from "./snapshot_record.ts";

/**
 * A clock may be wrong by this much, in milliseconds, and its snapshots are
 * still judged by their time: a day, as of a clock in the wrong time zone.
 */
const SLACK = 24 * 60 * 60 * 1000;

/** A snapshot with the time to judge it by. */
export interface TimedSnapshot {
  /** The snapshot. */
  record: SnapshotRecord;
  /**
   * Its time, in milliseconds since 1970, put between those of the snapshots
   * before and after it if it does not lie there.
   */
  time: number;
  /** Whether its own time can be right, give or take a day. */
  isPlausible: boolean;
}

/**
 * Finds which times of the snapshots of one directory can be right. Each
 * snapshot was taken after those whose ids sort before its own, so the longest
 * run of times that do not decrease is believed, as far as it is not ahead of
 * the clock. One clock that was wrong, ahead or behind, is found out by those
 * around it.
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
    // What comes behind it must not be earlier.
    last = Math.max(last, nearest);
    return { record, time: nearest, isPlausible };
  });
}

/**
 * Returns the time to note something at: this machine's, or, if its clock is
 * behind, that of the newest snapshot. By a right clock, a grace that began
 * earlier would be over at once.
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

/** Snapshots by directory; safety snapshots are apart. */
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
 * Returns snapshots by time, the oldest first; those of one directory stay in
 * the order of their ids.
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

/** Which numbers belong to the longest run of them that does not decrease. */
function longestRun(times: readonly (number | undefined)[]): boolean[] {
  /** Of the runs of each length, where the one ends that ends lowest. */
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
