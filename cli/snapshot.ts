import { existsSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { dirname } from "node:path";
import process from "node:process";
import { Command } from "commander";
import {
  DeltarError,
  Dir,
  type FitResult,
  isFault,
  type Skipped,
  type SnapshotResult,
  VERSION_CONTROL,
} from "../mod.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { invocation } from "./invocation.ts";
import {
  cacheFolder,
  defaultRepository,
  isFolder,
  locate,
  openOrCreate,
} from "./location.ts";
import { fitFields, keepToSize, printFit } from "./max_size.ts";
import { parseBytes } from "./quantity.ts";
import { recordFields } from "./record_fields.ts";
import type { Shared } from "./shared.ts";
import {
  formatBytes,
  formatDuration,
  plural,
  shellWord,
  showPath,
} from "./text.ts";

interface Options extends Shared {
  label?: string;
  exclude: string[];
  gitignore?: boolean;
  excludeVcs?: boolean;
  maxSize?: number | "none";
  remember?: boolean;
  force?: boolean;
}

/** `deltar snapshot`. */
export function snapshotCommand(context: Context): Command {
  return new Command("snapshot")
    .argument("[dir]", "the directory", ".")
    .option("--label <text>", "what to call this snapshot")
    .option(
      "--exclude <pattern>",
      "leave out what matches, in gitignore's syntax; may be repeated",
      (pattern: string, all: string[]) => [...all, pattern],
      [],
    )
    .option("--gitignore", "leave out what .gitignore files name")
    .option("--exclude-vcs", "leave out .git/, .hg/ and .svn/")
    .option(
      "--max-size <size>",
      "keep the repository to this size, as 500M or 20GiB, by removing the " +
        "densest old snapshots for good, never the last; none for any size",
      (text: string) => text === "none" ? text : parseBytes(text),
    )
    .option("--remember", "have the repository remember its --max-size")
    .option("--force", "even of a home folder or a whole disk")
    .action(async (dir: string, options: Options) => {
      context.code = await run(dir, options, context.signal);
    });
}

async function run(
  directory: string,
  options: Options,
  signal: AbortSignal,
): Promise<number> {
  const out = new Console(options.json ?? false);
  const location = locate(options.repo, directory);
  const dir = new Dir(directory, {
    excludes: [
      ...options.exclude,
      ...options.excludeVcs ? VERSION_CONTROL : [],
    ],
    gitignore: options.gitignore ?? false,
    apart: [...isFolder(location) ? [location] : [], cacheFolder()],
  });
  if (
    isFolder(location) && existsSync(location) &&
    realpathSync(location) === realpathSync(dir.path)
  ) {
    throw new DeltarError(
      "exists",
      "a directory cannot be its own repository; name another with `--repo`",
      { object: location },
    );
  }
  if (!options.force) refuseTooMuch(dir.path);
  const repository = await openOrCreate(location);
  const started = performance.now();
  const result = await repository.snapshot(dir, {
    label: options.label,
    cache: cacheFolder(),
    onKept: (volumes) => {
      const size = volumes.reduce((sum, volume) => sum + volume.size, 0);
      out.warn(
        `what is finished is kept (${plural(volumes.length, "volume")}, ` +
          `${formatBytes(size)}): the next snapshot goes on from there`,
      );
    },
    signal,
    onSkip: (skipped) => tellOfSkipped(out, skipped),
    onDamage: (error) => {
      out.warn(`${error.message}; all files are stored anew`);
    },
    onProgress: ({ entries, bytes, path }) =>
      out.progress(
        () => `${plural(entries, "entry", "entries")}, ${formatBytes(bytes)}`,
        path,
        { bytes },
      ),
  });
  const elapsed = performance.now() - started;
  // The environment may be another when the line is typed.
  const named = Boolean(process.env.DELTAR_REPOSITORY) ||
    location !== defaultRepository(".");
  const restore = [
    invocation(),
    "restore",
    result.record.id,
    ...named ? ["--repo", shellWord(location)] : [],
    "--to",
    "restored",
  ].join(" ");
  const fit = await keepToSize(out, repository, options, signal);
  if (out.json) report(out, result, location, restore, fit);
  else print(out, result, location, restore, elapsed);
  if (fit !== undefined && !out.json) printFit(out, fit);
  if (fit !== undefined && fit.after > fit.maxSize) return EXIT.partial;
  return result.skipped.some(isFault) ? EXIT.partial : EXIT.done;
}

/** Nobody means all of a home folder or disk who does not say so. */
function refuseTooMuch(directory: string): void {
  const place = realpathSync(directory);
  const what = place === dirname(place)
    ? "a whole disk"
    : place === realPlace(homedir())
    ? "a home folder"
    : undefined;
  if (what === undefined) return;
  throw new DeltarError(
    "limit",
    `this is ${what}: name a folder in it, or add \`--force\``,
    { object: directory },
  );
}

function realPlace(place: string): string {
  return existsSync(place) ? realpathSync(place) : place;
}

function tellOfSkipped(out: Console, skipped: Skipped): void {
  const { path, reason, detail } = skipped;
  const text = `${showPath(path)}: ${reason}${detail ? `: ${detail}` : ""}`;
  if (isFault(skipped)) out.warn(text);
  else out.detail(text);
}

function report(
  out: Console,
  { record, isNew, skipped }: SnapshotResult,
  repository: string,
  restore: string,
  fit: FitResult | undefined,
): void {
  out.object("snapshot", {
    isNew,
    ...recordFields(record),
    repository,
    restore,
    skipped,
    ...fit && { size: fitFields(fit) },
  });
}

function print(
  out: Console,
  { record, isNew, skipped, diff }: SnapshotResult,
  location: string,
  restore: string,
  elapsed: number,
): void {
  const { counts } = record;
  const seen = [
    plural(counts.files, "file"),
    plural(counts.directories, "directory", "directories"),
    ...counts.links > 0 ? [plural(counts.links, "link")] : [],
  ].join(", ");
  if (!isNew) {
    out.line(
      `Nothing changed since snapshot ${record.id}; no new one is made.`,
    );
    out.line(`  seen        ${seen}, ${formatBytes(counts.bytes)}`);
    out.line(`  time        ${formatDuration(elapsed)}`);
  } else {
    out.line(`Snapshot ${record.id} of ${showPath(record.directory)}`);
    if (record.label) out.line(`  label       ${showPath(record.label)}`);
    out.line(`  seen        ${seen}, ${formatBytes(counts.bytes)}`);
    const { createdDirs, deletedDirs } = diff;
    out.line(
      `  created     ${plural(counts.created, "file")}${
        dirs(createdDirs.length)
      }`,
    );
    out.line(`  updated     ${plural(counts.updated, "file")}`);
    out.line(
      `  deleted     ${plural(counts.deleted, "file")}${
        dirs(deletedDirs.length)
      }`,
    );
    out.line(`  renamed     ${plural(counts.renamed, "file")}`);
    out.line(`  stored      ${formatBytes(counts.stored)}`);
    out.line(`  time        ${formatDuration(elapsed)}`);
  }
  out.line(`  repository  ${showPath(location)}`);
  const changed = skipped.filter(({ reason }) => reason === "changed").length;
  const faults = skipped.filter(isFault).length - changed;
  const ruled = skipped.length - changed - faults;
  if (ruled > 0) {
    out.line(`  left out    ${plural(ruled, "path")} by rule or kind`);
  }
  if (faults > 0) {
    out.line(`  not kept    ${plural(faults, "path")}, named above`);
  }
  if (changed > 0) {
    out.line(
      `  changing    ${
        plural(changed, "file")
      }, named above: kept as it was read`,
    );
  }
  out.line(`Restore it with:\n  ${restore}`);
}

function dirs(count: number): string {
  return count > 0 ? ` and ${plural(count, "directory", "directories")}` : "";
}
