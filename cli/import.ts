import { statSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import process from "node:process";
import { Command, Option } from "commander";
import { DeltarError, Dir, type Repository, type Skipped } from "../mod.ts";
import { directorySet, isFault, truePlace, Walker } from "../lib/tree/mod.ts";
import { codeOf } from "../shared/error_code.ts";
import { formatBytes, plural } from "../shared/text.ts";
import type { CommonOptions } from "./begin.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import {
  addExcludeOptions,
  type ExcludeOptions,
  patternsOf,
  rulesOf,
} from "./exclude_options.ts";
import { EXIT } from "./exit.ts";
import { invocation } from "./invocation.ts";
import { INIT } from "./known_places.ts";
import {
  absolute,
  cacheFolder,
  isFolder,
  locate,
  userFolder,
} from "./location.ts";
import {
  addCreateOptions,
  openOrCreate,
  openRepository,
  sharingOf,
} from "./open_repository.ts";
import { takenTimes } from "./taken_times.ts";
import {
  describeKept,
  tellOfDamage,
  tellOfSkipped,
  WITHOUT_XATTRS,
} from "./take_snapshot.ts";
import { formatDate, shellWord, showPath } from "./text.ts";
import { timestampIn } from "./timestamp.ts";
import { tellIndexProgress } from "./index_progress.ts";

interface Options extends CommonOptions, ExcludeOptions {
  source: string;
  timeFrom?: TimeFrom;
  skipOlder?: boolean;
  dryRun?: boolean;
  xattrs?: boolean;
  init?: boolean;
  encrypt?: boolean;
  shared?: boolean;
  sharedWrite?: boolean;
}

/** The source of a directory's time: its name or its modification time. */
type TimeFrom = "name" | "mtime";

/** A directory to import. */
interface Dated {
  /** The absolute path. */
  path: string;
  /** The time, in milliseconds since 1970. */
  time: number;
  timeFrom: TimeFrom;
}

/** A directory to import, with its state. */
interface Planned extends Dated {
  /**
   * The state: `new` if a snapshot must be taken, `present` if the snapshot
   * already exists, `older` if the directory is skipped because it is older
   * than the last snapshot.
   */
  state: "new" | "present" | "older";
  /** The id of the snapshot, if there is one. */
  id?: string;
}

/** The pattern of the names of directories that rsnapshot makes and rotates. */
const ROTATED =
  /^(?:hourly|daily|weekly|monthly|yearly|alpha|beta|gamma|delta|sync|backup)\.\d+$/;

/** The pattern of the names of incomplete backups, such as Time Machine's. */
const INCOMPLETE = /\.(?:inProgress|interrupted|incomplete|partial)$/i;

/** Makes the command `deltar import`. */
export function importCommand(context: Context): Command {
  return addCreateOptions(addExcludeOptions(new Command("import")))
    .description(
      "Take a snapshot of each dated directory, oldest first. Dated " +
        "directories are made by rsnapshot, Time Machine or `rsync " +
        "--link-dest`, for example. The snapshots have the times of the " +
        "directories. Directories that were imported before are skipped",
    )
    .argument("<dir...>", "The dated directories, such as /backups/daily.*")
    .option(
      "--source <dir>",
      "Import the dated directories as snapshots of this directory " +
        "(required), even if this directory does not exist",
    )
    .addOption(
      new Option(
        "--time-from <origin>",
        "Take the times from the names or from the modification times of the " +
          "directories (default: from names with a date, and from the " +
          "modification times of directories such as daily.0)",
      ).choices(["name", "mtime"]),
    )
    .option(
      "--skip-older",
      "Skip directories that are older than the last snapshot",
    )
    .option("--dry-run", "Show the times, and import nothing")
    .option("--no-xattrs", "Do not store extended attributes and ACLs")
    .option("--init", INIT)
    .action(async (dirs: string[], options: Options, command: Command) => {
      // Without `--source`, the snapshots would be snapshots of the folder that
      // contains the backups. A restore in place could then delete the backups.
      if (options.source === undefined) {
        command.error(
          "error: missing source: add `--source <dir>` with the directory that " +
            "the dated directories are backups of",
          { exitCode: EXIT.usage },
        );
      }
      context.code = await run(context, dirs, options);
    });
}

async function run(
  context: Context,
  words: string[],
  options: Options,
): Promise<number> {
  const out = new Console(context, options.json ?? false);
  const paths = [...new Set(words.map(absolute))];
  for (const path of paths) new Walker(path);
  const source = absolute(options.source);
  const dated = datedOf(paths, folderOf(paths), options.timeFrom);
  const location = locate(options.repo, source);
  const repository = options.dryRun
    ? await openIfThere(context, options.repo, source)
    : await openOrCreate(context, location, {
      init: options.init,
      encrypt: options.encrypt,
      shared: sharingOf(options),
    });
  const plan = await planOf(out, repository, source, dated, options);
  if (!options.dryRun && repository !== undefined) {
    return await importAll(context, out, repository, source, plan, options);
  }
  const dryRun = true;
  report(out, { location, source, plan, dryRun, stored: 0, faults: 0 });
  return EXIT.done;
}

/** Returns the folder that contains all of the directories. */
function folderOf(paths: readonly string[]): string {
  return paths.length === 1
    ? dirname(truePlace(paths[0]))
    : directorySet(paths).common;
}

/**
 * Returns the directories with their times, oldest first.
 *
 * @throws {DeltarError} `unsupported` if a directory is an incomplete backup,
 * or if its time is unknown, in the future, or equal to the time of another
 * directory.
 */
function datedOf(
  paths: readonly string[],
  folder: string,
  timeFrom: TimeFrom | undefined,
): Dated[] {
  const refuse = (faulty: readonly string[], what: string) => {
    if (faulty.length === 0) return;
    throw new DeltarError("unsupported", what, {
      object: faulty.map((path) => showPath(path)).join(", "),
    });
  };
  refuse(
    paths.filter((path) => INCOMPLETE.test(path)),
    "the backup is not complete; omit the directory",
  );
  const found = paths.map((path): Dated | undefined => {
    const name = relative(folder, truePlace(path));
    const isRotated = ROTATED.test(basename(path));
    const from = timeFrom ?? (isRotated ? "mtime" : "name");
    const time = from === "name"
      ? timestampIn(name)
      : Math.floor(statSync(path).mtimeMs);
    return time === undefined ? undefined : { path, time, timeFrom: from };
  });
  refuse(
    paths.filter((_, at) => found[at] === undefined),
    "the name has no date, or more than one. Rename the directory, or use " +
      "the modification time with `--time-from mtime`",
  );
  const dated = found.filter((one) => one !== undefined)
    .sort((a, b) => a.time - b.time);
  refuse(
    dated.filter(({ time }) => time > Date.now()).map(({ path }) => path),
    "the time of the directory is in the future; omit the directory",
  );
  refuse(
    dated.filter(({ time }, at) =>
      time === dated[at - 1]?.time || time === dated[at + 1]?.time
    ).map(({ path }) => path),
    "the directories have the same time; omit all but one",
  );
  return dated;
}

/** Opens a repository. Returns `undefined` if it does not exist. */
async function openIfThere(
  context: Context,
  repo: string | undefined,
  source: string,
): Promise<Repository | undefined> {
  try {
    const location = locate(repo, source);
    return await openRepository(context, location, source);
  } catch (error) {
    if (codeOf(error) === "not-found") return undefined;
    throw error;
  }
}

/**
 * Returns the directories with their states.
 *
 * @throws {DeltarError} `exists` if a directory is older than the last snapshot
 * of the source and `skipOlder` is not set.
 */
async function planOf(
  out: Console,
  repository: Repository | undefined,
  source: string,
  dated: readonly Dated[],
  { skipOlder }: Options,
): Promise<Planned[]> {
  const taken = repository === undefined
    ? new Map()
    : await takenTimes(out, repository, source);
  const last = [...taken.values()].at(-1);
  const plan = dated.map((one): Planned => {
    const id = taken.get(one.time)?.id;
    if (id !== undefined) return { ...one, state: "present", id };
    const isOlder = last !== undefined && one.time <= last.time;
    return { ...one, state: isOlder ? "older" : "new" };
  });
  const older = plan.filter(({ state }) => state === "older");
  if (older.length === 0 || skipOlder) return plan;
  throw new DeltarError(
    "exists",
    `${plural(older.length, "directory", "directories")} ` +
      `${older.length === 1 ? "is" : "are"} older than the last snapshot of ` +
      `${showPath(source)}, from ${formatDate(last.time)}; snapshots must ` +
      "be taken in chronological order. Skip these directories with " +
      "`--skip-older`, or " +
      "import all directories with another `--source`",
    { object: older.map(({ path }) => showPath(path)).join(", ") },
  );
}

async function importAll(
  context: Context,
  out: Console,
  repository: Repository,
  source: string,
  plan: readonly Planned[],
  options: Options,
): Promise<number> {
  const { signal } = context;
  const { location } = repository.storage;
  const patterns = patternsOf(options);
  const wanted = plan.filter(({ state }) => state === "new");
  const done: Planned[] = plan.filter(({ state }) => state !== "new");
  let faults = 0;
  let stored = 0;
  for (const [at, one] of wanted.entries()) {
    const { path, time } = one;
    const dir = new Dir(path, {
      ...rulesOf(path, options, patterns),
      neverTouch: [
        ...isFolder(location) ? [location] : [],
        cacheFolder(),
        userFolder("state"),
      ],
      ...options.xattrs === false && { xattrs: false },
    });
    if (
      at === 0 && options.xattrs !== false && process.platform !== "win32" &&
      !dir.readsXattrs
    ) out.note(WITHOUT_XATTRS);
    const { record, skipped } = await repository.snapshot(dir, {
      source,
      time,
      cache: cacheFolder(),
      signal,
      onSkip: (skip: Skipped) =>
        tellOfSkipped(out, { ...skip, path: join(path, skip.path) }),
      onKept: (volumes) => out.warn(describeKept(volumes)),
      onDamage: (error) => tellOfDamage(out, error),
      onProgress: (progress) =>
        tellIndexProgress(
          out,
          progress,
          `${at + 1} of ${wanted.length} directories`,
        ),
    });
    faults += skipped.filter(isFault).length;
    stored += record.counts.stored;
    done.push({ ...one, id: record.id });
    if (out.json) continue;
    out.line(
      `${formatDate(time)}  ${record.id}  ` +
        `${formatBytes(record.counts.stored).padStart(8)}  ${showPath(path)}`,
    );
  }
  done.sort((a, b) => a.time - b.time);
  const dryRun = false;
  report(out, { location, source, plan: done, dryRun, stored, faults });
  return faults > 0 ? EXIT.partial : EXIT.done;
}

/** The result of an import. */
interface Result {
  location: string;
  source: string;
  plan: readonly Planned[];
  dryRun: boolean;
  /** The number of bytes that were added to the repository. */
  stored: number;
  /** The number of paths that could not be stored correctly. */
  faults: number;
}

/** Prints the result of an import. */
function report(
  out: Console,
  { location, source, plan, dryRun, stored, faults }: Result,
): void {
  const count = (wanted: Planned["state"]) =>
    plan.filter(({ state }) => state === wanted).length;
  if (out.json) {
    out.object("import", {
      repository: location,
      source,
      dryRun,
      directories: plan.map(({ time, ...one }) => ({
        ...one,
        time: new Date(time).toISOString(),
      })),
      stored,
      faults,
    });
    return;
  }
  if (dryRun) {
    for (const { path, time, timeFrom, state } of plan) {
      out.line(
        `${formatDate(time)}  ${timeFrom.padEnd(5)}  ${
          WORDS[state].padEnd(8)
        }  ${showPath(path)}`,
      );
    }
  }
  const [created, present, older] = (["new", "present", "older"] as const)
    .map(count);
  out.line(
    [
      dryRun
        ? `${plural(created, "directory", "directories")} would be imported`
        : `Imported ${plural(created, "directory", "directories")} (` +
          `${formatBytes(stored)} stored)`,
      `${present} imported before`,
      ...older > 0 ? [`${older} older than the last snapshot`] : [],
    ].join(", "),
  );
  out.line(`  source      ${showPath(source)}`);
  out.line(`  repository  ${showPath(location)}`);
  if (faults > 0) {
    out.line(`  skipped     ${plural(faults, "path")}, named above`);
  }
  if (dryRun) return;
  const list = `${invocation()} list --repo ${shellWord(location)}`;
  out.line(`List the snapshots with:\n  ${list}`);
}

/** The words for the states of directories in the output of a dry run. */
const WORDS: Readonly<Record<Planned["state"], string>> = {
  new: "new",
  present: "imported",
  older: "older",
};
