import { join } from "node:path";
import { Command, Option } from "commander";
import { DeltarError, type Repository } from "../mod.ts";
import type { XattrOptions } from "../lib/repository/mod.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { absolute, cacheFolder } from "./location.ts";
import { placeHere } from "./place_here.ts";
import { carryOutOrPlan, type RestoreWorkOptions } from "./restore_work.ts";
import {
  findFolder,
  FOLDER_HELP,
  joinPath,
  type Named,
  pathIn,
  suggesting,
} from "./suggest.ts";
import { showPath, treePath } from "./text.ts";
import { trustOption } from "./trust.ts";

interface Options extends CommonOptions, RestoreWorkOptions {
  to?: string;
  inPlace?: boolean;
  all?: boolean;
  delete?: boolean;
  rootAttributes?: boolean;
  numericOwner?: boolean;
  xattrs?: boolean;
  includeXattr?: string[];
  excludeXattr?: string[];
}

/** Makes the command `deltar restore`. */
export function restoreCommand(context: Context): Command {
  return new Command("restore")
    .description(
      "Restore a snapshot, or some paths of it. Only files that differ from " +
        "the snapshot are written. Files that are overwritten or deleted are " +
        "saved first, so that `deltar undo` can undo the restore",
    )
    .argument("<snapshot>", FOLDER_HELP)
    .argument("[path...]", "Only these files and folders")
    .option(
      "--to <dir>",
      "Restore into this directory, which is created if it does not exist",
    )
    .addOption(
      new Option("--in-place", "Restore over the snapshot's own directory")
        .conflicts("to"),
    )
    .option(
      "--all",
      "With --in-place, restore the snapshot's whole directory, not only the " +
        "current directory",
    )
    .option(
      "--delete",
      "Delete files that are not in the snapshot, except excluded files",
    )
    .option(
      "--root-attributes",
      "Set the mode, owner and time of the target directory even if it " +
        "already exists",
    )
    .option(
      "--numeric-owner",
      "Restore owners and groups by number, even if their names exist " +
        "on this machine",
    )
    .option("--no-xattrs", "Do not restore extended attributes and ACLs")
    .addOption(
      new Option(
        "--include-xattr <pattern>",
        "Restore only extended attributes whose names match a pattern such " +
          "as user.*; may be repeated",
      ).argParser(repeated).conflicts("excludeXattr"),
    )
    .addOption(
      new Option(
        "--exclude-xattr <pattern>",
        "Do not restore extended attributes whose names match a pattern; may " +
          "be repeated",
      ).argParser(repeated),
    )
    .addOption(trustOption())
    .option("--dry-run", "Show what would change without changing anything")
    .action(async (
      snapshot: string,
      paths: string[],
      options: Options,
      command: Command,
    ) => {
      if (options.to === undefined && !options.inPlace) {
        command.error(
          "error: missing target: add `--to <dir>` or `--in-place`",
          { exitCode: EXIT.usage },
        );
      }
      context.code = await run(context, snapshot, paths, options);
    });
}

function repeated(value: string, all: string[] = []): string[] {
  return [...all, value];
}

/** Returns the library's option for extended attributes. */
function xattrsOf(
  { xattrs, includeXattr, excludeXattr }: Options,
): { xattrs?: false | XattrOptions } {
  if (xattrs === false) return { xattrs: false };
  if (includeXattr !== undefined) return { xattrs: { include: includeXattr } };
  if (excludeXattr !== undefined) return { xattrs: { exclude: excludeXattr } };
  return {};
}

/**
 * Returns the paths to restore. If the result is empty or contains an empty
 * path, everything is restored. The meaning of the typed paths depends on the
 * restore:
 *
 * - For `SNAPSHOT:FOLDER`, they are relative to the folder.
 * - For any other restore in place, they are relative to the current directory
 *   or, with `--all`, to the snapshot's directory.
 * - For all other restores, see `pathIn`.
 */
async function choose(
  repository: Repository,
  named: Named,
  words: readonly string[],
  { inPlace, all }: Options,
): Promise<string[]> {
  const { folder, below } = named;
  if (folder !== "") return words.map(treePath);
  if (inPlace) {
    const at = all ? "" : below;
    return (words.length === 0 ? ["."] : words)
      .map((word) => joinPath(at, word));
  }
  return await Promise.all(
    words.map((word) => pathIn(repository, named, word)),
  );
}

/** The advice if the snapshot's own directory cannot be the target. */
const CHOOSE = "Use --to to choose the directory to restore into.";

async function run(
  context: Context,
  snapshot: string,
  paths: string[],
  options: Options,
): Promise<number> {
  const begun = await begin(context, options);
  const { out, repository } = begun;
  const named = await findFolder(begun, snapshot, { asMade: true });
  const { record, folder } = named;
  if (options.to === undefined && !folder.isWellFormed()) {
    throw new DeltarError(
      "unsupported",
      "cannot restore into a directory whose path is not valid UTF-8. Choose " +
        "another directory with --to.",
      { path: folder },
    );
  }
  const target = options.to === undefined
    ? join(placeHere(record, CHOOSE), folder)
    : absolute(options.to);
  const chosen = await choose(repository, named, paths, options);
  const work = {
    ...folder !== "" && { from: folder },
    ...chosen.length > 0 && !chosen.includes("") && { paths: chosen },
    delete: options.delete ?? false,
    rootAttributes: options.rootAttributes ?? false,
    numericOwner: options.numericOwner ?? false,
    ...xattrsOf(options),
    neverTouch: [cacheFolder()],
  };
  const checked = <Result>(run: () => Promise<Result>) =>
    suggesting(repository, record, run);
  return await carryOutOrPlan(context, out, options, {
    target,
    fields: { snapshot: record.id },
    plan: (more) =>
      checked(() =>
        repository.planRestore(record, target, { ...work, ...more })
      ),
    carryOut: (more) =>
      checked(() => repository.restore(record, target, { ...work, ...more })),
    sentence: (done) =>
      `Restored ${done}, from ${record.id} to ${showPath(target)}`,
  });
}
