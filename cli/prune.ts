import { Command } from "commander";
import type {
  PruneOptions,
  PrunePlan,
  PruneResult,
  RetentionPolicy,
} from "../mod.ts";
import {
  DEFAULT_GRACE_MS,
  describeUnusual,
  type Judgement,
  type PruneProgress,
  type Unusual,
  type Watched,
} from "../lib/repository/mod.ts";
import { formatBytes, formatCount, plural } from "../shared/text.ts";
import { ask, canAsk } from "./ask.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { perDirectory, previewLines } from "./prune_preview.ts";
import { parseCount, parseDuration } from "./quantity.ts";
import { percentage } from "./rate.ts";
import { recordFields } from "./record_fields.ts";
import { formatDate, formatDuration, showPath } from "./text.ts";

interface Options extends CommonOptions {
  keepLast?: number;
  keepHourly?: number;
  keepDaily?: number;
  keepWeekly?: number;
  keepMonthly?: number;
  keepYearly?: number;
  keepLabel: string[];
  keepWithin?: number;
  keepWithinHourly?: number;
  keepWithinDaily?: number;
  keepWithinWeekly?: number;
  keepSafety?: number;
  grace?: number;
  acceptUnusual?: boolean;
  dryRun?: boolean;
}

/** Makes the command `deltar prune`. */
export function pruneCommand(context: Context): Command {
  const command = new Command("prune")
    .description(
      "Remove snapshots by rules, and free the space of snapshots whose grace " +
        "period is over. The rules apply to each directory separately. A " +
        "snapshot is kept if any rule keeps it. Without any rule, every " +
        "snapshot is kept. The last snapshot of each directory is always kept. " +
        "A rule of 0 has no effect, except --keep-safety 0",
    )
    .option("--keep-last <n>", "Keep the newest n snapshots", parseCount);
  for (const period of ["hour", "day", "week", "month", "year"]) {
    command.option(
      `--keep-${adverb(period)} <n>`,
      `Keep the newest snapshot of each of the last n ${period}s that have one`,
      parseCount,
    );
  }
  command
    .option(
      "--keep-label <text>",
      "Keep snapshots with this label, * for any label; may be repeated",
      (label: string, all: string[]) => [...all, label],
      [],
    )
    .option(
      "--keep-within <time>",
      "Keep all snapshots that are at most this much older than the newest one " +
        "(12h, 30d, 1y6m)",
      parseDuration,
    );
  for (const period of ["hour", "day", "week"]) {
    command.option(
      `--keep-within-${adverb(period)} <time>`,
      `Like --keep-within, but keep only the newest snapshot of each ${period}`,
      parseDuration,
    );
  }
  return command
    .option(
      "--keep-safety <time>",
      "Keep safety snapshots for this time, and always the last one of each " +
        "directory (default: 30d if there is another rule)",
      parseDuration,
    )
    .option(
      "--grace <time>",
      "Allow removed snapshots to be brought back for this time (default: 7d)",
      parseDuration,
    )
    .option(
      "--accept-unusual",
      "Remove snapshots without asking, even if a directory has unusually " +
        "many new snapshots or was emptied",
    )
    .option("--dry-run", "Show what would be removed without removing anything")
    .action(async (options: Options) => {
      context.code = await run(context, options);
    });
}

function adverb(period: string): string {
  return period === "day" ? "daily" : `${period}ly`;
}

async function run(context: Context, options: Options): Promise<number> {
  const { signal } = context;
  const { out, repository } = await begin(context, options);
  const policy = policyOf(options);
  const { grace = DEFAULT_GRACE_MS } = options;
  const prune: PruneOptions = {
    grace,
    signal,
    onProgress: (progress) => tell(out, progress),
    onUnusual: (unusual) => isAccepted(context, out, unusual, options),
  };
  if (options.dryRun) {
    const plan = await repository.planPrune(policy, prune);
    if (out.json) out.object("prune", { dryRun: true, ...planFields(plan) });
    else printPlan(out, plan, { policy, grace });
    return EXIT.done;
  }
  const result = await repository.prune(policy, prune);
  const code = result.missing.length + result.damaged.length > 0
    ? EXIT.partial
    : EXIT.done;
  for (const name of result.missing) {
    out.warn(
      `${name}: missing, but needed; \`deltar verify\` shows which files are ` +
        "affected",
    );
  }
  for (const name of result.damaged) {
    out.warn(
      `${name}: damaged, so this volume was not repacked; \`deltar verify ` +
        "--data` shows which files are affected",
    );
  }
  if (result.isClockDoubted) {
    out.warn(
      "this machine's clock seems to be far ahead of the times recorded in " +
        "the repository, so the space of removed snapshots was not freed. If " +
        "the clock is right, run `deltar prune` again: the next prune trusts " +
        "the clock.",
    );
  }
  if (out.json) {
    const { judgements, removed, ...rest } = result;
    out.object("prune", {
      dryRun: false,
      ...judgementFields(judgements),
      removed: removed.map(({ id }) => id),
      ...rest,
    });
  } else printResult(out, result, { policy, grace });
  return code;
}

/**
 * Asks the user whether to remove snapshots even though new ones are unusual,
 * and returns whether the user agrees. With `--accept-unusual`, returns `true`
 * without asking. Otherwise, returns `false` with `--json` or if there is no
 * terminal.
 */
async function isAccepted(
  { signal }: Context,
  out: Console,
  unusual: readonly Unusual[],
  { acceptUnusual = false }: Options,
): Promise<boolean> {
  if (acceptUnusual || out.json || !canAsk()) return acceptUnusual;
  for (const one of unusual) out.warn(describeUnusual(one));
  return await ask(out, "Remove snapshots by the rules anyway?", signal);
}

function policyOf(options: Options): RetentionPolicy {
  return {
    last: options.keepLast,
    hourly: options.keepHourly,
    daily: options.keepDaily,
    weekly: options.keepWeekly,
    monthly: options.keepMonthly,
    yearly: options.keepYearly,
    labels: options.keepLabel,
    within: options.keepWithin,
    withinHourly: options.keepWithinHourly,
    withinDaily: options.keepWithinDaily,
    withinWeekly: options.keepWithinWeekly,
    safety: options.keepSafety,
  };
}

/** Returns whether a policy has at least one rule that has an effect. */
function hasRules(
  { labels = [], safety, ...others }: RetentionPolicy,
): boolean {
  return labels.length > 0 || safety !== undefined ||
    Object.values(others).some(Boolean);
}

/**
 * Shows the progress of a prune, or of freeing space for a size limit. Prints a
 * warning before deltar waits for other runs.
 */
export function tell(out: Console, progress: PruneProgress): void {
  const { phase, done, all, waitsFor } = progress;
  if (waitsFor !== undefined) out.warn(describeWaiting(waitsFor));
  const texts = {
    waiting: "waiting to see whether another run is still active",
    reading: "finding the objects that are needed",
    deleting: "deleting objects that are not needed",
    repacking: "repacking volumes",
  };
  out.progress(
    () => all > 1 ? `${percentage(done, all)}, ${texts[phase]}` : texts[phase],
    all > 1 ? `${formatCount(done)} of ${formatCount(all)}` : "",
  );
}

function describeWaiting({ ids, process, most }: Watched): string {
  const who = process === undefined ? "" : ` (process ${process})`;
  return `waiting up to ${
    formatDuration(most)
  }, because another deltar might ` +
    `still be running: ${ids.join(", ")}${who}`;
}

function judgementFields(
  judgements: readonly Judgement[],
): Record<string, unknown> {
  return {
    snapshots: judgements.map((
      { record, keep, reasons, isCounted, lateBy },
    ) => ({
      ...recordFields(record),
      keep,
      reasons,
      isCounted,
      ...lateBy !== undefined && { lateBy },
    })),
  };
}

function planFields(plan: PrunePlan): Record<string, unknown> {
  return {
    ...judgementFields(plan.judgements),
    unusual: plan.unusual,
    frees: Object.fromEntries(plan.frees),
    removed: plan.removed.map(({ id }) => id),
    freed: plan.freed,
    stored: plan.stored,
  };
}

function printPlan(
  out: Console,
  plan: PrunePlan,
  { policy, grace }: { policy: RetentionPolicy; grace: number },
): void {
  const { judgements, freed, stored } = plan;
  for (const line of previewLines(judgements, policy, plan.frees)) {
    out.line(line);
  }
  const going = judgements.filter(({ keep }) => !keep).length;
  const all = plural(judgements.length, "snapshot");
  if (going === 0) out.line(`Would remove none of ${all}.`);
  else if (grace === 0) {
    out.line(
      `Would remove ${formatCount(going)} of ${all}. ` +
        `${going === 1 ? "It" : "They"} could not be brought back afterwards.`,
    );
  } else {
    out.line(
      `Would remove ${formatCount(going)} of ${all}. ` +
        untilFreed("snapshot", Array(going).fill(Date.now() + grace)),
    );
  }
  const earlier = plural(plan.removed.length, "earlier removal");
  const amount = `${formatBytes(freed)} of ${formatBytes(stored)}`;
  if (plan.removed.length > 0) {
    const which = going > 0 ? `This removal and ${earlier}` : earlier;
    out.line(`${which} would free ${amount}.`);
  } else if (going > 0) out.line(`This removal would free ${amount}.`);
  if (hasRules(policy)) printExtra(out, judgements);
  for (const unusual of plan.unusual) {
    out.warn(
      `${describeUnusual(unusual)}. \`deltar prune\` asks before it removes ` +
        "anything, and without a terminal it fails.",
    );
  }
}

/**
 * Returns the sentence that says when the space of removed snapshots is freed.
 * If a grace period is not over, the sentence also says how to bring the
 * snapshots back.
 *
 * @param noun The noun for one of the snapshots, such as `removed snapshot`.
 * @param ends The ends of the grace periods of the snapshots, in milliseconds
 * since 1970.
 */
function untilFreed(noun: string, ends: readonly number[]): string {
  const sorted = ends.toSorted((a, b) => a - b);
  const [first, last] = [sorted[0], sorted[sorted.length - 1]];
  const what = `the space of ${plural(ends.length, noun)}`;
  if (last <= Date.now()) return `The next prune frees ${what}.`;
  const [from, to] = [first, last].map((end) => formatDate(end).slice(0, -3));
  const them = ends.length === 1 ? "it" : "them";
  const prunes = from === to
    ? `The first prune after ${to} frees`
    : `Prunes from ${from} to ${to} free`;
  return `${prunes} ${what}; until then, \`deltar undelete\` brings ${them} back.`;
}

/**
 * Prints the number of snapshots that the rules do not count, if there are any,
 * and the ids of any later snapshots because of which they are not counted.
 *
 * @param advice A sentence that says how to show the reasons, with a space at
 * its end, or `""`.
 */
function printExtra(
  out: Console,
  judgements: readonly Judgement[],
  advice = "",
): void {
  const extra = judgements.filter(({ isCounted }) => !isCounted).length;
  if (extra === 0) return;
  out.line(
    `The rules do not count ${plural(extra, "snapshot")}, which ` +
      `${extra === 1 ? "is" : "are"} kept. ${advice}` +
      "`deltar forget` removes a snapshot.",
  );
  const late = Map.groupBy(
    judgements.filter(({ lateBy }) => lateBy !== undefined),
    ({ lateBy }) => lateBy,
  );
  for (const [by, { length, [0]: { record: { directory } } }] of late) {
    out.line(
      `The rules do not count ${plural(length, "snapshot")} of ` +
        `${showPath(directory)}, because the repository did not have ` +
        `${length === 1 ? "it" : "them"} when snapshot ${by} was taken. ` +
        "`deltar list` shows all snapshots. If you did not take " +
        `snapshot ${by}, \`deltar forget ${by}\` makes the rules count ` +
        `${length === 1 ? "this snapshot" : "these snapshots"} again.`,
    );
  }
}

function printResult(
  out: Console,
  result: PruneResult,
  { policy, grace }: { policy: RetentionPolicy; grace: number },
): void {
  const { judgements, purged, deleted, repacked, removed, waiting } = result;
  const gone = judgements.filter(({ keep }) => !keep);
  const lines = perDirectory(
    gone,
    ({ name, items }) => [
      `${name}: removed ${plural(items.length, "snapshot")}, ${span(items)}`,
    ],
    (rest) => `removed ${plural(rest.length, "snapshot")}`,
  );
  for (const line of lines) out.line(line);
  const done = [
    ...gone.length > 0
      ? [
        `Removed ${formatCount(gone.length)} of ` +
        plural(judgements.length, "snapshot"),
      ]
      : [],
    ...purged.length > 0
      ? [`Purged ${plural(purged.length, "removed snapshot")}`]
      : [],
    ...deleted > 0
      ? [
        `Deleted ${plural(deleted, "object")} and freed ` +
        formatBytes(result.freed),
      ]
      : [],
    ...repacked > 0 ? [`Repacked ${plural(repacked, "volume")}`] : [],
  ];
  const later = [
    ...removed.length > 0
      ? [
        untilFreed(
          "removed snapshot",
          removed.map(({ time }) => time + grace),
        ),
      ]
      : [],
    ...waiting.objects > 0
      ? [
        `${plural(waiting.objects, "object")} ` +
        `(${formatBytes(waiting.bytes)}) will be deleted after the grace ` +
        "period.",
      ]
      : [],
  ];
  const size = `The repository uses ${formatBytes(result.stored)}.`;
  if (done.length === 0) {
    const kept = plural(judgements.length, "snapshot");
    out.line(
      [`Nothing to remove or free: kept ${kept}.`, size, ...later].join(" "),
    );
  } else {
    out.line(`${done.join(". ")}. ${size}`);
    for (const line of later) out.line(line);
  }
  if (hasRules(policy)) {
    printExtra(
      out,
      judgements,
      "`deltar prune --dry-run` with the same rules shows the reasons. ",
    );
  }
}

/**
 * Returns the days of the oldest and the newest snapshot in words, such as
 * `from 2026-11-01 to 2026-11-08`.
 */
function span(judgements: readonly Judgement[]): string {
  const [from, to] = [judgements[0], judgements[judgements.length - 1]]
    .map(({ record }) => formatDate(record.time).slice(0, 10));
  return from === to ? `of ${from}` : `from ${from} to ${to}`;
}
