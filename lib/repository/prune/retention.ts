import { DEFAULT_SAFETY_MS } from "./defaults.ts";
import { isOfMachine, type SnapshotRecord } from "../format/snapshot_record.ts";
import {
  isAhead,
  judgeTimes,
  type TimedSnapshot,
} from "../format/plausible_times.ts";
import type { Judged, JudgedGroup } from "./judged.ts";
import { findLate } from "./late.ts";

/**
 * The rules that choose the snapshots to keep, for each directory of each
 * machine. A snapshot is kept if any rule keeps it. A rule with the value 0 has
 * no effect, except for `safety`. If there is no rule, all snapshots are kept.
 */
export interface RetentionPolicy {
  /** The number of newest snapshots to keep. */
  last?: number;
  /**
   * The number of hours to keep: the newest snapshot of each hour is kept.
   * Hours without snapshots are not counted.
   */
  hourly?: number;
  /**
   * The number of days to keep: the newest snapshot of each day is kept. Days
   * without snapshots are not counted.
   */
  daily?: number;
  /**
   * The number of weeks to keep: the newest snapshot of each week is kept. A
   * week begins on Monday. Weeks without snapshots are not counted.
   */
  weekly?: number;
  /**
   * The number of months to keep: the newest snapshot of each month is kept.
   * Months without snapshots are not counted.
   */
  monthly?: number;
  /**
   * The number of years to keep: the newest snapshot of each year is kept.
   * Years without snapshots are not counted.
   */
  yearly?: number;
  /** The labels of snapshots to keep; `*` means any label. */
  labels?: readonly string[];
  /**
   * The maximum age of snapshots to keep, in milliseconds. The age of a
   * snapshot is the time between it and the newest snapshot of its directory.
   */
  within?: number;
  /**
   * Like `within`, but for hourly snapshots: only the newest snapshot of each
   * hour is kept.
   */
  withinHourly?: number;
  /**
   * Like `within`, but for daily snapshots: only the newest snapshot of each
   * day is kept.
   */
  withinDaily?: number;
  /**
   * Like `within`, but for weekly snapshots: only the newest snapshot of each
   * week is kept.
   */
  withinWeekly?: number;
  /**
   * The maximum age of safety snapshots to keep, in milliseconds. The age of a
   * safety snapshot is the time between it and the newest snapshot of its
   * directory. The other rules ignore safety snapshots. The last safety
   * snapshot is always kept. Default: 30 days.
   */
  safety?: number;
}

/**
 * A rule that keeps a snapshot: a rule of the policy, or one of these:
 *
 * - `newest`: the snapshot is the last counted snapshot of its directory, or
 *   the last counted safety snapshot. Both are always kept.
 * - `uncounted`: the rules do not count the snapshot, so it is kept in addition
 *   to the snapshots that the rules keep.
 * - `part`: another safety snapshot of the same operation is kept.
 * - `none`: the policy has no rule for this kind of snapshot, ordinary or
 *   safety.
 */
export type KeepRule =
  | keyof RetentionPolicy
  | "newest"
  | "uncounted"
  | "part"
  | "none";

/** The reason why a snapshot is kept. */
export interface KeepReason {
  /** The rule that keeps the snapshot. */
  rule: KeepRule;
  /** The reason as text. */
  text: string;
  /**
   * The position of the snapshot among the snapshots that the rule keeps,
   * counted from 1 for the newest. Present only for the rules `last`, `hourly`,
   * `daily`, `weekly`, `monthly` and `yearly`.
   */
  at?: number;
}

/** The decision of a policy about a snapshot. */
export interface Judgement {
  /** The record of the snapshot. */
  record: SnapshotRecord;
  /** Whether the snapshot is kept. */
  keep: boolean;
  /**
   * The reasons why the snapshot is kept, as texts. Empty if the snapshot is
   * removed.
   */
  reasons: string[];
  /** The reasons, each with the rule that keeps the snapshot. */
  rules: KeepReason[];
  /**
   * Whether the rules count the snapshot. A snapshot that is not counted is
   * kept in addition to the snapshots that the rules keep.
   */
  isCounted: boolean;
  /**
   * The id of a later, possibly forged snapshot that prevents the rules from
   * counting this snapshot. After the later snapshot is removed, the rules
   * count this snapshot again.
   */
  lateBy?: string;
}

/** Options for applying a policy to snapshots. */
export interface JudgeOptions {
  /**
   * The current time, in milliseconds since 1970. Default: the time of the
   * clock.
   */
  now?: number;
  /**
   * Called with each snapshot. Returns whether a trusted machine is known to
   * have taken the snapshot. The rules count only such snapshots. By default,
   * all snapshots are trusted.
   */
  isTrusted?: (record: SnapshotRecord) => boolean;
  /**
   * The lists of the snapshots that earlier prunes counted. A snapshot is kept
   * and not counted if a list has a later snapshot of the same directory, but
   * lacks this snapshot or has it with a different time. Default: no lists.
   */
  judged?: readonly Judged[];
}

/**
 * Applies a policy to the snapshots of each directory of each machine. The last
 * snapshot of a directory that the rules count is always kept, and so is the
 * last safety snapshot that they count. An empty policy keeps all snapshots. A
 * snapshot without a machine belongs to every machine that has snapshots of its
 * directory, and is kept if it is kept for one of them.
 *
 * Ages are relative to the newest snapshot of the directory. Hours, days and
 * longer periods are those of the local time zone.
 *
 * The rules count only snapshots that can be trusted. A snapshot is not counted
 * if one of these conditions is met:
 *
 * - `isTrusted` returns false for it;
 * - it is late: the parents of later snapshots, or `judged`, show that it was
 *   added after a snapshot of the directory whose id sorts after its own;
 * - its time is not plausible: it is more than two hours ahead of the clock, or
 *   more than two hours out of the order in which the snapshots were taken.
 *
 * A snapshot that is not counted is kept in addition to the snapshots that the
 * rules keep.
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
 * @param options The current time, the callback `isTrusted`, and the lists of
 *   earlier prunes.
 * @returns The decision about each snapshot, in the order of `records`.
 * @throws {RangeError} If a number of the policy is negative or not a number,
 * or if a count is not an integer.
 */
export function judge(
  records: readonly SnapshotRecord[],
  policy: RetentionPolicy,
  options: JudgeOptions = {},
): Judgement[] {
  return judgeGroups(records, groupSnapshots(records, options), policy);
}

/**
 * Applies a policy to snapshots that `groupSnapshots` has grouped. See `judge`.
 *
 * @param records The snapshots. The decisions are returned in the same order.
 * @param groups The groups of these snapshots.
 * @param policy The rules.
 */
export function judgeGroups(
  records: readonly SnapshotRecord[],
  groups: readonly SnapshotGroup[],
  policy: RetentionPolicy,
): Judgement[] {
  checkPolicy(policy);
  const reasons = new Map<SnapshotRecord, KeepReason[]>();
  const keep: Keep = (record, rule, text, at) => {
    const reason = { rule, text, ...at !== undefined && { at } };
    const all = reasons.get(record);
    if (all === undefined) reasons.set(record, [reason]);
    else all.push(reason);
  };
  const uncounted = new Map<SnapshotRecord, string | undefined>();
  for (const { taken, saved } of groups) {
    judgeTaken(taken, policy, keep);
    judgeSaved(saved, taken, policy, keep);
    for (const { record, lateBy } of [...taken.extra, ...saved.extra]) {
      uncounted.set(record, lateBy);
    }
  }
  keepParts(records, reasons);
  return records.map((record) => {
    const rules = reasons.get(record) ?? [];
    const lateBy = uncounted.get(record);
    return {
      record,
      keep: rules.length > 0,
      reasons: rules.map(({ text }) => text),
      rules,
      isCounted: !uncounted.has(record),
      ...lateBy !== undefined && { lateBy },
    };
  });
}

/** Returns whether a policy has no rule for ordinary snapshots. */
export function isEmptyPolicy(policy: RetentionPolicy): boolean {
  return !PERIODS.some(({ rule }) => policy[rule]) &&
    !AGES.some((rule) => policy[rule]) && !policy.last &&
    (policy.labels ?? []).length === 0;
}

type Keep = (
  record: SnapshotRecord,
  rule: KeepRule,
  text: string,
  at?: number,
) => void;

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

/** The rules that keep one snapshot of each period within a maximum age. */
const THINNED = [
  { rule: "withinHourly", unit: "hour", key: hourOf },
  { rule: "withinDaily", unit: "day", key: dayOf },
  { rule: "withinWeekly", unit: "week", key: weekOf },
] as const;

/** The snapshots of one directory of one machine, the newest first. */
export interface DirectorySnapshots {
  /** The ordinary snapshots. */
  taken: TimedSnapshot[];
  /** The safety snapshots. */
  saved: TimedSnapshot[];
}

/**
 * Returns the snapshots of each directory of each machine, with the times that
 * retention rules use. A snapshot without a machine belongs to all machines
 * that have snapshots of its directory. The key of a directory is its path or,
 * if its snapshots name a machine, the JSON text `["PATH","MACHINE"]` with the
 * path and the id of the machine.
 *
 * @param records The snapshots, in any order.
 * @param now The current time, in milliseconds since 1970.
 */
export function byDirectory(
  records: readonly SnapshotRecord[],
  now: number,
): Map<string, DirectorySnapshots> {
  const sorted = [...records].sort((a, b) => a.id < b.id ? -1 : 1);
  const groups = new Map<string, DirectorySnapshots>();
  for (
    const [directory, all] of Map.groupBy(sorted, (one) => one.directory)
  ) {
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
      const key = machine === undefined
        ? directory
        : JSON.stringify([directory, machine]);
      groups.set(key, { taken: timed(false), saved: timed(true) });
    }
  }
  return groups;
}

/**
 * The snapshots of one directory of one machine, divided into ordinary
 * snapshots and safety snapshots.
 */
export interface SnapshotGroup {
  /** The key of the directory and machine in `byDirectory`. */
  key: string;
  /** The ordinary snapshots. */
  taken: CountedSnapshots;
  /** The safety snapshots. */
  saved: CountedSnapshots;
}

/**
 * Snapshots, divided into those that the rules count and those that they do not
 * count.
 */
export interface CountedSnapshots {
  /** All of the snapshots, from the newest to the oldest. */
  all: readonly TimedSnapshot[];
  /** The snapshots that the rules count, from the newest to the oldest. */
  counted: readonly TimedSnapshot[];
  /**
   * The snapshots that the rules do not count, with the reasons for keeping
   * them.
   */
  extra: readonly {
    record: SnapshotRecord;
    reason: string;
    lateBy?: string;
  }[];
  /** The snapshots that earlier prunes counted. */
  judged: readonly JudgedGroup[];
}

/**
 * Groups snapshots by directory and machine, and separates the snapshots that
 * the rules count from those that they do not count.
 *
 * @param records The snapshots, in any order.
 * @param options The current time, the callback `isTrusted`, and the lists of
 *   earlier prunes.
 */
export function groupSnapshots(
  records: readonly SnapshotRecord[],
  { now = Date.now(), isTrusted, judged = [] }: JudgeOptions,
): SnapshotGroup[] {
  const separate = (
    all: readonly TimedSnapshot[],
    judged: readonly JudgedGroup[],
    hasParents: boolean,
  ): CountedSnapshots => {
    const sorted = all.map(({ record }) => record).reverse();
    const trusted = isTrusted === undefined ? sorted : sorted.filter(isTrusted);
    const past = trusted.filter(({ time }) => !isAhead(time, now));
    const late = findLate(past, judged, hasParents);
    const timed = judgeTimes(past.filter((one) => !late.has(one)), now);
    const counted = timed.filter(({ isPlausible }) => isPlausible).reverse();
    const isCounted = new Set(counted.map(({ record }) => record));
    const isOfTrusted = new Set(trusted);
    const extra = sorted.filter((one) => !isCounted.has(one)).map((record) => {
      const why = late.get(record);
      const reason = !isOfTrusted.has(record)
        ? "not taken by a trusted machine"
        : why?.kind === "first"
        ? "falsely claims to be the first of its directory"
        : why !== undefined
        ? "appeared after later snapshots"
        : "implausible time";
      const lateBy = why?.kind === "skipped" ? why.by : undefined;
      return { record, reason, ...lateBy !== undefined && { lateBy } };
    });
    return { all, counted, extra, judged };
  };
  return [...byDirectory(records, now)].map(([key, { taken, saved }]) => ({
    key,
    taken: separate(
      taken,
      judged.flatMap((one) => one.taken.get(key) ?? []),
      true,
    ),
    saved: separate(
      saved,
      judged.flatMap((one) => one.saved.get(key) ?? []),
      false,
    ),
  }));
}

function judgeTaken(
  { all, counted, extra }: CountedSnapshots,
  policy: RetentionPolicy,
  keep: Keep,
): void {
  if (isEmptyPolicy(policy)) {
    for (const { record } of all) {
      keep(record, "none", "the policy has no rules");
    }
    return;
  }
  for (const { record } of counted.slice(0, 1)) {
    keep(record, "newest", "the last of its directory");
  }
  const { last = 0, labels = [], within } = policy;
  for (const [at, { record }] of counted.slice(0, last).entries()) {
    keep(record, "last", `${at + 1} of the last ${last}`, at + 1);
  }
  for (const { rule, unit, key } of PERIODS) {
    const most = policy[rule] ?? 0;
    const seen = new Set<string | number>();
    for (const { record, time } of counted) {
      if (seen.size >= most) break;
      const period = key(new Date(time));
      if (seen.has(period)) continue;
      seen.add(period);
      keep(record, rule, `${unit} ${seen.size} of ${most}`, seen.size);
    }
  }
  const newest = counted[0]?.time;
  for (const { rule, unit, key } of THINNED) {
    const most = policy[rule];
    if (!most) continue;
    const seen = new Set<string>();
    for (const { record, time } of counted) {
      if (newest - time > most) break;
      const period = key(new Date(time));
      if (!seen.has(period)) {
        keep(record, rule, `young enough, newest of its ${unit}`);
      }
      seen.add(period);
    }
  }
  for (const { record: { label }, record } of all) {
    if (label !== undefined && labels.some((l) => l === "*" || l === label)) {
      keep(record, "labels", `labelled ${JSON.stringify(label)}`);
    }
  }
  for (const { record, time } of counted) {
    if (within && newest - time <= within) {
      keep(record, "within", "young enough");
    }
  }
  for (const { record, reason } of extra) {
    keep(record, "uncounted", reason);
  }
}

/**
 * Applies a policy to the safety snapshots of a directory.
 *
 * @param taken The ordinary snapshots of the directory. They are needed because
 * the ages are relative to the newest snapshot, ordinary or safety.
 */
function judgeSaved(
  { all, counted, extra }: CountedSnapshots,
  taken: CountedSnapshots,
  policy: RetentionPolicy,
  keep: Keep,
): void {
  if (isEmptyPolicy(policy) && policy.safety === undefined) {
    for (const { record } of all) {
      keep(record, "none", "the policy has no rules");
    }
    return;
  }
  for (const { record } of counted.slice(0, 1)) {
    keep(record, "newest", "needed to undo the last restore to its directory");
  }
  const newest = [...taken.counted.slice(0, 1), ...counted.slice(0, 1)]
    .reduce((newest, { time }) => Math.max(newest, time), -Infinity);
  const { safety = DEFAULT_SAFETY_MS } = policy;
  for (const { record, time } of counted) {
    if (newest - time <= safety) {
      keep(record, "safety", "recent safety snapshot");
    }
  }
  for (const { record, reason } of extra) {
    keep(record, "uncounted", reason);
  }
}

/**
 * Keeps all safety snapshots of an interrupted restore or undo if one of them
 * is kept, because only together do they contain everything that the restore or
 * undo replaced.
 */
function keepParts(
  records: readonly SnapshotRecord[],
  reasons: Map<SnapshotRecord, KeepReason[]>,
): void {
  const firstOf = ({ id, safety }: SnapshotRecord) => safety?.continues ?? id;
  const parts = records.filter(({ safety }) => safety !== undefined);
  const kept = new Set(
    parts.filter((record) => reasons.has(record)).map(firstOf),
  );
  for (const record of parts) {
    if (kept.has(firstOf(record)) && !reasons.has(record)) {
      reasons.set(record, [{
        rule: "part",
        text: "belongs to another safety snapshot that is kept",
      }]);
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

/**
 * Returns a text that identifies the week of a date: the text that `dayOf`
 * returns for the Monday of this week.
 */
function weekOf(date: Date): string {
  const day = date.getDate() - (date.getDay() + 6) % 7;
  return dayOf(new Date(date.getFullYear(), date.getMonth(), day));
}

function checkPolicy(policy: RetentionPolicy): void {
  for (const rule of ["last", ...PERIODS.map(({ rule }) => rule)] as const) {
    const count = policy[rule] ?? 0;
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new RangeError(
        `\`${rule}\` must be 0 or a positive integer: ${count}`,
      );
    }
  }
  for (const rule of [...AGES, "safety"] as const) {
    const age = policy[rule] ?? 0;
    if (!(age >= 0)) {
      throw new RangeError(
        `\`${rule}\` must be 0 or more milliseconds: ${age}`,
      );
    }
  }
}
