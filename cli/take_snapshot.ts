import { existsSync, renameSync } from "node:fs";
import type { Command } from "commander";
import {
  DeltarError,
  Dir,
  type FoundPlace,
  type IndexProgress,
  isFault,
  type Repository,
  type Skipped,
  type SnapshotChanges,
  type SnapshotRecord,
  type SnapshotResult,
  truePlace,
  VERSION_CONTROL,
  Walker,
} from "../mod.ts";
import { formatBytes, formatCount, plural } from "../shared/text.ts";
import { DAMAGE_ADVICE } from "./advice.ts";
import { ask, canAsk } from "./ask.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { movedFrom, rememberDirectory } from "./known_directories.ts";
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
import { openOrCreate, sharingOf } from "./open_repository.ts";
import { toPattern } from "./patterns.ts";
import { parseBytes } from "./quantity.ts";
import { formatDate, formatDuration, shellWord, showPath } from "./text.ts";

/** The source of a snapshot, and its repository. */
export interface TakeOptions {
  repo?: string;
  label?: string;
  exclude: string[];
  gitignore?: boolean;
  excludeVcs?: boolean;
  maxSize?: number | "none";
  force?: boolean;
  init?: boolean;
  allowEmpty?: boolean;
  continueFrom?: string;
  shared?: boolean;
  sharedWrite?: boolean;
  onlyIfChanged?: boolean;
}

/** Adds the options by which commands exclude paths. */
export function addExcludeOptions(command: Command): Command {
  return command
    .option(
      "--exclude <pattern>",
      "exclude what matches, in gitignore's syntax; may be repeated",
      (pattern: string, all: string[]) => [...all, pattern],
      [],
    )
    .option("--gitignore", "exclude what .gitignore files name")
    .option("--exclude-vcs", "exclude .git/, .hg/ and .svn/");
}

/** Adds the options by which commands take snapshots. */
export function addTakeOptions(command: Command): Command {
  return addExcludeOptions(command)
    .option(
      "--max-size <size>",
      "keep the repository to this size, as 500M or 20GiB, by removing the " +
        "densest old snapshots for good, never the last; none for any size",
      (text: string) => text === "none" ? text : parseBytes(text),
    )
    .option("--force", "even of a home folder or a whole disk")
    .option("--allow-empty", "even if nothing is left of what was there");
}

/** A snapshot that was taken, and its repository. */
export interface Taken {
  repository: Repository;
  location: string;
  result: SnapshotResult;
}

/** Where the user is, or the directory that the user names. */
export interface Source {
  /** An absolute path. */
  place: string;
  /**
   * Whether the directory itself was named. If not, the whole directory is
   * meant that snapshots are of and that the place is in.
   */
  isNamed: boolean;
}

/** The source of a command's argument. */
export function sourceOf(directory: string | undefined): Source {
  return {
    place: absolute(directory ?? "."),
    isNamed: directory !== undefined,
  };
}

/** The rules for a directory that options stand for. */
export function rulesOf(
  directory: string,
  { exclude, excludeVcs, gitignore }: Partial<TakeOptions>,
): { excludes: string[]; gitignore: boolean } {
  return {
    excludes: [
      ...(exclude ?? []).map((pattern) => toPattern(pattern, directory)),
      ...excludeVcs ? VERSION_CONTROL : [],
    ],
    gitignore: gitignore ?? false,
  };
}

/** Takes a snapshot of a directory; `out` is told of what cannot be kept. */
export async function takeSnapshot(
  context: Context,
  out: Console,
  { place, isNamed }: Source,
  options: TakeOptions,
): Promise<Taken> {
  const { signal } = context;
  const { location, project } = isNamed
    ? { location: locate(options.repo, place), project: undefined }
    : locateFrom(options.repo, place);
  const start = project ?? place;
  // What is wrong with the directory is known before a repository is made.
  new Walker(start);
  if (isFolder(location) && truePlace(location) === truePlace(start)) {
    throw new DeltarError(
      "exists",
      "a directory cannot be its own repository; name another with `--repo`",
      { object: location },
    );
  }
  if (!options.force) refuseTooMuch(start);
  if (isDefaultRepository(location) && !holdsRepository(location)) {
    await bringRepository(out, start, location, options, signal);
  }
  const repository = await openOrCreate(context, location, {
    init: options.init,
    shared: sharingOf(options),
  });
  const { directory, isNew, last } = await directoryIn(
    repository,
    start,
    isNamed,
  );
  const continues = isNew
    ? await continuedBy(out, repository, directory, options, signal)
    : refuseToContinue(directory, options);
  const dir = new Dir(directory, {
    ...rulesOf(directory, options),
    apart: [
      ...isFolder(location) ? [location] : [],
      cacheFolder(),
      userFolder("state"),
    ],
  });
  const result = await repository.snapshot(dir, {
    label: options.label,
    onlyIfChanged: options.onlyIfChanged,
    continues,
    last,
    cache: cacheFolder(),
    onChanges: async (changes) => {
      if (!options.allowEmpty) {
        await refuseLoss(out, directory, changes, signal);
      }
    },
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
      out.warn(
        `${error.message}; the snapshot is taken without it; ${DAMAGE_ADVICE}`,
      );
    },
    measure: out.isLive,
    onProgress: (progress) => tell(out, progress),
  });
  if (result.ahead !== undefined) out.warn(describeAhead(result.ahead));
  rememberDirectory(directory, repository.storage.location);
  return { repository, location, result };
}

/** Says that the clock of a snapshot, or this machine's, is wrong. */
function describeAhead({ id, time }: SnapshotRecord): string {
  const ahead = time - Date.now();
  const days = Math.round(ahead / 86_400_000);
  const span = days > 0 ? plural(days, "day") : formatDuration(ahead);
  return `the newest snapshot ${id} is of ${formatDate(time)}, which lies ` +
    `${span} ahead of this clock: check this machine's clock. If the clock ` +
    "was wrong then, the snapshot does no harm; `deltar forget` removes it";
}

/**
 * The directory of a repository that the user means, spelled as its snapshots
 * spell it, and whether there are none yet.
 */
async function directoryIn(
  repository: Repository,
  start: string,
  isNamed: boolean,
): Promise<{ directory: string; isNew: boolean; last?: FoundPlace }> {
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
  // The snapshot looks again where records are damaged, and says which.
  return { directory, isNew: false, ...!isDamaged && { last } };
}

/** A path as the disk spells it, with the symlinks that the user typed. */
function spelled(path: string): string {
  const place = truePlace(path);
  return place.toLowerCase() === path.toLowerCase() ||
      /^\\\\[?.]\\/.test(path)
    ? place
    : path;
}

/**
 * Moves the repository that a directory had by default before the directory was
 * moved to where it has one now, if its snapshots are to be continued.
 */
async function bringRepository(
  out: Console,
  directory: string,
  location: string,
  options: TakeOptions,
  signal: AbortSignal,
): Promise<void> {
  const from = await formerOf(
    out,
    directory,
    options,
    defaultRepository,
    signal,
  );
  if (from === undefined) return;
  const before = defaultRepository(from);
  const fail = (code: "not-found" | "exists", what: string) =>
    new DeltarError(code, what, { object: from });
  if (!holdsRepository(before)) {
    throw fail(
      "not-found",
      "there are no snapshots of this directory; name the repository that has " +
        "them with `--repo`",
    );
  }
  if (existsSync(from)) {
    throw fail(
      "exists",
      "this directory is still there and needs its snapshots; to continue " +
        `them elsewhere, add \`--repo ${shellWord(before)}\``,
    );
  }
  renameSync(before, location);
}

/** A directory with snapshots of its own continues those of no other. */
function refuseToContinue(
  directory: string,
  { continueFrom }: TakeOptions,
): undefined {
  if (continueFrom === undefined) return undefined;
  throw new DeltarError(
    "exists",
    "this directory has snapshots of its own already, so it cannot continue " +
      "those of another",
    { object: directory },
  );
}

/** The directory whose snapshots those of another continue, if there is one. */
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
    // It came along when the directory was moved.
    const records = await repository.snapshots({ onDamage: () => {} });
    return records.findLast(({ safety }) => safety === undefined)?.directory;
  }
  const from = await formerOf(out, directory, options, () => location, signal);
  if (from === undefined || continueFrom === undefined) return from;
  const former = await repository.lastAt(from);
  if (former?.below === "") return former.record.directory;
  throw new DeltarError(
    "not-found",
    "this repository has no snapshots of this directory",
    { object: from },
  );
}

/**
 * The directory that this one was before it was moved, as the user says, or as
 * this machine remembers it and the user agrees.
 *
 * @param repositoryOf Where snapshots of a directory would have to be.
 */
async function formerOf(
  out: Console,
  directory: string,
  { continueFrom }: TakeOptions,
  repositoryOf: (directory: string) => string,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (continueFrom !== undefined) return absolute(continueFrom);
  const known = movedFrom(directory);
  if (known === undefined) return undefined;
  const from = known.directory;
  const isHere = known.repository === repositoryOf(from) &&
    (!isFolder(known.repository) || holdsRepository(known.repository));
  return isHere && await isToContinue(out, directory, from, signal)
    ? from
    : undefined;
}

async function isToContinue(
  out: Console,
  directory: string,
  from: string,
  signal: AbortSignal,
): Promise<boolean> {
  const what =
    `${showPath(directory)} looks like ${showPath(from)}, which was ` +
    "moved.";
  if (canAsk()) {
    return await ask(out, `${what} Continue its snapshots?`, signal, true);
  }
  out.warn(
    `${what} Its snapshots are not continued; to do so next time, use ` +
      `\`--continue-from ${shellWord(from)}\`.`,
  );
  return false;
}

/** An empty directory holds fewer files than this part of what was there. */
const ALMOST_NONE = 0.1;

/** Of fewer files it is no wonder if all are replaced. */
const MANY = 10;

/**
 * Refuses to take a directory whose disk may not be mounted: nothing is left of
 * what was there, and hardly anything else is there.
 */
async function refuseLoss(
  out: Console,
  directory: string,
  { parent, diff, files, skipped }: SnapshotChanges,
  signal: AbortSignal,
): Promise<void> {
  if (parent === undefined) return;
  const before = parent.counts.files + parent.counts.links;
  const { deleted } = diff.counts;
  const isEmpty = files === 0 && before > 0;
  const isLost = before >= MANY && deleted >= before &&
    files < ALMOST_NONE * before;
  // What cannot be read is named, and not taken for deleted.
  if (!isEmpty && !isLost || skipped.some(isFault)) return;
  const what =
    `nothing is left of the ${plural(before, "file")} that the last ` +
    `snapshot has (${parent.id})`;
  if (canAsk()) {
    const question = `${showPath(directory)}: ${what}. Take a snapshot anyway?`;
    if (await ask(out, question, signal)) return;
  }
  throw new DeltarError(
    "limit",
    `${what}. If its disk is not mounted, mount it. If the files were deleted ` +
      "on purpose, run the command again with `--allow-empty`.",
    { object: directory },
  );
}

/** Tells how far it is: what is unchanged is not read, and takes no time. */
function tell(out: Console, progress: IndexProgress): void {
  const { entries, allEntries, read, allRead, path } = progress;
  out.progress(
    () =>
      allEntries === undefined || allRead === undefined
        ? `${plural(entries, "entry", "entries")}, ${formatBytes(read)} read`
        : `${formatCount(entries)} of ${formatCount(allEntries)} entries, ` +
          `${formatBytes(read)} of ${formatBytes(allRead)} read`,
    path,
    { bytes: read, allBytes: allRead },
  );
}

/** Nobody means all of a home folder or disk who does not say so. */
function refuseTooMuch(directory: string): void {
  const what = isTooMuch(directory);
  if (what === undefined) return;
  throw new DeltarError(
    "limit",
    `this is ${what}: name a folder in it, or add \`--force\``,
    { object: directory },
  );
}

function tellOfSkipped(out: Console, skipped: Skipped): void {
  const { path, reason, detail } = skipped;
  const text = `${showPath(path)}: ${reason}${detail ? `: ${detail}` : ""}`;
  if (isFault(skipped)) out.warn(text);
  else out.detail(text);
}
