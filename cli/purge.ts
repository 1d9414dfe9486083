import { existsSync, readdirSync, rmSync } from "node:fs";
import {
  basename,
  dirname,
  isAbsolute,
  join,
  relative,
  resolve,
  sep,
} from "node:path";
import { Command } from "commander";
import { DeltarError, type Repository } from "../mod.ts";
import { truePlace } from "../lib/tree/mod.ts";
import { codeOf } from "../shared/error_code.ts";
import type {
  PurgeOptions,
  PurgePlan,
  PurgeProgress,
} from "../lib/repository/mod.ts";
import { formatBytes, formatCount, plural } from "../shared/text.ts";
import { ask, canAsk, declined } from "./ask.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { cacheFolder } from "./location.ts";
import { toPattern } from "./patterns.ts";
import { findSnapshot, joinPath, SNAPSHOT_HELP } from "./suggest.ts";
import { showPath } from "./text.ts";

interface Options extends CommonOptions {
  pattern: string[];
  from: string[];
  all?: boolean;
  quick?: boolean;
  yes?: boolean;
  dryRun?: boolean;
}

/** Makes the command `deltar purge`. */
export function purgeCommand(context: Context): Command {
  return new Command("purge")
    .description(
      "Delete files and folders from all snapshots for good, and their contents " +
        "from the repository. Nothing can be brought back. The files in the " +
        "directory stay",
    )
    .argument(
      "[path...]",
      "The files and folders to purge",
    )
    .option(
      "--pattern <pattern>",
      "Purge all paths that match a pattern in gitignore's syntax, such as " +
        "'*.key' (in quotes); may be repeated",
      (pattern: string, all: string[]) => [...all, pattern],
      [],
    )
    .option(
      "--from <snapshot>",
      `Purge only from this snapshot (${SNAPSHOT_HELP}); may be repeated`,
      (name: string, all: string[]) => [...all, name],
      [],
    )
    .option("--all", "Purge other files with the same content, too")
    .option(
      "--quick",
      "Do not search all volumes for contents left by removed snapshots",
    )
    .option("--yes", "Purge without asking")
    .option("--dry-run", "Show what would be purged without changing anything")
    .addHelpText("after", NOTES)
    .action(async (paths: string[], options: Options, command: Command) => {
      if (paths.length + options.pattern.length === 0) {
        command.error("error: name a path, or use '--pattern'", {
          exitCode: EXIT.usage,
        });
      }
      context.code = await run(context, paths, options);
    });
}

const NOTES = `
Each snapshot that has any of the paths is replaced by one without them.
Not purged: copies of the repository, older versions of objects that a bucket
keeps, caches of other machines, and the files in the directory.

Exit codes: 0 everything was purged, 1 the command failed, 3 some of the content
stays in the repository; the output says why.`;

async function run(
  context: Context,
  words: string[],
  options: Options,
): Promise<number> {
  const { signal } = context;
  const begun = await begin(context, options);
  const { out, repository } = begun;
  const { dryRun = false, yes = false, all, quick } = options;
  const typed = options.pattern.map((text) => toPattern(text, begun.place));
  const { place, paths, patterns } = pathsFrom(begun.place, words, typed);
  const from: string[] = [];
  for (const name of options.from) {
    try {
      from.push((await findSnapshot(begun, name)).id);
    } catch (error) {
      // The name might be the id of a snapshot that was removed, or that an
      // interrupted purge has replaced.
      if (codeOf(error) !== "not-found") throw error;
      from.push(name);
    }
  }
  const purge: PurgeOptions = {
    place,
    patterns,
    ...from.length > 0 && { from },
    all,
    quick,
    signal,
    onProgress: (progress) => tell(out, progress),
  };
  if (dryRun) {
    const plan = await repository.planPurge(paths, purge);
    if (out.json) out.object("purge", { dryRun, ...plan });
    else print(out, plan, "Would replace");
    warn(out, plan);
    return plan.others.length > 0 ? EXIT.partial : EXIT.done;
  }
  const result = await repository.purge(paths, {
    ...purge,
    onPlan: async (plan) => {
      if (!out.json) print(out, plan, "Plan: replace");
      warn(out, plan);
      await confirm(context, out, yes);
      context.interrupted =
        "only paths that were to be purged are lost; run the same command " +
        "again to finish";
      return true;
    },
  });
  forgetStates(repository);
  const { replaced, unfinished, deleted, rewritten, left } = result;
  const count = replaced.length + unfinished.length + deleted + rewritten;
  if (count + left.length === 0) {
    const [path] = result.paths;
    throw path === undefined
      ? new DeltarError(
        "not-found",
        "no path in any snapshot of this directory matches this pattern; " +
          "`deltar find` searches for paths",
        { path: patterns[0] },
      )
      : new DeltarError(
        "not-found",
        `no snapshot and no volume has this path; ${
          looksLikePattern(path)
            ? "for a pattern, use `--pattern`"
            : "`deltar files latest` lists the files of the last snapshot"
        }`,
        { path },
      );
  }
  if (out.json) out.object("purge", { dryRun, ...result });
  else {
    out.line(
      `Replaced ${plural(replaced.length, "snapshot")}. Deleted ` +
        `${plural(deleted, "object")}, rewrote ` +
        `${plural(rewritten, "volume")} and freed ` +
        `${formatBytes(result.freed)}.`,
    );
  }
  for (const name of left) {
    const why = name.startsWith("snapshots/")
      ? "this snapshot was taken during the purge and has a path that was to " +
        "be purged. Run the same command again."
      : "this object might still hold purged content, because a run needs the " +
        "object, or because the object is damaged or cannot be rewritten. Run " +
        "the same command again when no other deltar process is running.";
    out.warn(`${showPath(name)}: ${why}`);
  }
  note(out, repository, place, result.paths);
  return left.length + result.others.length > 0 ? EXIT.partial : EXIT.done;
}

/**
 * Returns a folder, and the typed paths and the patterns relative to it. The
 * folder is `place`, or the closest folder above it that contains all paths.
 *
 * @param place The current directory, or the directory that `--dir` names.
 * @param words The typed paths.
 * @param patterns The patterns, relative to `place`.
 */
function pathsFrom(
  place: string,
  words: readonly string[],
  patterns: readonly string[],
): { place: string; paths: string[]; patterns: string[] } {
  const ways = words.map((word) => {
    const way = isAbsolute(word) ? wayTo(place, resolve(word)) : word;
    if (!isAbsolute(way)) return way.replaceAll(sep, "/");
    throw new DeltarError(
      "unsupported",
      `the path and ${place} are on different disks; use --dir to name the ` +
        "directory that contains the path",
      { path: word },
    );
  });
  let folder = truePlace(place);
  for (let below = "";;) {
    const paths = ways.map((way) => joinPath(below, way));
    const above = paths.findIndex((path) => /^(?:\.\.(?:\/|$)|$)/.test(path));
    if (above < 0) {
      const inside = patterns.map((pattern) => patternBelow(below, pattern));
      return { place: folder, paths, patterns: inside };
    }
    if (dirname(folder) === folder) {
      throw new DeltarError(
        "unsupported",
        "the path is a whole file system; name files or folders in it",
        { path: words[above] },
      );
    }
    below = `${basename(folder)}/${below}`;
    folder = dirname(folder);
  }
}

/**
 * Converts a pattern relative to a folder into a pattern relative to a folder
 * above it. Both patterns match the same paths.
 *
 * @param below The path of the first folder relative to the second one, with a
 * slash at the end; `""` if they are the same folder.
 * @param pattern The pattern in gitignore's syntax.
 */
function patternBelow(below: string, pattern: string): string {
  if (below === "") return pattern;
  const folder = below.replace(/[\\*?[\]]/g, "\\$&");
  // A pattern without a slash before its end matches names at any depth.
  const isName = !pattern.slice(0, -1).includes("/");
  return `/${folder}${isName ? "**/" : ""}${pattern.replace(/^\//, "")}`;
}

/** Returns whether a path contains `*` or `?`, as many patterns do. */
function looksLikePattern(path: string): boolean {
  return /[*?]/.test(path);
}

/**
 * Converts an absolute path into a path relative to a place. On Windows, the
 * result is absolute if the place is on another disk. A symlink at the end of
 * the path is not followed.
 */
function wayTo(place: string, path: string): string {
  const folder = truePlace(place);
  // Below the place, no symlink in the path may be followed. So the path is
  // first compared as it was typed. For any other path, the symlinks in its
  // parent folder are resolved.
  const typed = [place, folder].map((base) => relative(base, path))
    .find((way) => !/^\.\.(?:[\\/]|$)/.test(way) && !isAbsolute(way));
  const parent = truePlace(dirname(path));
  return typed ?? relative(folder, join(parent, basename(path)));
}

/**
 * Asks the user whether to carry out the purge. Does not ask if `yes` is true.
 *
 * @throws {DeltarError} `unsafe` if the user cannot be asked, because there is
 * no terminal or because of `--json`, or if the answer is no; `aborted` if the
 * signal stops the wait for an answer.
 */
async function confirm(
  { signal }: Context,
  out: Console,
  yes: boolean,
): Promise<void> {
  if (yes) return;
  if (out.json || !canAsk()) {
    throw new DeltarError(
      "unsafe",
      "nothing was purged, because deltar cannot ask for confirmation " +
        "without a terminal or with `--json`. Look at the plan with " +
        "`--dry-run`, and repeat the command with `--yes`",
    );
  }
  const question = "Purged files cannot be brought back. Delete them for good?";
  if (await ask(out, question, signal)) return;
  throw declined("nothing was purged");
}

function print(out: Console, plan: PurgePlan, verb: string): void {
  for (const { id, directory, isRemoved, paths, files } of plan.snapshots) {
    const what = paths.length === 0
      ? "keeps all of its files"
      : `without ${showPaths(paths)} (${plural(files, "file")})`;
    out.line(
      `${id}  ${showPath(directory)}  ${what}${isRemoved ? ", removed" : ""}`,
    );
  }
  out.line(
    `${verb} ${plural(plan.snapshots.length, "snapshot")} and delete ` +
      `${plural(plan.contents, "content")} of ${formatBytes(plan.bytes)}.`,
  );
  if (plan.storedAgain.length > 0) {
    out.line(
      "Files to store again, because they are stored as deltas of purged " +
        `contents: ${showPaths(plan.storedAgain)}.`,
    );
  }
  if (plan.unfinished.length > 0) {
    out.line(
      "This purge also finishes an interrupted purge of " +
        `${plural(plan.unfinished.length, "snapshot")}.`,
    );
  }
}

/** The maximum number of paths that a line shows. */
const MAX_SHOWN_PATHS = 5;

function showPaths(paths: readonly string[]): string {
  const shown = paths.slice(0, MAX_SHOWN_PATHS).map(showPath);
  const rest = paths.length - shown.length;
  return shown.join(", ") + (rest > 0 ? ` and ${formatCount(rest)} more` : "");
}

/**
 * Warns about paths that no snapshot has, about patterns that no path matches,
 * and about contents that stay in the repository.
 */
function warn(
  out: Console,
  { missing, unmatched, others, running }: PurgePlan,
): void {
  for (const path of missing) {
    const advice = looksLikePattern(path)
      ? "; for a pattern, use `--pattern`"
      : "";
    out.warn(
      `${showPath(path)}: no snapshot of this directory has this path${advice}`,
    );
  }
  for (const pattern of unmatched) {
    out.warn(
      `${showPath(pattern)}: no path in any snapshot of this directory ` +
        "matches this pattern",
    );
  }
  for (const { path, sameAs, snapshot } of others) {
    out.warn(
      `${showPath(path)}${snapshot === undefined ? "" : ` in ${snapshot}`}: ` +
        `this file has the same content as ${showPath(sameAs)}, so the ` +
        "content stays in the repository; `--all` purges this file, too",
    );
  }
  if (running.length > 0) {
    out.warn(
      `runs that are active or were interrupted: ${running.join(", ")}. ` +
        "Objects that these runs need or have stored are kept; run the same " +
        "command again later",
    );
  }
}

/** Prints what a purge does not delete. */
function note(
  out: Console,
  { storage: { location } }: Repository,
  place: string,
  paths: readonly string[],
): void {
  const there = paths.filter((path) => existsSync(join(place, path)));
  if (there.length > 0) {
    out.note(
      `${showPaths(there)}: still in the directory, so the next ` +
        "snapshot would store the content again. Delete each path, or " +
        "exclude it with --exclude or .deltarignore.",
    );
  }
  out.note(
    "not purged: copies of the repository, and caches of other machines" +
      (/^s3:/i.test(location)
        ? ". If the bucket keeps old versions of objects, delete these " +
          "versions and the delete markers in the bucket, too."
        : ". Purge each copy, too."),
  );
}

/** Deletes this machine's cached states of the directories in a repository. */
function forgetStates({ id }: Repository): void {
  const folder = cacheFolder();
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    if (name.startsWith(`${id}-`) && name.endsWith(".state")) {
      rmSync(join(folder, name), { force: true });
    }
  }
}

function tell(out: Console, { phase, done, all }: PurgeProgress): void {
  const texts = {
    reading: "reading the trees of snapshots",
    replacing: "replacing snapshots",
    scanning: "searching volumes",
    deleting: "deleting objects",
    rewriting: "rewriting volumes",
  };
  out.progress(() => texts[phase], all > 1 ? `${done} of ${all}` : "");
}
