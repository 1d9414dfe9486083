import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { countedByAll } from "./judged.ts";
import type { CountedSnapshots, SnapshotGroup } from "./retention.ts";

/**
 * A change in the snapshots of a directory after which a prune could remove
 * good snapshots:
 *
 * - `flood`: there are unusually many new snapshots, and at least half of the
 *   snapshots that the rule `last` kept before them would be removed. Under a
 *   size limit, at least half of all snapshots before them would be removed.
 * - `emptied`: the newest snapshot has less than a tenth as many files as an
 *   earlier snapshot.
 */
export type Unusual = Flood | Emptied;

/** Unusually many new snapshots of a directory. */
export interface Flood {
  /** The kind of change. */
  kind: "flood";
  /** The path of the directory. */
  directory: string;
  /** The largest number of snapshots within a day, including the new ones. */
  snapshots: number;
  /** The maximum number of snapshots within a day that is considered usual. */
  usual: number;
  /** The number of older snapshots that would be removed. */
  lost: number;
}

/**
 * A directory whose newest snapshot has far fewer files than an earlier one.
 */
export interface Emptied {
  /** The kind of change. */
  kind: "emptied";
  /** The path of the directory. */
  directory: string;
  /** The id of the newest snapshot. */
  id: string;
  /** The number of files in the newest snapshot. */
  files: number;
  /**
   * The largest number of files in any one of the other new snapshots and the
   * last snapshot before them.
   */
  before: number;
}

/** A day, in milliseconds. */
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * The maximum ratio of the number of snapshots within a day to the usual
 * number. A higher ratio is unusual. A machine that takes hourly snapshots for
 * eight hours a day, and later around the clock, stays within the limit.
 */
const MAX_INCREASE = 3;

/**
 * The maximum ratio of the number of files in an earlier snapshot to the number
 * of files in the newest one. With a higher ratio, the directory is considered
 * emptied. Users rarely delete so large a share of a directory on purpose.
 */
const MAX_DECREASE = 10;

/**
 * The minimum number of files in the earlier snapshot for a directory to be
 * considered emptied. In smaller directories, such changes are common.
 */
const MIN_FILES = 10;

/**
 * The minimum of `Flood.usual` as long as no earlier snapshot of the directory
 * is at least a day older than the newest one. During this time, the actual
 * usual number of snapshots within a day is not known.
 */
const MIN_USUAL_AT_FIRST = 7;

/** The time of a snapshot, in milliseconds since 1970, and its id. */
interface Moment {
  id: string;
  time: number;
}

/**
 * Finds directories with unusual new snapshots. Earlier prunes stored lists of
 * counted snapshots. A snapshot is new if at least one of these lists does not
 * contain it. If no list exists, a snapshot is new if it was taken less than 24
 * hours before the newest one. A directory is ignored if none of its ordinary
 * snapshots would be removed.
 *
 * @param groups The snapshots of each directory.
 * @param isGoing Called with the record of a snapshot. Returns whether the
 * snapshot would be removed.
 * @param last The number of newest snapshots of each directory that the rule
 * `last` keeps, regardless of their times. After this number of new snapshots,
 * the rule keeps none of the older ones. `Infinity` for a size limit.
 * @returns The unusual changes: at most one `Flood` and one `Emptied` for each
 * directory.
 */
export function findUnusual(
  groups: readonly SnapshotGroup[],
  isGoing: (record: SnapshotRecord) => boolean,
  last: number,
): Unusual[] {
  return groups.flatMap(({ taken }) => {
    const { counted } = taken;
    if (!counted.some(({ record }) => isGoing(record))) return [];
    const known = knownMoments(taken);
    const ids = new Set(known.map(({ id }) => id));
    const fresh = counted.filter(({ record: { id } }) => !ids.has(id));
    if (fresh.length === 0) return [];
    const unusual = [];
    const flood = findFlood(taken, known, isGoing, last);
    if (flood !== undefined) unusual.push(flood);
    const { record: { id, directory, counts: { files } } } = counted[0];
    const earlier = counted.find(({ record: { id } }) => ids.has(id));
    const before = [...earlier === undefined ? [] : [earlier], ...fresh]
      .reduce((most, { record }) => Math.max(most, record.counts.files), 0);
    if (before >= MIN_FILES && MAX_DECREASE * files < before) {
      const emptied: Emptied = {
        kind: "emptied",
        directory,
        id,
        files,
        before,
      };
      unusual.push(emptied);
    }
    return unusual;
  });
}

function findFlood(
  { counted, judged }: CountedSnapshots,
  known: readonly Moment[],
  isGoing: (record: SnapshotRecord) => boolean,
  last: number,
): Flood | undefined {
  const live = new Set(counted.map(({ record }) => record.id));
  const staying = new Set(
    counted.flatMap(({ record }) => isGoing(record) ? [] : [record.id]),
  );
  const yesterday = counted[0].time - DAY_MS;
  // Several prunes on one day may each have removed only a few snapshots. So
  // the snapshots that are at least a day older than the newest one are also
  // compared with the kept snapshots, even if an earlier prune removed them.
  const lost = Math.max(
    lostOf(known.filter(({ id }) => live.has(id)).slice(0, last), staying),
    last === Infinity ? 0 : lostOf(
      known.filter(({ time }) => time <= yesterday).slice(0, last),
      staying,
    ),
  );
  if (lost === 0) return undefined;
  const isYoung = !known.some(({ time }) => time <= yesterday);
  const usual = Math.max(
    usualNumber(counted, judged, known),
    isYoung ? MIN_USUAL_AT_FIRST : 0,
  );
  const ids = new Set(known.map(({ id }) => id));
  const now = momentsOf(counted).filter(({ id }) => !ids.has(id));
  const since = now.reduce(
    (oldest, { time }) => Math.min(oldest, time),
    Infinity,
  );
  const recent = known.filter(({ time }) => time > since - DAY_MS);
  const snapshots = busiestDay([...now, ...recent]);
  if (snapshots <= MAX_INCREASE * usual) return undefined;
  const { directory } = counted[0].record;
  return { kind: "flood", directory, snapshots, usual, lost };
}

/**
 * Returns the number of snapshots in `had` that are not in `staying`, or 0 if
 * more than half of the snapshots in `had` are in `staying`.
 */
function lostOf(had: readonly Moment[], staying: ReadonlySet<string>): number {
  const lost = had.filter(({ id }) => !staying.has(id)).length;
  return 2 * lost >= had.length ? lost : 0;
}

/**
 * Returns the usual maximum number of snapshots of a directory within a day. A
 * prune stores this number in its list of counted snapshots.
 *
 * @param taken The ordinary snapshots of a directory.
 * @param isAccepted Whether the user has confirmed that the new snapshots are
 * good. If so, the new snapshots are counted, too.
 */
export function busiestBefore(
  { counted, judged }: Pick<CountedSnapshots, "counted" | "judged">,
  isAccepted: boolean,
): number {
  const known = knownMoments({ counted, judged });
  return Math.max(
    usualNumber(counted, judged, known),
    isAccepted ? busiestDay(momentsOf(counted)) : 0,
  );
}

function usualNumber(
  counted: CountedSnapshots["counted"],
  judged: CountedSnapshots["judged"],
  known: readonly Moment[],
): number {
  if (counted.length === 0) return 0;
  const yesterday = counted[0].time - DAY_MS;
  return Math.max(
    judged.length === 0 ? 0 : Math.min(...judged.map((one) => one.busiest)),
    busiestDay(known.filter(({ time }) => time <= yesterday)),
  );
}

/**
 * Returns the snapshots that are not new, from the newest to the oldest. They
 * may include removed snapshots that can still be brought back.
 */
function knownMoments(
  { counted, judged }: Pick<CountedSnapshots, "counted" | "judged">,
): Moment[] {
  if (judged.length === 0) {
    const yesterday = (counted[0]?.time ?? 0) - DAY_MS;
    return momentsOf(counted).filter(({ time }) => time <= yesterday);
  }
  return [...countedByAll(judged)].map(([id, time]) => ({ id, time }))
    .sort((a, b) => a.id < b.id ? 1 : -1);
}

function momentsOf(counted: CountedSnapshots["counted"]): Moment[] {
  return counted.map(({ record: { id }, time }) => ({ id, time }));
}

/** Returns the largest number of snapshots within a day. */
function busiestDay(snapshots: readonly Moment[]): number {
  const sorted = snapshots.toSorted((a, b) => b.time - a.time);
  let most = 0;
  let first = 0;
  for (const [at, { time }] of sorted.entries()) {
    while (sorted[first].time - time >= DAY_MS) first++;
    most = Math.max(most, at - first + 1);
  }
  return most;
}

/** Returns a sentence that describes an unusual change, without a full stop. */
export function describeUnusual(unusual: Unusual): string {
  const { directory } = unusual;
  if (unusual.kind === "emptied") {
    const { id, files, before } = unusual;
    return `${directory}: the newest snapshot, ${id}, has ${files} ` +
      `${
        files === 1 ? "file" : "files"
      }, while an earlier snapshot has ${before}`;
  }
  const { snapshots, usual, lost } = unusual;
  return `${directory}: ${snapshots} snapshots within a day (usually at most ` +
    `${usual}) would replace ${lost} older ones`;
}
