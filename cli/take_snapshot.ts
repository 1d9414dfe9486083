import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import type { Command } from "commander";
import {
  DeltarError,
  Dir,
  DirSet,
  type Repository,
  type Skipped,
  type SnapshotRecord,
  type SnapshotResult,
  Walker,
} from "../mod.ts";
import type { VolumeRecord } from "../lib/archive/mod.ts";
import {
  endsAfterOther,
  type FoundPlace,
  type SnapshotChanges,
  type TurnRecord,
} from "../lib/repository/mod.ts";
import {
  type DirectorySet,
  directorySet,
  fileSystemOf,
  isFault,
  nameOfSet,
  truePlace,
} from "../lib/tree/mod.ts";
import { KnownDirectories } from "../shared/known_directories.ts";
import { formatBytes, plural } from "../shared/text.ts";
import { DAMAGE_ADVICE } from "./advice.ts";
import { ask, canAsk } from "./ask.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import {
  addExcludeOptions,
  type ExcludeOptions,
  patternsOf,
  rulesOf,
} from "./exclude_options.ts";
import { tellIndexProgress } from "./index_progress.ts";
import {
  type FilesFromOptions,
  pickPaths,
  readPathLists,
} from "./files_from.ts";
import {
  absolute,
  cacheFolder,
  defaultRepository,
  holdsRepository,
  isDefaultRepository,
  isFolder,
  isTooMuch,
  locate,
  locateFrom,
  userFolder,
} from "./location.ts";
import { openForDryRun, openOrCreate, sharingOf } from "./open_repository.ts";
import { parseBytes } from "./quantity.ts";
import { formatDate, formatDuration, shellWord, showPath } from "./text.ts";

/** Options for the commands that take snapshots. */
export interface TakeOptions extends ExcludeOptions, FilesFromOptions {
  repo?: string;
  label?: string;
  maxSize?: number | "none";
  force?: boolean;
  init?: boolean;
  encrypt?: boolean;
  allowEmpty?: boolean;
  continueFrom?: string;
  shared?: boolean;
  sharedWrite?: boolean;
  onlyIfChanged?: boolean;
  xattrs?: boolean;
  dryRun?: boolean;
  /**
   * Called with the directory of the snapshot and the turn of the directory's
   * last snapshot. Returns the agent's turn for the record, if there is one.
   */
  turn?: (
    directory: string,
    last: TurnRecord | undefined,
  ) => TurnRecord | undefined;
}

/** Adds the options for the commands that take snapshots. */
export function addTakeOptions(command: Command): Command {
  return addExcludeOptions(command)
    .option(
      "--max-size <size>",
      "Limit the repository to this size (500M, 20GiB, or none for no limit) " +
        "by removing old snapshots, but never the last one of a directory. The " +
        "removed snapshots cannot be brought back",
      (text: string) => text === "none" ? text : parseBytes(text),
    )
    .option(
      "--force",
      "Allow a snapshot of your home folder or of a whole disk",
    )
    .option(
      "--allow-empty",
      "Allow a snapshot of a directory that has lost its files",
    )
    .option("--no-xattrs", "Do not store extended attributes and ACLs");
}

/** The warning that a snapshot is taken without extended attributes. */
export const WITHOUT_XATTRS =
  "extended attributes and ACLs are not read, because this runtime cannot " +
  "read them; in the snapshot, unchanged files keep those of the last " +
  "snapshot. To store them, use the binary, or use Deno or Bun on Linux. To " +
  "take snapshots without them, add `--no-xattrs`.";

/** The result of taking a snapshot, and the repository. */
export interface Taken {
  repository: Repository;
  location: string;
  result: SnapshotResult;
  /**
   * Whether a new snapshot was taken without reading extended attributes,
   * because this runtime cannot read them. Always `false` on Windows, with
   * `--no-xattrs`, and if the directory's last snapshot has none.
   */
  lacksXattrs: boolean;
  /** The snapshot that the new one is compared with, if there is one. */
  before?: SnapshotRecord;
  /**
   * Whether the repository does not exist yet, but would be created without
   * `--dry-run`. Always `false` without this option.
   */
  isNewRepository: boolean;
  /** The number of bytes that were read from files. */
  read: number;
}

/** The directories that the user or agent names, or the current directory. */
export interface Source {
  /**
   * The absolute path of the directory, or of the first of several directories.
   */
  place: string;
  /** The absolute paths of all directories, if the user names several. */
  places?: string[];
  /**
   * Whether the user named the directory. If not, the snapshot is of `place`
   * or, if only a folder above `place` has snapshots, of the nearest such
   * folder. The home folder and whole disks do not count as folders above
   * `place`.
   */
  isNamed: boolean;
}

/** Returns the directories in the arguments, or else the current directory. */
export function sourceOf(...directories: string[]): Source {
  const [directory] = directories;
  return {
    place: absolute(directory ?? "."),
    ...directories.length > 1 && { places: directories.map(absolute) },
    isNamed: directory !== undefined,
  };
}

/**
 * Takes a snapshot of one or more directories, and warns about skipped paths.
 * Creates the repository if it does not exist. With `dryRun`, the snapshot is
 * discarded, and nothing is written.
 */
export async function takeSnapshot(
  context: Context,
  out: Console,
  source: Source,
  options: TakeOptions,
): Promise<Taken> {
  const { signal } = context;
  const { place, isNamed } = source;
  const set = setOf(source, options);
  const { location, project } = isNamed
    ? { location: locate(options.repo, set?.name ?? place), project: undefined }
    : locateFrom(options.repo, place);
  const start = project ?? place;
  const patterns = patternsOf(options);
  const listed = await readPathLists(options);
  for (const one of set === undefined ? [start] : directoriesOf(set)) {
    // The constructor throws if there is no such directory. This check must
    // happen before a repository is created.
    new Walker(one);
    if (isFolder(location) && truePlace(location) === truePlace(one)) {
      throw new DeltarError(
        "exists",
        "the directory to back up cannot be the repository; choose another " +
          "repository with `--repo`",
        { object: location },
      );
    }
    if (!options.force) refuseTooMuch(one);
  }
  const former = set === undefined && isDefaultRepository(location) &&
      !holdsRepository(location)
    ? await formerRepository(out, start, options, signal)
    : undefined;
  if (former !== undefined && !options.dryRun) renameSync(former, location);
  const { repository, isNew: isNewRepository } = options.dryRun
    ? await openForDryRun(context, former ?? location, options)
    : {
      repository: await openOrCreate(context, location, {
        init: options.init,
        encrypt: options.encrypt,
        shared: sharingOf(options),
      }),
      isNew: false,
    };
  const { directory, isNew, last, several = set } = set === undefined
    ? await directoryIn(repository, start, isNamed)
    : { directory: set.name, isNew: false };
  const continues = isNew
    ? await continuedBy(out, repository, directory, options, signal)
    : refuseToContinue(directory, options);
  if (several !== undefined) checkForSeveral(several, options);
  const root = several?.common ?? directory;
  const rules = {
    ...rulesOf(root, options, patterns),
    neverTouch: [
      ...isFolder(location) ? [location] : [],
      cacheFolder(),
      userFolder("state"),
    ],
    ...options.xattrs === false && { xattrs: false },
  };
  const paths = listed && pickPaths(listed, place, root);
  const dir = several === undefined
    ? new Dir(directory, { ...rules, paths })
    : new DirSet(directoriesOf(several), rules);
  const turn = options.turn?.(directory, last?.record.turn);
  let read = 0;
  let before: SnapshotRecord | undefined;
  const result = await repository.snapshot(dir, {
    label: options.label,
    turn,
    onlyIfChanged: options.onlyIfChanged &&
      !endsAfterOther(turn, last?.record),
    continues,
    last,
    cache: cacheFolder(),
    readOnlyCache: options.dryRun,
    onChanges: async (changes) => {
      before = changes.parent;
      if (!options.allowEmpty) {
        await refuseLoss(out, directory, changes, signal, options.dryRun);
      }
    },
    onKept: (volumes) => {
      if (!options.dryRun) out.warn(describeKept(volumes));
    },
    signal,
    onSkip: (skipped) => tellOfSkipped(out, skipped),
    onDamage: (error) => tellOfDamage(out, error),
    measure: out.isLive,
    onProgress: (progress) => {
      read = progress.read;
      tellIndexProgress(out, progress);
    },
  });
  if (result.ahead !== undefined) out.warn(describeAhead(result.ahead));
  if (several === undefined && !options.dryRun) {
    knownDirectories().remember(directory, repository.storage.location);
  }
  return {
    repository,
    location,
    result,
    before,
    isNewRepository,
    read,
    lacksXattrs: result.isNew && options.xattrs !== false &&
      process.platform !== "win32" && !dir.readsXattrs &&
      (last === undefined || last.record.root.xattrs !== undefined),
  };
}

/** Returns the message about volumes that were stored by a run that failed. */
export function describeKept(volumes: readonly VolumeRecord[]): string {
  const size = volumes.reduce((sum, volume) => sum + volume.size, 0);
  return `${plural(volumes.length, "finished volume")} ` +
    `(${formatBytes(size)}) will be reused by the next snapshot of this ` +
    "directory";
}

/**
 * Returns the warning that the time of the newest snapshot is in the future.
 */
function describeAhead({ id, time }: SnapshotRecord): string {
  const ahead = time - Date.now();
  const days = Math.round(ahead / 86_400_000);
  const span = days > 0 ? plural(days, "day") : formatDuration(ahead);
  return `the newest snapshot ${id} has the time ${formatDate(time)}, which ` +
    `is ${span} ahead of this machine's clock. Check the clock. If the clock ` +
    "was wrong when the snapshot was taken, the snapshot can still be " +
    "restored; `deltar forget` removes the snapshot.";
}

/**
 * Returns the directory to back up, and whether it has no snapshots yet. The
 * directory is spelled as in its last snapshot, or else as on the disk. Also
 * returns this last snapshot and, if it has several directories, these.
 */
async function directoryIn(
  repository: Repository,
  start: string,
  isNamed: boolean,
): Promise<{
  directory: string;
  isNew: boolean;
  last?: FoundPlace;
  several?: DirectorySet;
}> {
  let isDamaged = false;
  const last = await repository.lastAt(start, {
    onDamage: () => {
      isDamaged = true;
    },
  });
  const { directory = "" } = last?.record ?? {};
  const isKnown = last !== undefined &&
    (last.below === "" || !isNamed && !isTooMuch(directory));
  if (!isKnown) return { directory: spelled(start), isNew: true };
  // If a record is damaged, `last` is not returned. `snapshot()` then reads the
  // records again and reports the damage.
  const { common, rules } = last.record;
  return {
    directory,
    isNew: false,
    ...!isDamaged && { last },
    ...common !== undefined &&
      { several: { common, paths: [...rules?.paths ?? []] } },
  };
}

/**
 * Returns the directories that the user names if there are several, or else
 * `undefined`. Refuses a list in which one directory contains all others.
 */
function setOf(
  { places }: Source,
  options: TakeOptions,
): (DirectorySet & { name: string }) | undefined {
  if (places === undefined) return undefined;
  for (const place of places) new Walker(place);
  const set = directorySet(places);
  if (set.paths.length < 2) {
    throw new DeltarError(
      "exists",
      "one of the directories contains the others; name only that directory",
      { object: set.common },
    );
  }
  checkForSeveral(set, options);
  return { ...set, name: nameOfSet(set) };
}

/** Refuses options that cannot be used with several directories. */
function checkForSeveral(
  { common }: DirectorySet,
  { continueFrom, filesFrom, filesFrom0 }: TakeOptions,
): void {
  const name = continueFrom !== undefined
    ? "--continue-from"
    : filesFrom !== undefined
    ? "--files-from"
    : filesFrom0 !== undefined
    ? "--files-from0"
    : undefined;
  if (name === undefined) return;
  throw new DeltarError(
    "unsupported",
    `\`${name}\` cannot be used with several directories; name one directory`,
    { object: common },
  );
}

/** Returns the absolute paths of the directories in a set. */
function directoriesOf({ common, paths }: DirectorySet): string[] {
  return paths.map((path) => join(common, path));
}

/**
 * Returns a path with its names in the upper and lower case that they have on
 * the disk. A path through symlinks stays as the user typed it.
 */
function spelled(path: string): string {
  const place = truePlace(path);
  return place.toLowerCase() === path.toLowerCase() ||
      /^\\\\[?.]\\/.test(path)
    ? place
    : path;
}

/**
 * Returns the location of the default repository for the old path of a moved
 * directory, if the snapshots of this path are to be continued. The caller must
 * then move the repository to the default location for the new path.
 */
async function formerRepository(
  out: Console,
  directory: string,
  options: TakeOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const from = await formerOf(
    out,
    directory,
    options,
    defaultRepository,
    signal,
  );
  if (from === undefined) return undefined;
  const before = defaultRepository(from);
  const fail = (code: "not-found" | "exists", what: string) =>
    new DeltarError(code, what, { object: from });
  if (!holdsRepository(before)) {
    throw fail(
      "not-found",
      "the default repository of this directory is missing; use `--repo` to " +
        "name the repository that has its snapshots",
    );
  }
  if (existsSync(from)) {
    throw fail(
      "exists",
      "this directory still exists, so it keeps its default repository. To " +
        `use this repository anyway, add \`--repo ${shellWord(before)}\`.`,
    );
  }
  return before;
}

/** Refuses `--continue-from` for a directory that already has snapshots. */
function refuseToContinue(
  directory: string,
  { continueFrom }: TakeOptions,
): undefined {
  if (continueFrom === undefined) return undefined;
  throw new DeltarError(
    "exists",
    "this directory already has snapshots, so it cannot continue those of " +
      "another one; omit `--continue-from`",
    { object: directory },
  );
}

/**
 * Returns the old path of a moved directory if the snapshots of this path are
 * to be continued, or else `undefined`.
 */
async function continuedBy(
  out: Console,
  repository: Repository,
  directory: string,
  options: TakeOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { continueFrom } = options;
  const { location } = repository.storage;
  if (isDefaultRepository(location)) {
    // A default repository has the snapshots of one directory. If there are any
    // already, they are of the old path of the new directory.
    const records = await repository.snapshots({ onDamage: () => {} });
    return records.findLast(({ safety }) => safety === undefined)?.directory;
  }
  const from = await formerOf(out, directory, options, () => location, signal);
  if (from === undefined || continueFrom === undefined) return from;
  const former = await repository.lastAt(from);
  if (former?.below === "") return former.record.directory;
  throw new DeltarError(
    "not-found",
    "the repository has no snapshots of this directory; `deltar list` shows " +
      "the directories of all snapshots",
    { object: from },
  );
}

/**
 * Returns the former path of a moved directory: the path that the user names
 * or, if the user agrees, the path that is recorded on this machine. Returns
 * `undefined` if no snapshots are to be continued.
 *
 * @param repositoryOf Called with the former path. Returns the location of the
 * repository that should have the snapshots of that path.
 */
async function formerOf(
  out: Console,
  directory: string,
  { continueFrom, dryRun }: TakeOptions,
  repositoryOf: (directory: string) => string,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (continueFrom !== undefined) return absolute(continueFrom);
  const known = knownDirectories().movedTo(directory);
  if (known === undefined) return undefined;
  const from = known.directory;
  const isHere = known.repository === repositoryOf(from) &&
    (!isFolder(known.repository) || holdsRepository(known.repository));
  return isHere && await isToContinue(out, directory, from, signal, dryRun)
    ? from
    : undefined;
}

/** Returns the directories that deltar has recorded on this machine. */
function knownDirectories(): KnownDirectories {
  const notes = join(userFolder("state"), "directories");
  return new KnownDirectories(notes, { truePlace, fileSystemOf });
}

async function isToContinue(
  out: Console,
  directory: string,
  from: string,
  signal: AbortSignal,
  isDryRun = false,
): Promise<boolean> {
  const what =
    `${showPath(directory)} looks like ${showPath(from)}, which was ` +
    "moved.";
  if (canAsk() && !isDryRun) {
    return await ask(
      out,
      `${what} Continue the snapshots of the old path?`,
      signal,
      true,
    );
  }
  out.warn(
    `${what} The snapshots of the old path are not continued. To continue ` +
      `them, use \`--continue-from ${shellWord(from)}\`.`,
  );
  return false;
}

/**
 * A fraction of the number of files in the last snapshot. If all of these files
 * are gone, a directory with fewer files than this fraction is refused.
 */
const MAX_EMPTY_SHARE = 0.1;

/**
 * The minimum number of files in the last snapshot for which
 * `MAX_EMPTY_SHARE` applies. If the last snapshot has fewer files, the
 * directory is refused only if it has no files at all.
 */
const MIN_FORMER_FILES = 10;

/**
 * Refuses a directory that might be on an unmounted disk: no file of the last
 * snapshot is left, and the directory has few or no other files. Directories
 * with unreadable files are not refused. On a terminal, the user can choose to
 * take the snapshot anyway.
 */
async function refuseLoss(
  out: Console,
  directory: string,
  { parent, diff, files, skipped }: SnapshotChanges,
  signal: AbortSignal,
  isDryRun = false,
): Promise<void> {
  if (parent === undefined) return;
  const before = parent.counts.files + parent.counts.links;
  const { deleted } = diff.counts;
  const isEmpty = files === 0 && before > 0;
  const isLost = before >= MIN_FORMER_FILES && deleted >= before &&
    files < MAX_EMPTY_SHARE * before;
  // Files that cannot be read do not count as deleted. The user is told about
  // each of them, so the directory is not refused.
  if (!isEmpty && !isLost || skipped.some(isFault)) return;
  const what = `every file of the last snapshot is gone ` +
    `(${plural(before, "file")} in ${parent.id})`;
  if (canAsk() && !isDryRun) {
    const question = `${showPath(directory)}: ${what}. Take a snapshot anyway?`;
    if (await ask(out, question, signal)) return;
  }
  throw new DeltarError(
    "limit",
    `${what}. If the disk of the directory is not mounted, mount it. If you ` +
      "deleted the files on purpose, run the command again with `--allow-empty`.",
    { object: directory },
  );
}

/**
 * Refuses the user's home folder or a whole disk, which users rarely mean to
 * back up.
 */
function refuseTooMuch(directory: string): void {
  const what = isTooMuch(directory);
  if (what === undefined) return;
  throw new DeltarError(
    "limit",
    `refused to take a snapshot of ${what}, because it usually contains ` +
      "many files that need not be backed up. Name a folder in it, or add " +
      "`--force`.",
    { object: directory },
  );
}

/** Warns that an object of an earlier snapshot is damaged or missing. */
export function tellOfDamage(out: Console, { message }: DeltarError): void {
  out.warn(
    `${message}; the snapshot does not use this object; ${DAMAGE_ADVICE}`,
  );
}

/** Warns about a skipped path, or prints an excluded path with `--verbose`. */
export function tellOfSkipped(out: Console, skipped: Skipped): void {
  const { path, reason, detail } = skipped;
  const what = reason === "changed" ? "not stored exactly" : reason;
  const text = `${showPath(path)}: ${what}${detail ? `: ${detail}` : ""}`;
  if (isFault(skipped)) out.warn(text);
  else out.detail(text);
}
