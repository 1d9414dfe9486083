/**
 * A calendar of the snapshots that a prune keeps or removes: for each
 * directory, the snapshots from the oldest to the newest, with the rules that
 * keep them. If more than three consecutive snapshots are removed, or are kept
 * by the same rules, they share a line. The number of lines is limited.
 *
 * @module
 */
import type { RetentionPolicy } from "../mod.ts";
import type { Judgement, KeepReason, KeepRule } from "../lib/repository/mod.ts";
import { formatBytes, formatCount, plural } from "../shared/text.ts";
import { byDirectory, type DirectoryGroup } from "./by_directory.ts";
import { shortIds } from "./short_ids.ts";
import { paint } from "./terminal.ts";
import { columnsOf, formatDate, formatDuration, showPath } from "./text.ts";

/** The maximum number of directories that are shown. */
const MAX_DIRECTORIES = 20;

/** The maximum number of lines that are shown for a directory. */
const MAX_LINES = 30;

/**
 * The maximum number of consecutive snapshots, all removed or all kept by the
 * same rules, that are shown on separate lines. A larger number shares a line.
 */
const MAX_SINGLE = 3;

/** The words for the two actions. Both have the same number of columns. */
const [KEEP, REMOVE] = ["keep  ", "remove"];

/** An hour, in milliseconds. */
const HOUR_MS = 3_600_000;

/** The values that the calendars of all directories share. */
interface Preview {
  /** The rules. */
  policy: RetentionPolicy;
  /** The number of bytes that removing each snapshot frees, by snapshot id. */
  frees: ReadonlyMap<string, number>;
  /** The short form of each snapshot id, by the whole id. */
  shortened: ReadonlyMap<string, string>;
}

/**
 * Returns the lines of the calendar.
 *
 * @param judgements The judgement on each snapshot, the oldest first.
 * @param policy The rules.
 * @param frees The number of bytes that removing each snapshot frees, by
 * snapshot id.
 */
export function previewLines(
  judgements: readonly Judgement[],
  policy: RetentionPolicy,
  frees: ReadonlyMap<string, number>,
): string[] {
  const records = judgements.map(({ record }) => record);
  const shortened = shortIds(
    records.map(({ id }) => id),
    records.flatMap(({ label }) => label ?? []),
  );
  const preview = { policy, frees, shortened };
  return perDirectory(
    judgements,
    ({ name, items }) => {
      const removed = items.filter(({ keep }) => !keep);
      const freed = removed.length > 0
        ? `, frees ${formatBytes(sum(removed, frees))}`
        : "";
      return [
        `${paint("bold", name)}: ${keepsWords(items)}${freed}`,
        ...calendar(preview, items).map((line) => `  ${line}`),
      ];
    },
    keepsWords,
  );
}

/**
 * Returns lines for each directory. If there are more than `MAX_DIRECTORIES`,
 * returns the lines of those with the most removed snapshots, and one line for
 * all other directories.
 *
 * @param judgements The judgement on each snapshot.
 * @param lines Called with the name of a directory and the judgements on its
 * snapshots. Returns the lines of the directory.
 * @param sum Called with the judgements on the snapshots of the directories
 * that are not shown. Returns what happens to them, in words.
 */
export function perDirectory(
  judgements: readonly Judgement[],
  lines: (group: DirectoryGroup<Judgement>) => string[],
  sum: (judgements: readonly Judgement[]) => string,
): string[] {
  const groups = byDirectory(judgements, ({ record }) => record);
  const shown = new Set(
    groups.toSorted((a, b) => removedIn(b) - removedIn(a))
      .slice(0, MAX_DIRECTORIES),
  );
  const rest = groups.filter((group) => !shown.has(group));
  return [
    ...groups.filter((group) => shown.has(group)).flatMap(lines),
    ...rest.length === 0 ? [] : [
      `${plural(rest.length, "more directory", "more directories")}: ` +
      sum(rest.flatMap(({ items }) => items)),
    ],
  ];
}

function keepsWords(judgements: readonly Judgement[]): string {
  const kept = judgements.filter(({ keep }) => keep).length;
  return `keeps ${formatCount(kept)} of ` +
    plural(judgements.length, "snapshot");
}

function removedIn({ items }: DirectoryGroup<Judgement>): number {
  return items.filter(({ keep }) => !keep).length;
}

/** Returns the lines of one directory, with aligned columns. */
function calendar(preview: Preview, items: readonly Judgement[]): string[] {
  const rows = rowsOf(items);
  const older = rows.slice(0, -MAX_LINES).flat();
  const shown = rows.slice(-MAX_LINES);
  const cells = shown.map((row) => cellsOf(preview, row));
  const widths = [0, 1, 2].map((at) =>
    Math.max(...cells.map((row) => columnsOf(row[at])))
  );
  return [
    ...older.length === 0 ? [] : [
      `before ${minute(shown[0][0].record.time)}: ${keepsWords(older)}; ` +
      "`--json` names all",
    ],
    ...cells.map((row) => {
      const [what, ...others] = row.map((cell, at) =>
        cell + " ".repeat(Math.max(0, (widths[at] ?? 0) - columnsOf(cell)))
      );
      // `columnsOf` would count color codes, so a cell is painted only after it
      // has been padded.
      const painted = row[0] === REMOVE ? paint("yellow", what) : what;
      return [painted, ...others].join("  ").trimEnd();
    }),
  ];
}

/**
 * Splits snapshots into rows. Each row has one snapshot, or more than
 * `MAX_SINGLE` consecutive snapshots that are all removed or are all kept by
 * the same rules.
 */
function rowsOf(items: readonly Judgement[]): Judgement[][] {
  const runs: Judgement[][] = [];
  let last: string | undefined;
  for (const item of items) {
    const key = rulesOf(item).map(({ rule, text }) =>
      rule === "uncounted" ? text : rule
    ).join();
    if (key === last) runs.at(-1)?.push(item);
    else runs.push([item]);
    last = key;
  }
  return runs.flatMap((run) =>
    run.length > MAX_SINGLE ? [run] : run.map((item) => [item])
  );
}

/**
 * Returns the rules that keep a snapshot. The rule `newest` is omitted if
 * another rule keeps the snapshot, too.
 */
function rulesOf({ rules }: Judgement): readonly KeepReason[] {
  const others = rules.filter(({ rule }) => rule !== "newest");
  return others.length > 0 ? others : rules;
}

/**
 * Returns the cells of a row: the action, the times, the snapshots, and the
 * rules that keep them or the number of bytes that their removal frees.
 */
function cellsOf(
  { policy, frees, shortened }: Preview,
  row: readonly Judgement[],
): [string, string, string, string] {
  const [{ keep, record: { id, label, time } }] = row;
  const last = row[row.length - 1];
  const isSingle = row.length === 1;
  return [
    keep ? KEEP : REMOVE,
    isSingle
      ? minute(time)
      : `${minute(time)} to ${
        minute(last.record.time).slice(
          isSameDay(time, last.record.time) ? 11 : 0,
        )
      }`,
    isSingle
      ? [shortened.get(id) ?? id, label && showPath(label)].filter(Boolean)
        .join("  ")
      : plural(row.length, "snapshot"),
    keep
      ? whyOf(row, policy).join("; ")
      : `frees ${formatBytes(sum(row, frees))}`,
  ];
}

function minute(time: number): string {
  return formatDate(time).slice(0, -3);
}

function isSameDay(time: number, other: number): boolean {
  return minute(time).slice(0, 10) === minute(other).slice(0, 10);
}

function sum(
  judgements: readonly Judgement[],
  frees: ReadonlyMap<string, number>,
): number {
  return judgements.reduce(
    (sum, { record }) => sum + (frees.get(record.id) ?? 0),
    0,
  );
}

/** Returns the rules that keep the snapshots of a row, in words. */
function whyOf(
  row: readonly Judgement[],
  policy: RetentionPolicy,
): string[] {
  const [first, last] = [rulesOf(row[0]), rulesOf(row[row.length - 1])];
  return first.map((reason, index) => {
    const { rule, text, at } = reason;
    const name = NAMES[rule];
    if (at !== undefined) {
      const least = last[index].at ?? at;
      const most = formatCount(Number(policy[rule as "last"]));
      const which = least === at ? at : `${least} to ${at}`;
      return `${name}, ${which} of ${most}`;
    }
    const age = policy[rule as "within"];
    return name === undefined
      ? text
      : typeof age === "number"
      ? `${name} ${formatAge(age)}`
      : name;
  });
}

/**
 * The names of rules in the calendar. A number or a maximum age can follow a
 * name.
 */
const NAMES: Readonly<Partial<Record<KeepRule, string>>> = {
  last: "last",
  hourly: "hourly",
  daily: "daily",
  weekly: "weekly",
  monthly: "monthly",
  yearly: "yearly",
  within: "within",
  withinHourly: "hourly within",
  withinDaily: "daily within",
  withinWeekly: "weekly within",
  labels: "labelled",
  none: "no rule is given",
};

/** Formats the maximum age of a rule, such as `30 days` or `12 hours`. */
function formatAge(milliseconds: number): string {
  const hours = milliseconds / HOUR_MS;
  if (hours % 24 === 0) return plural(hours / 24, "day");
  if (hours % 1 === 0) return plural(hours, "hour");
  return formatDuration(milliseconds);
}
