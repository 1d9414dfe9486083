import { Command, InvalidArgumentError, Option } from "commander";
import type { DeltarError } from "../mod.ts";
import { type FoundPath, placeOf } from "../lib/repository/mod.ts";
import { type HashedEntry, isAbsent } from "../lib/tree/mod.ts";
import { formatBytes, formatCount, plural } from "../shared/text.ts";
import { DAMAGE_ADVICE } from "./advice.ts";
import { begin, type CommonOptions } from "./begin.ts";
import type { Console } from "./console.ts";
import type { Context } from "./context.ts";
import { EXIT } from "./exit.ts";
import { toPattern } from "./patterns.ts";
import { parseSizeRange, parseTimeRange, type Range } from "./ranges.ts";
import { paint } from "./terminal.ts";
import { showPath, withNanoseconds } from "./text.ts";

interface Options extends CommonOptions {
  ignoreCase?: boolean;
  kind?: string[];
  size: Range<number>[];
  modified?: Range<bigint>;
  deleted?: boolean;
  allDirectories?: boolean;
}

/** The kinds of entries that `--kind` accepts. */
const KINDS = [
  "file",
  "directory",
  "symlink",
  "hardlink",
  "fifo",
  "block",
  "character",
];

/** Makes the command `deltar find`. */
export function findCommand(context: Context): Command {
  return new Command("find")
    .argument(
      "<pattern>",
      "A pattern in gitignore's syntax. A pattern without a slash is " +
        "compared with the name of each file and folder, and any other " +
        "pattern with the whole path",
    )
    .option("-i, --ignore-case", "Ignore case")
    .addOption(
      new Option("--kind <kind>", "Find only this kind; may be repeated")
        .choices(KINDS)
        .argParser((text: string, all: string[] = []) => [
          ...all,
          parseKind(text),
        ]),
    )
    .option(
      "--size <range>",
      "Find only files larger (+10M) or smaller (-1k) than a size; may be " +
        "repeated",
      (text: string, all: Range<number>[]) => [...all, parseSizeRange(text)],
      [],
    )
    .option(
      "--modified <range>",
      "Find only entries modified in this period, such as yesterday, " +
        "2026-11.. or 2026-11-01..2026-11-20",
      parseTimeRange,
    )
    .option(
      "--deleted",
      "Find only paths that do not exist in the directory now",
    )
    .addOption(
      new Option(
        "--all-directories",
        "Search the snapshots of all directories and machines",
      ).conflicts("deleted"),
    )
    .action(async (pattern, options) => {
      context.code = await run(context, pattern, options);
    });
}

function parseKind(text: string): string {
  if (KINDS.includes(text)) return text;
  throw new InvalidArgumentError(`Use one of ${KINDS.join(", ")}.`);
}

async function run(
  context: Context,
  typed: string,
  options: Options,
): Promise<number> {
  const { out, repository, place } = await begin(context, options);
  const { kind, size, modified, deleted } = options;
  const isWanted = (entry: HashedEntry) =>
    (kind === undefined || kind.includes(entry.kind)) &&
    (size.length === 0 || entry.kind === "file") &&
    size.every((isIn) => isIn(entry.size)) &&
    (modified === undefined || modified(entry.mtime));
  let code: number = EXIT.done;
  let snapshots = 0;
  const all = await repository.findPaths(toPattern(typed, place), {
    ...!options.allDirectories && { directory: place },
    ignoreCase: options.ignoreCase ?? false,
    isWanted,
    signal: context.signal,
    onProgress: (count) => {
      snapshots = count;
      out.progress(() => "searching", plural(count, "snapshot"));
    },
    onDamage: ({ message }: DeltarError) => {
      code = EXIT.partial;
      out.warn(`${message}; ${DAMAGE_ADVICE}`);
    },
  });
  const found = deleted ? all.filter(isDeleted) : all;
  if (out.json) {
    out.object("find", { snapshots, paths: found.map(fields) });
    return code;
  }
  print(out, found, options.allDirectories ?? false);
  const what = found.length === 0 ? "No paths" : plural(found.length, "path");
  out.line(`${what} found in ${plural(snapshots, "snapshot")}`);
  return code;
}

/** Returns whether a path does not exist in its directory now. */
function isDeleted({ path, last }: FoundPath): boolean {
  // Bun's `join` changes names that are not valid UTF-8.
  return isAbsent(`${placeOf(last)}/${path}`);
}

function print(
  out: Console,
  found: readonly FoundPath[],
  withDirectory: boolean,
): void {
  if (found.length === 0) return;
  const width = 23;
  out.line(
    "First snapshot".padEnd(width) + "  " + "Last snapshot".padEnd(width) +
      "  Snapshots      Size  Path",
  );
  for (const { path, entry, first, last, count } of found) {
    const size = entry.kind === "file" ? formatBytes(entry.size) : "";
    const name = showPath(path) + (entry.kind === "directory" ? "/" : "");
    out.line(
      [
        first.id,
        paint("bold", last.id),
        formatCount(count).padStart(9),
        size.padStart(8),
        withDirectory ? `${showPath(last.directory)}: ${name}` : name,
      ].join("  "),
    );
  }
}

/** Returns the JSON fields of a found path. */
function fields({ path, entry, first, last, count }: FoundPath): object {
  const { kind, size, mtime } = entry;
  const moment = ({ id, time }: FoundPath["first"]) => ({
    id,
    time: new Date(time).toISOString(),
  });
  return {
    directory: last.directory,
    path,
    kind,
    size,
    mtime: withNanoseconds(mtime),
    first: moment(first),
    last: moment(last),
    count,
  };
}
