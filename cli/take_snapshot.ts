import { homedir } from "node:os";
import { dirname } from "node:path";
import type { Command } from "commander";
import {
  DeltarError,
  Dir,
  type IndexProgress,
  isFault,
  type Repository,
  type Skipped,
  type SnapshotRecord,
  type SnapshotResult,
  VERSION_CONTROL,
} from "../mod.ts";
import { DAMAGE_ADVICE } from "./advice.ts";
import type { Console } from "./console.ts";
import { cacheFolder, isFolder, locate, realPlace } from "./location.ts";
import { openOrCreate } from "./open_repository.ts";
import { parseBytes } from "./quantity.ts";
import {
  formatBytes,
  formatCount,
  formatDate,
  formatDuration,
  plural,
  showPath,
} from "./text.ts";

/** What a snapshot is taken of, and where it goes. */
export interface TakeOptions {
  repo?: string;
  label?: string;
  exclude: string[];
  gitignore?: boolean;
  excludeVcs?: boolean;
  maxSize?: number | "none";
  force?: boolean;
  init?: boolean;
  onlyIfChanged?: boolean;
}

/** Adds the options by which commands take snapshots. */
export function addTakeOptions(command: Command): Command {
  return command
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
    .option("--force", "even of a home folder or a whole disk");
}

/** What was taken, and where it is kept. */
export interface Taken {
  repository: Repository;
  location: string;
  result: SnapshotResult;
}

/** Takes a snapshot of a directory; `out` is told of what cannot be kept. */
export async function takeSnapshot(
  out: Console,
  directory: string,
  options: TakeOptions,
  signal: AbortSignal,
): Promise<Taken> {
  const location = locate(options.repo, directory);
  const dir = new Dir(directory, {
    excludes: [
      ...options.exclude,
      ...options.excludeVcs ? VERSION_CONTROL : [],
    ],
    gitignore: options.gitignore ?? false,
    apart: [...isFolder(location) ? [location] : [], cacheFolder()],
  });
  if (isFolder(location) && realPlace(location) === realPlace(dir.path)) {
    throw new DeltarError(
      "exists",
      "a directory cannot be its own repository; name another with `--repo`",
      { object: location },
    );
  }
  if (!options.force) refuseTooMuch(dir.path);
  const repository = await openOrCreate(location, options);
  const result = await repository.snapshot(dir, {
    label: options.label,
    onlyIfChanged: options.onlyIfChanged,
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
      out.warn(
        `${error.message}; the snapshot is taken without it; ${DAMAGE_ADVICE}`,
      );
    },
    measure: out.isLive,
    onProgress: (progress) => tell(out, progress),
  });
  if (result.ahead !== undefined) out.warn(describeAhead(result.ahead));
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

/** Tells how far it is: what is unchanged is not read, and takes no time. */
function tell(out: Console, progress: IndexProgress): void {
  const { entries, allEntries, read, allRead, path } = progress;
  out.progress(
    () =>
      allEntries === undefined
        ? `${plural(entries, "entry", "entries")}, ${formatBytes(read)} read`
        : `${formatCount(entries)} of ${formatCount(allEntries)} entries, ` +
          `${formatBytes(read)} of ${formatBytes(allRead!)} read`,
    path,
    { bytes: read, allBytes: allRead },
  );
}

/** Nobody means all of a home folder or disk who does not say so. */
function refuseTooMuch(directory: string): void {
  const place = realPlace(directory);
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

function tellOfSkipped(out: Console, skipped: Skipped): void {
  const { path, reason, detail } = skipped;
  const text = `${showPath(path)}: ${reason}${detail ? `: ${detail}` : ""}`;
  if (isFault(skipped)) out.warn(text);
  else out.detail(text);
}
