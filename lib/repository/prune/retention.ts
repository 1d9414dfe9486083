import type { SnapshotRecord } from "../snapshot_record.ts";

/**
 * Which snapshots are kept. A snapshot stays if any rule keeps it; without any
 * rule all stay.
 */
export interface RetentionPolicy {
  /** The newest so many. */
  last?: number;
  /** The newest of each of the last so many hours that have any. */
  hourly?: number;
  /** The newest of each of the last so many days that have any. */
  daily?: number;
  /** The newest of each of the last so many weeks, from Monday on. */
  weekly?: number;
  /** The newest of each of the last so many months that have any. */
  monthly?: number;
  /** The newest of each of the last so many years that have any. */
  yearly?: number;
  /** Those with one of these labels; `*` stands for any label. */
  labels?: readonly string[];
  /** Those no older than the newest by more than so many milliseconds. */
  within?: number;
  /** As `within`, but only the newest of each hour. */
  withinHourly?: number;
  /** As `within`, but only the newest of each day. */
  withinDaily?: number;
  /** As `within`, but only the newest of each week. */
  withinWeekly?: number;
}

/** What a policy says of a snapshot. */
export interface Judgement {
  /** The snapshot. */
  record: SnapshotRecord;
  /** Whether it stays. */
  keep: boolean;
  /** The rules that keep it, in words; none if it goes. */
  reasons: string[];
}

/**
 * Judges snapshots by a policy, those of each directory by themselves, and what
 * was saved before restores into it by itself. The last of each always stays, and an empty policy keeps everything. Ages count
 * from the newest snapshot, and no clock is asked; hours to years are those of
 * the local time zone.
 *
 * @param records The snapshots, in any order.
 * @param policy The rules.
 * @returns A judgement for each, in the order of `records`.
 * @throws {RangeError} if a number of the policy is none, or below zero.
 */
export function judge(
  records: readonly SnapshotRecord[],
  policy: RetentionPolicy,
): Judgement[] {
  checkPolicy(policy);
  const reasons = new Map<SnapshotRecord, string[]>();
  for (const group of byDirectory(records).values()) {
    judgeGroup(group, policy, (record, reason) => {
      const all = reasons.get(record);
      if (all === undefined) reasons.set(record, [reason]);
      else all.push(reason);
    });
  }
  keepParts(records, reasons);
  return records.map((record) => {
    const why = reasons.get(record) ?? [];
    return { record, keep: why.length > 0, reasons: why };
  });
}

/** Whether a policy has no rule at all. */
export function isEmptyPolicy(policy: RetentionPolicy): boolean {
  return PERIODS.every(({ rule }) => !policy[rule]) && !policy.last &&
    AGES.every((rule) => policy[rule] === undefined) &&
    (policy.labels ?? []).length === 0;
}

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

/** What of a period stays, by age. */
const THINNED = [
  { rule: "withinHourly", unit: "hour", key: hourOf },
  { rule: "withinDaily", unit: "day", key: dayOf },
  { rule: "withinWeekly", unit: "week", key: weekOf },
] as const;

/**
 * Snapshots by directory, each group from the newest to the oldest; what was
 * saved before restores is apart from what was taken.
 */
export function byDirectory(
  records: readonly SnapshotRecord[],
): Map<string, SnapshotRecord[]> {
  const groups = new Map<string, SnapshotRecord[]>();
  for (const record of records) {
    const key = JSON.stringify([record.directory, record.safety !== undefined]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [record]);
    else group.push(record);
  }
  for (const group of groups.values()) {
    group.sort((a, b) => a.id < b.id ? 1 : -1);
  }
  return groups;
}

function judgeGroup(
  group: readonly SnapshotRecord[],
  policy: RetentionPolicy,
  keep: (record: SnapshotRecord, reason: string) => void,
): void {
  if (isEmptyPolicy(policy)) {
    for (const record of group) keep(record, "no rule says otherwise");
    return;
  }
  keep(group[0], "the last of its directory");
  const { last = 0, labels = [], within } = policy;
  for (const [at, record] of group.slice(0, last).entries()) {
    keep(record, `${at + 1} of the last ${last}`);
  }
  for (const { rule, unit, key } of PERIODS) {
    const most = policy[rule] ?? 0;
    const seen = new Set<string | number>();
    for (const record of group) {
      if (seen.size >= most) break;
      const period = key(new Date(record.time));
      if (seen.has(period)) continue;
      seen.add(period);
      keep(record, `${unit} ${seen.size} of ${most}`);
    }
  }
  for (const { rule, unit, key } of THINNED) {
    const most = policy[rule];
    if (most === undefined) continue;
    const seen = new Set<string>();
    for (const record of group) {
      if (group[0].time - record.time > most) break;
      const period = key(new Date(record.time));
      if (!seen.has(period)) keep(record, `young enough, one of its ${unit}`);
      seen.add(period);
    }
  }
  for (const record of group) {
    const { label, time } = record;
    if (label !== undefined && labels.some((l) => l === "*" || l === label)) {
      keep(record, `labelled ${JSON.stringify(label)}`);
    }
    if (within !== undefined && group[0].time - time <= within) {
      keep(record, "young enough");
    }
  }
}

/** What was saved for one restore in several parts stays together. */
function keepParts(
  records: readonly SnapshotRecord[],
  reasons: Map<SnapshotRecord, string[]>,
): void {
  const firsts = new Set(
    records.filter((record) => reasons.has(record))
      .map(({ safety }) => safety?.continues),
  );
  for (const record of records) {
    if (firsts.has(record.id) && !reasons.has(record)) {
      reasons.set(record, ["a part of what undoes a restore"]);
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

/** The day of the week's Monday. */
function weekOf(date: Date): string {
  const day = date.getDate() - (date.getDay() + 6) % 7;
  return dayOf(new Date(date.getFullYear(), date.getMonth(), day));
}

function checkPolicy(policy: RetentionPolicy): void {
  for (const rule of ["last", ...PERIODS.map(({ rule }) => rule)] as const) {
    const count = policy[rule] ?? 0;
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new RangeError(`${rule}: ${count} is no number of snapshots`);
    }
  }
  for (const rule of AGES) {
    const age = policy[rule] ?? 0;
    if (!(age >= 0)) throw new RangeError(`${rule}: ${age} is no duration`);
  }
}
