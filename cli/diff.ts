import { lstatSync } from "node:fs";
import { Command, Option } from "commander";
import { DeltarError } from "../mod.ts";
import { isFault, isWithin, pathOf } from "../lib/tree/mod.ts";
import { begin, type Begun, type CommonOptions } from "./begin.ts";
import {
  changeFields,
  changeLine,
  skipOf,
  skipsByPath,
} from "./change_line.ts";
import { shownChanges, withDirectory, withSnapshot } from "./comparison.ts";
import type { Context } from "./context.ts";
import { type FileStat, fileStats, statLines } from "./diff_stat.ts";
import { EXIT } from "./exit.ts";
import { absolute } from "./location.ts";
import { PagedOutput } from "./pager.ts";
import { PatchContents } from "./patch_contents.ts";
import { parseCount } from "./quantity.ts";
import {
  checkPath,
  findFolder,
  FOLDER_HELP,
  hasPath,
  type Named,
  pathIn,
} from "./suggest.ts";
import { showPath } from "./text.ts";

interface Options extends CommonOptions {
  patch?: boolean;
  unified?: number;
  word?: boolean;
  binary?: boolean;
  stat?: boolean;
  checksum?: boolean;
  pager: boolean;
}

/** Makes the command `deltar diff`. */
export function diffCommand(context: Context): Command {
  return new Command("diff")
    .argument("<a>", `The old snapshot. ${FOLDER_HELP}`)
    .argument("[b]", "The new snapshot (default: the directory as it is now)")
    .argument("[path...]", "Only these files and folders")
    .option("-p, --patch", "Print a patch that `git apply` can apply")
    .option(
      "-U, --unified <n>",
      "Print a patch with n unchanged lines around a change (default: 3)",
      parseCount,
    )
    .addOption(
      new Option("--word", "Print a patch that marks changed words")
        .conflicts("binary"),
    )
    .option("--binary", "Print a patch that includes binary files")
    .option("--stat", "Print the number of changed lines of each file")
    .option(
      "--checksum",
      "Read the files of the directory even if their size and time are " +
        "unchanged",
    )
    .option("--no-pager", "Do not use a pager")
    .addHelpText("after", NOTES)
    .action(async (
      a: string,
      b: string | undefined,
      paths: string[],
      options: Options,
      command: Command,
    ) => {
      if (options.json && isPatch(options)) {
        command.error(
          "error: a patch cannot be printed as JSON: omit `--json`, or replace the patch options with `--stat`",
          { exitCode: EXIT.usage },
        );
      }
      const words = b === undefined ? [] : [b, ...paths];
      context.code = await run(context, a, words, options);
    });
}

const NOTES = `
A word after the old snapshot that names no snapshot, or that begins with ./, is
a path. On a terminal, $DELTAR_PAGER, $PAGER or less shows the output.`;

/** Returns whether the options ask for a patch. */
function isPatch({ patch, unified, word, binary }: Options): boolean {
  return Boolean(patch || word || binary) || unified !== undefined;
}

async function run(
  context: Context,
  a: string,
  words: readonly string[],
  options: Options,
): Promise<number> {
  const begun = await begin(context, options);
  const { out, repository } = begun;
  const old = await findFolder(begun, a);
  const { now, paths } = await newSnapshot(begun, old, words);
  const compared = now === undefined
    ? await withDirectory(context, begun, old, paths, options)
    : await withSnapshot(context, begun, [old, now], paths);
  const { before, after, skipped } = compared;
  const changes = shownChanges(compared);
  if (changes.length === 0 && !compared.isOfFolder) {
    const records = after === undefined ? [before] : [before, after];
    for (const path of compared.paths) {
      if (compared.states[1].index.get(path) !== undefined) continue;
      await checkPath(repository, records, path);
    }
  }
  let code: number = EXIT.done;
  if (compared.directory !== undefined) {
    for (const skip of skipped.filter(isFault)) {
      if (!compared.paths.some((path) => isWithin(skip.path, path))) continue;
      code = EXIT.partial;
      out.warn(`${showPath(skip.path)}: ${skip.detail ?? skip.reason}`);
    }
  }
  const skips = skipsByPath(skipped);
  // A skipped path might still exist, so a patch does not delete it.
  const contents = new PatchContents(context, out, {
    ...compared,
    changes: changes.filter((change) => skipOf(change, skips) === undefined),
  });
  if (out.json) {
    const stats = options.stat
      ? await fileStats(contents.compare())
      : new Map<string, FileStat>();
    out.object("diff", {
      before: before.id,
      ...after ? { after: after.id } : { directory: compared.directory },
      changes: changes.map((change) => {
        const skip = skipOf(change, skips);
        return {
          ...changeFields(change, skip),
          ...statFields(stats.get(pathOf(change))),
        };
      }),
    });
    return Math.max(code, contents.code);
  }
  const output = new PagedOutput(context, options.pager);
  try {
    if (options.stat || isPatch(options)) {
      await printContents(output, contents, options);
    } else {
      for (const change of changes) {
        const line = changeLine(change, compared.states, skips);
        if (!await output.line(line)) break;
      }
    }
  } finally {
    await output.close();
  }
  if (output.isInterrupted) return EXIT.interrupted;
  return Math.max(code, contents.code);
}

/**
 * Prints the number of changed lines and the patch, if the options ask for
 * them. Stops when the program that reads the output has closed it.
 */
async function printContents(
  output: PagedOutput,
  contents: PatchContents,
  options: Options,
): Promise<void> {
  if (options.stat) {
    const stats = [...(await fileStats(contents.compare())).values()];
    for (const line of statLines(stats)) {
      if (!await output.line(line)) return;
    }
    if (isPatch(options) && stats.length > 0) await output.line("");
  }
  if (!isPatch(options)) return;
  await contents.print(output, options);
}

/**
 * Parses the words that follow the old snapshot on the command line. Returns
 * the new snapshot, if the first word names one, and the paths.
 */
async function newSnapshot(
  begun: Begun,
  old: Named,
  words: readonly string[],
): Promise<{ now?: Named; paths: readonly string[] }> {
  const [b, ...paths] = words;
  if (b === undefined || /^\.{1,2}(?:[\\/]|$)/.test(b)) {
    return { paths: words };
  }
  try {
    return { now: await findFolder(begun, b), paths };
  } catch (error) {
    const isNone = error instanceof DeltarError && error.code === "not-found";
    if (isNone && await isPath(begun, old, b)) return { paths: words };
    throw error;
  }
}

/**
 * Returns whether a word is a path in the old snapshot, or an existing path on
 * this machine.
 */
async function isPath(
  { repository }: Begun,
  old: Named,
  word: string,
): Promise<boolean> {
  if (
    await hasPath(repository, old.record, await pathIn(repository, old, word))
  ) {
    return true;
  }
  try {
    return lstatSync(absolute(word), { throwIfNoEntry: false }) !== undefined;
  } catch {
    // For example, `a/b` cannot be looked up if `a` is a file.
    return false;
  }
}

/** Returns the JSON fields that `--stat` adds to a change. */
function statFields(stat: FileStat | undefined): object {
  if (stat === undefined) return {};
  const { insertions, deletions, sizes } = stat;
  return sizes === undefined ? { insertions, deletions } : { isBinary: true };
}
