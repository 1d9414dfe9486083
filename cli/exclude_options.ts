import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { DeltarError, type IgnoreOptions } from "../mod.ts";
import { VERSION_CONTROL } from "../lib/tree/mod.ts";
import { codeOf } from "../shared/error_code.ts";
import { toPattern } from "./patterns.ts";
import { parseBytes } from "./quantity.ts";

/** Options for excluding paths. */
export interface ExcludeOptions {
  exclude: string[];
  iexclude: string[];
  excludeFile: string[];
  excludeIfPresent: string[];
  excludeCaches?: boolean;
  excludeLargerThan?: number;
  oneFileSystem?: boolean;
  gitignore?: boolean;
  excludeVcs?: boolean;
}

/** Adds to a command the options that exclude paths. */
export function addExcludeOptions(command: Command): Command {
  const add = (text: string, all: string[]) => [...all, text];
  return command
    .option(
      "--exclude <pattern>",
      "Exclude paths that match, in gitignore's syntax; may be repeated",
      add,
      [],
    )
    .option(
      "--iexclude <pattern>",
      "Like --exclude, but ignore case; may be repeated",
      add,
      [],
    )
    .option(
      "--exclude-file <file>",
      "Exclude paths that match a line of this file; may be repeated",
      add,
      [],
    )
    .option("--gitignore", "Exclude paths that .gitignore files match")
    .option("--exclude-vcs", "Exclude .git/, .hg/ and .svn/")
    .option(
      "--exclude-caches",
      "Exclude the content of folders with a valid CACHEDIR.TAG",
    )
    .option(
      "--exclude-if-present <filename>",
      "Exclude the content of folders that have an entry of this name; may be " +
        "repeated",
      (name: string, all: string[]) => [...all, parseName(name)],
      [],
    )
    .option(
      "--exclude-larger-than <size>",
      "Exclude files larger than this size (500M, 2GiB)",
      parseBytes,
    )
    .option(
      "--one-file-system",
      "Exclude the content of folders on which another file system is mounted",
    );
}

/**
 * Checks that a text can be the name of a file or folder, and returns the text.
 */
function parseName(text: string): string {
  if (!/[\\/\0]|^\.{0,2}$/.test(text)) return text;
  throw new InvalidArgumentError(
    "Use the name of a file or folder, not a path.",
  );
}

/**
 * Returns the patterns in the files of `--exclude-file`, followed by those of
 * `--exclude`. Later patterns take precedence over earlier ones.
 *
 * @throws {DeltarError} `not-found` or `io` if a file cannot be read.
 */
export function patternsOf(options: Partial<ExcludeOptions>): string[] {
  return [
    ...(options.excludeFile ?? []).flatMap(readPatterns),
    ...options.exclude ?? [],
  ];
}

/** Returns the patterns in a file, without comments or blank lines. */
function readPatterns(file: string): string[] {
  try {
    const text = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
    return text.split(/\r?\n/).filter((line) =>
      line.trim() !== "" && !line.startsWith("#")
    );
  } catch (cause) {
    const isAbsent = codeOf(cause) === "ENOENT";
    throw new DeltarError(
      isAbsent ? "not-found" : "io",
      "cannot read the exclude patterns: " +
        (isAbsent
          ? "no such file"
          : cause instanceof Error
          ? cause.message
          : String(cause)),
      { object: file, cause },
    );
  }
}

/**
 * Returns the exclude rules that options set for a directory.
 *
 * @param patterns The result of `patternsOf`.
 */
export function rulesOf(
  directory: string,
  options: Partial<ExcludeOptions>,
  patterns: readonly string[],
): IgnoreOptions {
  const { iexclude = [], excludeIfPresent, excludeLargerThan } = options;
  return {
    excludes: [
      ...patterns.map((pattern) => toPattern(pattern, directory)),
      ...options.excludeVcs ? VERSION_CONTROL : [],
    ],
    iexcludes: iexclude.map((pattern) => toPattern(pattern, directory)),
    gitignore: options.gitignore ?? false,
    excludeCaches: options.excludeCaches ?? false,
    excludeIfPresent: excludeIfPresent ?? [],
    excludeLargerThan: excludeLargerThan ?? Infinity,
    oneFileSystem: options.oneFileSystem ?? false,
  };
}

/**
 * Returns the command-line options that set these exclude rules, as words.
 *
 * @param quote Called with each pattern and each name. Returns the pattern or
 * name, quoted for the command line. By default, nothing is quoted.
 */
export function optionWords(
  { excludes = [], iexcludes = [], excludeIfPresent = [], ...more }:
    IgnoreOptions,
  quote: (value: string) => string = (value) => value,
): string[] {
  const size = more.excludeLargerThan ?? Infinity;
  return [
    ...excludes.flatMap((one) => ["--exclude", quote(one)]),
    ...iexcludes.flatMap((one) => ["--iexclude", quote(one)]),
    ...more.gitignore ? ["--gitignore"] : [],
    ...more.excludeCaches ? ["--exclude-caches"] : [],
    ...excludeIfPresent.flatMap((name) => [
      "--exclude-if-present",
      quote(name),
    ]),
    ...size < Infinity ? ["--exclude-larger-than", `${size}B`] : [],
    ...more.oneFileSystem ? ["--one-file-system"] : [],
  ];
}
