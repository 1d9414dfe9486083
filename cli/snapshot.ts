import { Command } from "commander";
import type { Skipped, SnapshotResult } from "../mod.ts";
import { type FitResult, placeOf } from "../lib/repository/mod.ts";
import { isFault } from "../lib/tree/mod.ts";
import { formatBytes, plural } from "../shared/text.ts";
import { countWords } from "./count_words.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import {
  changeFields,
  changeLines,
  rootChange,
  skipOf,
  skipsByPath,
  withoutMoved,
} from "./change_line.ts";
import { EXIT } from "./exit.ts";
import { addFilesFromOptions } from "./files_from.ts";
import { INIT } from "./known_places.ts";
import { parseLabel } from "./label_text.ts";
import { fitFields, isTooLarge, keepToSize, printFit } from "./max_size.ts";
import { addCreateOptions } from "./open_repository.ts";
import { toPattern, unmatched } from "./patterns.ts";
import { recordFields } from "./record_fields.ts";
import { restoreBeside } from "./printed_lines.ts";
import {
  addStreamOptions,
  type Stream,
  streamOf,
  type StreamOptions,
  takeStream,
} from "./stream_source.ts";
import {
  addTakeOptions,
  sourceOf,
  type Taken,
  type TakeOptions,
  takeSnapshot,
  WITHOUT_XATTRS,
} from "./take_snapshot.ts";
import { formatDuration, showPath, showText } from "./text.ts";

interface Options extends TakeOptions, StreamOptions {
  remember?: boolean;
  acceptUnusual?: boolean;
  json?: boolean;
}

/** Makes the command `deltar snapshot`. */
export function snapshotCommand(context: Context): Command {
  const command = addFilesFromOptions(addTakeOptions(new Command("snapshot")));
  return addStreamOptions(addCreateOptions(command))
    .argument(
      "[dir...]",
      "The directory, or several directories for one snapshot of all of them " +
        "(default: the directory with snapshots that contains the current " +
        "directory, or else the current directory); with " +
        "--stdin-from-command, the words of the command",
    )
    .option("--label <text>", "Give the snapshot this label", parseLabel)
    .option("--init", INIT)
    .option(
      "--continue-from <dir>",
      "Continue the snapshots of a directory that was moved from this path",
    )
    .option("--remember", "Store --max-size in the repository")
    .option(
      "--accept-unusual",
      "Apply --max-size even if a directory has unusually many new snapshots " +
        "or was emptied",
    )
    .option(
      "--dry-run",
      "Show what would be read and stored, without writing anything",
    )
    .action(async (dirs: string[], options: Options, command: Command) => {
      const stream = streamOf(command, dirs);
      context.code = await run(context, dirs, options, stream);
    });
}

async function run(
  context: Context,
  directories: string[],
  options: Options,
  stream: Stream | undefined,
): Promise<number> {
  const { signal } = context;
  const out = new Console(context, options.json ?? false);
  const started = performance.now();
  const taken = stream === undefined
    ? await takeSnapshot(context, out, sourceOf(...directories), options)
    : await takeStream(context, out, stream, options);
  const elapsed = performance.now() - started;
  const { repository, location, result } = taken;
  if (taken.lacksXattrs) out.note(WITHOUT_XATTRS);
  const typed = new Map(
    options.exclude?.map((
      text,
    ) => [toPattern(text, placeOf(result.record)), text]),
  );
  const idle = unmatched([...typed.keys()], result.skipped)
    .map((pattern) => typed.get(pattern) ?? pattern);
  for (const pattern of idle) {
    out.note(`--exclude ${showText(pattern)}: this pattern excludes nothing`);
  }
  const isFaulty = result.skipped.some(isFault);
  if (options.dryRun) {
    if (out.json) reportDryRun(out, taken, idle);
    else printDryRun(out, taken, elapsed);
    return isFaulty ? EXIT.partial : EXIT.done;
  }
  const restore = restoreBeside(result.record, location);
  context.interrupted =
    "the snapshot is complete, but the size limit might not have been applied";
  const fit = await keepToSize(out, repository, options, signal);
  if (out.json) report(out, result, location, restore, idle, fit);
  else print(out, result, location, restore, elapsed, options.time);
  if (fit !== undefined && !out.json) printFit(out, fit);
  if (fit !== undefined && isTooLarge(fit)) return EXIT.partial;
  return isFaulty ? EXIT.partial : EXIT.done;
}

function report(
  out: Console,
  { record, isNew, skipped, ahead }: SnapshotResult,
  repository: string,
  restore: string,
  idle: readonly string[],
  fit: FitResult | undefined,
): void {
  out.object("snapshot", {
    isNew,
    ...recordFields(record),
    repository,
    restore,
    xattrs: record.root.xattrs !== undefined,
    skipped,
    ...ahead && {
      ahead: { id: ahead.id, time: new Date(ahead.time).toISOString() },
    },
    unmatched: idle,
    ...fit && { size: fitFields(fit) },
  });
}

function print(
  out: Console,
  result: SnapshotResult,
  location: string,
  restore: string,
  elapsed: number,
  time: number | undefined,
): void {
  const { record, isNew, skipped } = result;
  const seen = countWords(record.counts);
  if (!isNew) {
    out.line(
      time === undefined
        ? `Nothing changed since snapshot ${record.id}. No snapshot was made.`
        : `Snapshot ${record.id} already has this time. No snapshot was made.`,
    );
    out.line(`  found       ${seen}`);
    out.line(`  time        ${formatDuration(elapsed)}`);
  } else {
    out.line(`Snapshot ${record.id} of ${showPath(record.directory)}`);
    if (record.label) out.line(`  label       ${showPath(record.label)}`);
    out.line(`  found       ${seen}`);
    printCounts(out, result);
    out.line(`  time        ${formatDuration(elapsed)}`);
  }
  out.line(`  repository  ${showPath(location)}`);
  printSkipped(out, skipped);
  out.line(`Restore it with:\n  ${restore}`);
}

function printCounts(
  out: Console,
  { record: { counts }, diff }: SnapshotResult,
): void {
  const { createdDirs, deletedDirs } = diff.counts;
  out.line(
    `  created     ${plural(counts.created, "file")}${dirs(createdDirs)}`,
  );
  out.line(`  updated     ${plural(counts.updated, "file")}`);
  out.line(
    `  deleted     ${plural(counts.deleted, "file")}${dirs(deletedDirs)}`,
  );
  out.line(`  renamed     ${plural(counts.renamed, "file")}`);
  out.line(`  stored      ${formatBytes(counts.stored)}`);
}

/**
 * Prints the numbers of paths that were excluded, that were skipped, and that
 * changed while being read. Omits a number that is 0.
 */
function printSkipped(out: Console, skipped: readonly Skipped[]): void {
  const changed = skipped.filter(({ reason }) => reason === "changed").length;
  const faults = skipped.filter(isFault).length - changed;
  const ruled = skipped.length - changed - faults;
  if (ruled > 0) {
    out.line(`  excluded    ${plural(ruled, "path")}`);
  }
  if (faults > 0) {
    out.line(`  skipped     ${plural(faults, "path")}, named above`);
  }
  if (changed > 0) {
    out.line(
      `  changing    ${
        plural(changed, "file")
      } (named above) changed while being ` +
        "read; what was read was stored",
    );
  }
}

/** Prints what a snapshot would read and store. */
function printDryRun(
  out: Console,
  { result, location, read, before, isNewRepository }: Taken,
  elapsed: number,
): void {
  const { record, isNew, diff, skipped } = result;
  if (!isNew) {
    out.line(
      `Nothing changed since snapshot ${record.id}. No snapshot would be made.`,
    );
  } else {
    out.line(`Would take a snapshot of ${showPath(record.directory)}`);
    if (before !== undefined) {
      const skips = skipsByPath(skipped);
      const changes = [
        ...rootChange(before, record),
        ...withoutMoved(diff.changes),
      ];
      const rest = "; `--json` shows all";
      for (const line of changeLines(changes, [before, record], skips, rest)) {
        out.line(`  ${line}`);
      }
    }
  }
  out.line(`  found       ${countWords(record.counts)}`);
  if (isNew) printCounts(out, result);
  out.line(`  read        ${formatBytes(read)}`);
  out.line(`  time        ${formatDuration(elapsed)}`);
  const created = isNewRepository ? ", which would be created" : "";
  out.line(`  repository  ${showPath(location)}${created}`);
  printSkipped(out, skipped);
  out.line("This was a dry run. Nothing was written.");
}

/** Prints what a snapshot would read and store, as JSON. */
function reportDryRun(
  out: Console,
  { result, location, read, before, isNewRepository }: Taken,
  idle: readonly string[],
): void {
  const { record, isNew, diff, skipped } = result;
  const { directory, common, label, counts } = record;
  const skips = skipsByPath(skipped);
  const changes = [
    ...before === undefined ? [] : rootChange(before, record),
    ...withoutMoved(diff.changes),
  ];
  out.object("snapshot", {
    dryRun: true,
    isNew,
    directory,
    common,
    label,
    parent: before?.id,
    counts,
    read,
    repository: location,
    isNewRepository,
    changes: changes.map((change) =>
      changeFields(change, skipOf(change, skips))
    ),
    skipped,
    unmatched: idle,
  });
}

function dirs(count: number): string {
  return count > 0 ? ` and ${plural(count, "directory", "directories")}` : "";
}
