import { DEFAULT_SAFETY_MS } from "./defaults.ts";
import { isOfMachine, type SnapshotRecord } from "../format/snapshot_record.ts";
import { judgeTimes, type TimedSnapshot } from "../format/plausible_times.ts";

/**
 * The rules by which the snapshots of each directory are kept. A snapshot is
 * kept if any rule keeps it. A rule of 0 has no effect. Without any rule, all
 * snapshots are kept.
 */
export interface RetentionPolicy {
  /** Keep this number of the newest snapshots. */
  last?: number;
  /**
   * Keep the newest snapshot of each hour, for this number of hours. Hours
   * without snapshots do not count.
   */
  hourly?: number;
  /**
   * Keep the newest snapshot of each day, for this number of days. Days without
   * snapshots do not count.
   */
  daily?: number;
  /**
   * Keep the newest snapshot of each week, for this number of weeks. A week
   * begins on Monday. Weeks without snapshots do not count.
   */
  weekly?: number;
  /**
   * Keep the newest snapshot of each month, for this number of months. Months
   * without snapshots do not count.
   */
  monthly?: number;
  /**
   * Keep the newest snapshot of each year, for this number of years. Years
   * without snapshots do not count.
   */
  yearly?: number;
  /** Keep snapshots with one of the listed labels; `*` means any label. */
  labels?: readonly string[];
  /**
   * Keep every snapshot that is at most this many milliseconds older than the
   * newest one.
   */
  within?: number;
  /** Like `within`, but keep only the newest snapshot of each hour. */
  withinHourly?: number;
  /** Like `within`, but keep only the newest snapshot of each day. */
  withinDaily?: number;
  /** Like `within`, but keep only the newest snapshot of each week. */
  withinWeekly?: number;
  /**
   * Keep every safety snapshot that is at most this many milliseconds older
   * than the newest snapshot of its directory. The other rules ignore safety
   * snapshots. The last safety snapshot is always kept. Default: 30 days.
   */
  safety?: number;
}

/** The judgement of a policy on a snapshot. */
export interface Judgement {
  /** The snapshot. */
  record: SnapshotRecord;
  /** Whether the snapshot is kept. */
  keep: boolean;
  /** The rules that keep the snapshot, as texts. Empty if it is removed. */
  reasons: string[];
}

/**
 * Judges the snapshots of each directory by a policy. The last snapshot of a
 * directory is always kept, and so is its last safety snapshot. An empty policy
 * keeps everything.
 *
 * Ages are relative to the newest snapshot of the directory. Hours, days and
 * longer periods are those of the local time zone. The time of a snapshot is
 * not plausible if it is more than a day ahead of the clock, or more than a day
 * out of the order in which the snapshots were taken. If the policy has a rule
 * that depends on times, such a snapshot is kept, and the rule does not count
 * it.
 *
 * @example Keep one snapshot of each day
 * ```ts
 * import { type SnapshotRecord } from "@deltar/deltar";
 * import { judge } from "@deltar/deltar/repository";
 * import assert from "node:assert/strict";
 *
 * const records = [
 *   { id: "20250101T100000Z-000000", time: Date.UTC(2025, 0, 1, 10) },
 *   { id: "20250101T100001Z-000000", time: Date.UTC(2025, 0, 1, 10, 0, 1) },
 * ] as SnapshotRecord[];
 * const judgements = judge(records, { daily: 7 });
 * assert.deepEqual(judgements.map(({ keep }) => keep), [false, true]);
 * ```
 *
 * @param records The snapshots, in any order.
 * @param policy The rules.
 * @param now The time, in milliseconds since 1970. Default: the clock's.
 * @returns The judgement on each snapshot, in the order of `records`.
 * @throws {RangeError} if a number of the policy is negative or not a number,
 * or if a count is not an integer.
 */
export function judge(
  records: readonly SnapshotRecord[],
  policy: RetentionPolicy,
  now: number = Date.now(),
): Judgement[] {
  checkPolicy(policy);
  const reasons = new Map<SnapshotRecord, string[]>();
  const keep: Keep = (record, reason) => {
    const all = reasons.get(record);
    if (all === undefined) reasons.set(record, [reason]);
    else all.push(reason);
  };
  const groups = byDirectory(records, now);
  for (const { taken, saved } of groups) {
    if (taken.length > 0) judgeTaken(taken, policy, keep);
    if (saved.length > 0) judgeSaved(saved, taken, policy, keep);
  }
  keepParts(records, reasons);
  return records.map((record) => {
    const why = reasons.get(record) ?? [];
    return { record, keep: why.length > 0, reasons: why };
  });
}

/** Returns whether a policy has no rule for ordinary snapshots. */
export function isEmptyPolicy(policy: RetentionPolicy): boolean {
  return !hasTimeRule(policy) && !policy.last &&
    (policy.labels ?? []).length === 0;
}

/**
 * Returns whether a policy has a rule that depends on the times of snapshots.
 */
function hasTimeRule(policy: RetentionPolicy): boolean {
  return PERIODS.some(({ rule }) => policy[rule]) ||
    AGES.some((rule) => policy[rule]);
}

type Keep = (record: SnapshotRecord, reason: string) => void;

const PERIODS = [
  { rule: "hourly", unit: "hour", key: hourOf },
  { rule: "daily", unit: "day", key: dayOf },
  { rule: "weekly", unit: "week", key: weekOf },
  { rule: "monthly", unit: "month", key: monthOf },
  { rule: "yearly", unit: "year", key: (date: Date) => date.getFullYear() },
] as const;

const AGES = [
  "within",
  "withinHourly",
  "withinDaily",
  "withinWeekly",
] as const;

/** The rules that keep one snapshot of each period up to an age. */
const THINNED = [
  { rule: "withinHourly", unit: "hour", key: hourOf },
  { rule: "withinDaily", unit: "day", key: dayOf },
  { rule: "withinWeekly", unit: "week", key: weekOf },
] as const;

/** The snapshots of a directory of a machine, the newest first. */
export interface DirectorySnapshots {
  /** The ordinary snapshots. */
  taken: TimedSnapshot[];
  /** The safety snapshots. */
  saved: TimedSnapshot[];
}

/**
 * Returns the snapshots of each directory of each machine, with the times that
 * retention rules use. A snapshot without a machine belongs to all machines that
 * have snapshots of its directory.
 *
 * @param records The snapshots, in any order.
 * @param now The time, in milliseconds since 1970.
 */
export function byDirectory(
  records: readonly SnapshotRecord[],
  now: number,
): DirectorySnapshots[] {
  const sorted = [...records].sort((a, b) => a.id < b.id ? -1 : 1);
  const groups: DirectorySnapshots[] = [];
  for (const all of Map.groupBy(sorted, (one) => one.directory).values()) {
    const machines = new Set(
      all.flatMap(({ machine }) => machine === undefined ? [] : [machine.id]),
    );
    for (const machine of machines.size > 0 ? machines : [undefined]) {
      const timed = (isSaved: boolean) =>
        judgeTimes(
          all.filter((one) =>
            (one.safety !== undefined) === isSaved && isOfMachine(one, machine)
          ),
          now,
        ).reverse();
      groups.push({ taken: timed(false), saved: timed(true) });
    }
  }
  return groups;
}

function judgeTaken(
  group: readonly TimedSnapshot[],
  policy: RetentionPolicy,
  keep: Keep,
): void {
  if (isEmptyPolicy(policy)) {
    for (const { record } of group) keep(record, "the policy has no rules");
    return;
  }
  keep(group[0].record, "the last of its directory");
  const { last = 0, labels = [], within } = policy;
  for (const [at, { record }] of group.slice(0, last).entries()) {
    keep(record, `${at + 1} of the last ${last}`);
  }
  const plausible = group.filter(({ isPlausible }) => isPlausible);
  for (const { rule, unit, key } of PERIODS) {
    const most = policy[rule] ?? 0;
    const seen = new Set<string | number>();
    for (const { record, time } of plausible) {
      if (seen.size >= most) break;
      const period = key(new Date(time));
      if (seen.has(period)) continue;
      seen.add(period);
      keep(record, `${unit} ${seen.size} of ${most}`);
    }
  }
  const newest = plausible[0]?.time;
  for (const { rule, unit, key } of THINNED) {
    const most = policy[rule];
    if (!most) continue;
    const seen = new Set<string>();
    for (const { record, time } of plausible) {
      if (newest - time > most) break;
      const period = key(new Date(time));
      if (!seen.has(period)) {
        keep(record, `young enough, newest of its ${unit}`);
      }
      seen.add(period);
    }
  }
  for (const { record: { label }, record } of group) {
    if (label !== undefined && labels.some((l) => l === "*" || l === label)) {
      keep(record, `labelled ${JSON.stringify(label)}`);
    }
  }
  for (const { record, time } of plausible) {
    if (within && newest - time <= within) keep(record, "young enough");
  }
  if (!hasTimeRule(policy)) return;
  for (const { record, isPlausible } of group) {
    if (!isPlausible) keep(record, WRONG_TIME);
  }
}

/**
 * The reason for keeping a snapshot whose time is not plausible, so that no
 * rule that depends on times can judge it.
 */
const WRONG_TIME = "implausible time";

/**
 * Judges the safety snapshots of a directory. `taken` are its ordinary
 * snapshots.
 */
function judgeSaved(
  saved: readonly TimedSnapshot[],
  taken: readonly TimedSnapshot[],
  policy: RetentionPolicy,
  keep: Keep,
): void {
  if (isEmptyPolicy(policy) && policy.safety === undefined) {
    for (const { record } of saved) keep(record, "the policy has no rules");
    return;
  }
  keep(saved[0].record, "undoes the last restore into its directory");
  const newest = [taken, saved]
    .map((group) => group.find(({ isPlausible }) => isPlausible)?.time)
    .reduce<number>((a, b) => Math.max(a, b ?? a), -Infinity);
  const { safety = DEFAULT_SAFETY_MS } = policy;
  for (const { record, time, isPlausible } of saved) {
    if (!isPlausible) keep(record, WRONG_TIME);
    else if (newest - time <= safety) keep(record, "recent safety snapshot");
  }
}

/**
 * Keeps all safety snapshots of an interrupted restore or undo if one of them is
 * kept: together they have what the restore or undo replaced.
 */
function keepParts(
  records: readonly SnapshotRecord[],
  reasons: Map<SnapshotRecord, string[]>,
): void {
  const firstOf = ({ id, safety }: SnapshotRecord) => safety?.continues ?? id;
  const parts = records.filter(({ safety }) => safety !== undefined);
  const kept = new Set(
    parts.filter((record) => reasons.has(record)).map(firstOf),
  );
  for (const record of parts) {
    if (kept.has(firstOf(record)) && !reasons.has(record)) {
      reasons.set(record, ["part of the undo of a restore"]);
    }
  }
}

function monthOf(date: Date): string {
  return `${date.getFullYear()}-${date.getMonth()}`;
}

function dayOf(date: Date): string {
  return `${monthOf(date)}-${date.getDate()}`;
}

function hourOf(date: Date): string {
  return `${dayOf(date)}-${date.getHours()}`;
}

/** Returns the Monday of the week that contains a date. */
function weekOf(date: Date): string {
  const day = date.getDate() - (date.getDay() + 6) % 7;
  return dayOf(new Date(date.getFullYear(), date.getMonth(), day));
}

function checkPolicy(policy: RetentionPolicy): void {
  for (const rule of ["last", ...PERIODS.map(({ rule }) => rule)] as const) {
    const count = policy[rule] ?? 0;
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new RangeError(`${rule} must be 0 or a positive integer: ${count}`);
    }
  }
  for (const rule of [...AGES, "safety"] as const) {
    const age = policy[rule] ?? 0;
    if (!(age >= 0)) {
      throw new RangeError(`${rule} must be 0 or more milliseconds: ${age}`);
    }
  }
}
