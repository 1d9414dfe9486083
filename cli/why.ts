import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
} from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import {
  DeltarError,
  type Repository,
  type Skipped,
  type SnapshotRecord,
  Walker,
} from "../mod.ts";
import { placeOf } from "../lib/repository/mod.ts";
import { isAbsent, isFault, isWithin } from "../lib/tree/mod.ts";
import { codeOf } from "../shared/error_code.ts";
import { begin, type CommonOptions } from "./begin.ts";
import { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import {
  absolute,
  cacheFolder,
  isFolder,
  locateFrom,
  userFolder,
} from "./location.ts";
import {
  addExcludeOptions,
  type ExcludeOptions,
  optionWords,
  patternsOf,
  rulesOf,
} from "./exclude_options.ts";
import { openRepository } from "./open_repository.ts";
import { pathUnder } from "./path_under.ts";
import { checkPath, findFolder, FOLDER_HELP, pathIn } from "./suggest.ts";
import { shellWord, showPath, showText } from "./text.ts";

interface Options extends CommonOptions, Partial<ExcludeOptions> {}

/** Whether a snapshot includes a path, and the reason if it does not. */
interface Fate {
  /** Whether the path is included. */
  kept: boolean;
  /**
   * The reason why the path is not included: a rule that excludes it, or a
   * fault. Absent if the path is included.
   */
  why?: string;
}

/** The answer of `deltar why` for a path. */
interface Answer extends Fate {
  path: string;
  /**
   * The exclude options that the user typed, as words. Absent if the user names
   * a snapshot.
   */
  options?: string[];
  /**
   * The answer for the options of the last snapshot. Absent if these options
   * give the same answer as `options`.
   */
  last?: Fate & { snapshot: string; options: string[] };
  /**
   * Whether the snapshot that the user names skipped the path because of a
   * fault. Absent if the path is included, or if the user names no snapshot.
   */
  isSkipped?: boolean;
}

/** Makes the command `deltar why`. */
export function whyCommand(context: Context): Command {
  return addExcludeOptions(new Command("why"))
    .argument("<path>", "A file or folder in the directory")
    .argument("[snapshot]", `${FOLDER_HELP} (default: the next snapshot)`)
    .addHelpText("after", NOTES)
    .action(async (path, snapshot, options) => {
      context.code = await run(context, path, snapshot, options);
    });
}

const NOTES = `
Without a snapshot, the answer is for the next \`deltar snapshot\` with the same
options. If the options of the last snapshot give another answer, that answer is
shown too.`;

async function run(
  context: Context,
  word: string,
  snapshot: string | undefined,
  options: Options,
): Promise<number> {
  const out = new Console(context, options.json ?? false);
  const answer = snapshot === undefined
    ? await whyNext(context, word, options)
    : await then(context, word, snapshot, options);
  const { isSkipped, ...fields } = answer;
  if (out.json) {
    out.object("why", fields);
    return EXIT.done;
  }
  const { path, last } = fields;
  const by = answer.options?.length
    ? ` with ${showText(answer.options.join(" "))}`
    : "";
  out.line(`${showPath(path)} ${fateWords(fields, by, isSkipped)}`);
  if (last !== undefined) {
    const used = last.options.length > 0
      ? showText(last.options.join(" "))
      : "none";
    out.line(
      `With the options of the last snapshot (${used}), ${showPath(path)} ` +
        fateWords(last, ""),
    );
  }
  return EXIT.done;
}

/** The words before the reason why a path cannot be read. */
const UNREADABLE = "cannot be read: ";

/**
 * Returns a phrase that says whether a path is included and, if not, why.
 *
 * @param fate Whether the path is included, and the reason if not.
 * @param by The words that follow the verb, such as ` with --exclude tmp`. They
 * begin with a space, or are empty.
 * @param isSkipped Whether a fault, and not a rule, is the reason. By default,
 * the text of the reason shows this.
 */
export function fateWords(
  { kept, why = "" }: Fate,
  by: string,
  isSkipped: boolean = why.includes(UNREADABLE),
): string {
  if (kept) return `is included${by}`;
  const verb = isSkipped ? "is skipped" : "is excluded";
  return `${verb}${by}: ${showPath(why)}`;
}

/**
 * Returns whether the next snapshot would include a path, and the reason if
 * not.
 *
 * @param context The context of the command.
 * @param word The path, as the user typed it.
 * @param options The options for the next snapshot.
 * @throws {DeltarError} `not-found` if the path is not in the directory, or if
 * the path does not exist and no rule would exclude it.
 */
export async function whyNext(
  context: Context,
  word: string,
  options: Options,
): Promise<Answer> {
  const place = absolute(options.dir ?? ".");
  const { location, project } = locateFrom(options.repo, place);
  const last = await lastOf(context, options, place);
  const root = last === undefined ? project ?? place : placeOf(last);
  const found = pathUnder(root, absolute(word));
  if (found === undefined) {
    throw new DeltarError(
      "not-found",
      `the path is not in ${root}; name another directory with \`--dir\``,
      { object: word },
    );
  }
  const bare = found;
  // A slash at the end marks a folder, even one that does not exist, so that
  // rules for folders apply.
  const path = bare !== "" && /[\\/]$/.test(word) ? `${bare}/` : bare;
  const neverTouch = [
    ...isFolder(location) ? [location] : [],
    cacheFolder(),
    userFolder("state"),
  ];
  const rules = {
    ...rulesOf(root, options, patternsOf(options)),
    ...last?.common !== undefined && { paths: last.rules?.paths },
  };
  const fate = fateOf(new Walker(root, { ...rules, neverTouch }), path);
  const answer: Answer = {
    path: bare || ".",
    ...fate,
    options: typedOptions(options),
  };
  if (last?.rules !== undefined) {
    const other = fateOf(new Walker(root, { ...last.rules, neverTouch }), path);
    if (other.kept !== fate.kept || other.why !== fate.why) {
      const used = optionWords(last.rules, shellWord);
      answer.last = { snapshot: last.id, options: used, ...other };
    }
  }
  const isKept = fate.kept && (answer.last?.kept ?? true);
  // For a path that is not included, the rule or fault is the answer, whether
  // or not the path exists.
  if (isKept) checkPresent(root, bare);
  return answer;
}

/**
 * Checks that a path that no rule excludes exists.
 *
 * @param root The directory of the snapshots.
 * @param path The path below `root`.
 * @throws {DeltarError} `not-found` if the path does not exist.
 */
export function checkPresent(root: string, path: string): void {
  if (!isAbsent(join(root, path))) return;
  throw new DeltarError(
    "not-found",
    "no such file or folder, and no rule would exclude it; to look into a " +
      "snapshot, run `deltar why PATH SNAPSHOT`",
    { object: root, path },
  );
}

/** Returns the exclude options that the user typed, as words. */
function typedOptions(options: Options): string[] {
  const { exclude, iexclude, excludeFile = [], ...more } = options;
  return [
    ...optionWords({ ...more, excludes: exclude, iexcludes: iexclude }),
    ...excludeFile.flatMap((file) => ["--exclude-file", file]),
    ...options.excludeVcs ? ["--exclude-vcs"] : [],
  ];
}

/**
 * Returns whether a snapshot taken now would include a path, and the reason if
 * not.
 */
function fateOf(walker: Walker, path: string): Fate {
  const why = whyNot(walker, path);
  return { kept: why === undefined, ...why !== undefined && { why } };
}

function whyNot(walker: Walker, path: string): string | undefined {
  const bare = path.replace(/\/$/, "");
  if (bare === "") return undefined;
  const segments = bare.split("/");
  for (let depth = 1; depth <= segments.length; depth++) {
    const at = segments.slice(0, depth).join("/");
    const isLast = depth === segments.length;
    const rule = walker.whyExcluded(isLast ? path : `${at}/`);
    if (rule !== undefined) return rule;
    if (walker.neverTouch.has(at)) return "belongs to deltar's own files";
    const fault = faultAt(join(walker.path, at), isLast);
    if (fault === undefined) continue;
    return isLast ? fault : `${at}: ${fault}`;
  }
  return undefined;
}

/**
 * Returns the fault that prevents reading a file or folder, if there is one.
 *
 * @param place The path of the file or folder on this machine.
 * @param isLast Whether this is the path that the user named. Otherwise, it is
 * a folder above that path.
 */
function faultAt(place: string, isLast: boolean): string | undefined {
  try {
    const stat = lstatSync(place, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    if (stat.isSymbolicLink()) {
      return isLast ? undefined : "a symlink, which is not followed";
    }
    if (stat.isDirectory()) readdirSync(place);
    else if (stat.isSocket()) return "a socket";
    else if (isLast && stat.isFile()) closeSync(openSync(place, READ));
    return undefined;
  } catch (error) {
    const code = codeOf(error);
    // A part of the path is a file, so the path does not exist.
    if (code === "ENOTDIR") return undefined;
    const why = code === "EACCES" || code === "EPERM"
      ? "permission denied"
      : error instanceof Error
      ? error.message
      : String(error);
    return UNREADABLE + why;
  }
}

/**
 * The flags for opening a file. With these flags, opening a named pipe does not
 * wait for a writer.
 */
const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * Returns the last snapshot of the directory at a path, or of a directory that
 * contains the path.
 */
async function lastOf(
  context: Context,
  options: Options,
  place: string,
): Promise<SnapshotRecord | undefined> {
  let repository: Repository;
  try {
    repository = await openRepository(context, options.repo, place);
  } catch (error) {
    const isNone = error instanceof DeltarError && error.code === "not-found";
    if (isNone) return undefined;
    throw error;
  }
  return (await repository.lastAt(place, { onDamage: () => {} }))?.record;
}

/**
 * Returns whether an existing snapshot includes a path, and the reason if not.
 */
async function then(
  context: Context,
  word: string,
  snapshot: string,
  options: Options,
): Promise<Answer> {
  const begun = await begin(context, options);
  const { repository } = begun;
  const named = await findFolder(begun, snapshot);
  const { record } = named;
  const { byPath, skipped } = await repository.tree(record);
  const path = await pathIn(repository, named, word);
  if (path === "") return { path: ".", kept: true };
  const skip = skipped.find((skip) => isWithin(path, skip.path));
  if (skip !== undefined && !byPath.has(path)) {
    const isSkipped = isFault(skip);
    return { path, kept: false, why: reasonOf(skip), isSkipped };
  }
  if (!byPath.has(path)) await checkPath(repository, [record], path);
  return { path, kept: true };
}

function reasonOf({ path, reason, detail }: Skipped): string {
  return `${path}: ${reason}${detail === undefined ? "" : `: ${detail}`}`;
}
