import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { buffer } from "node:stream/consumers";
import type { Command } from "commander";
import { DeltarError } from "../mod.ts";
import { decodeName, parsePath, spellPath } from "../lib/tree/mod.ts";
import { pathUnder } from "./path_under.ts";

/** Options for limiting a snapshot to the paths in lists. */
export interface FilesFromOptions {
  filesFrom?: string[];
  filesFrom0?: string[];
}

/** Adds the options that limit a snapshot to the paths in lists. */
export function addFilesFromOptions(command: Command): Command {
  const add = (file: string, all: string[] = []) => [...all, file];
  return command
    .option(
      "--files-from <file>",
      "Include only the paths in this file (- for standard input), one per " +
        "line; may be repeated",
      add,
    )
    .option(
      "--files-from0 <file>",
      "Like --files-from, with a NUL after each path",
      add,
    );
}

/**
 * Reads the lists of paths that the options name.
 *
 * @returns The paths as listed, or `undefined` if neither option is set.
 * @throws {DeltarError} `not-found` if the lists contain no paths; `io` if a
 * list cannot be read.
 */
export async function readPathLists(
  { filesFrom, filesFrom0 }: FilesFromOptions,
): Promise<string[] | undefined> {
  if (filesFrom === undefined && filesFrom0 === undefined) return undefined;
  const paths: string[] = [];
  const lists: [string[] | undefined, RegExp][] = [
    [filesFrom, /\r?\n/],
    [filesFrom0, /\0/],
  ];
  for (const [files = [], end] of lists) {
    for (const file of files) {
      for (const path of (await readList(file)).split(end)) {
        if (path !== "") paths.push(path);
      }
    }
  }
  if (paths.length > 0) return paths;
  throw new DeltarError(
    "not-found",
    "the list of paths is empty; list at least one path",
    { object: [...filesFrom ?? [], ...filesFrom0 ?? []].join(", ") },
  );
}

async function readList(file: string): Promise<string> {
  try {
    return decodeName(
      file === "-" ? await buffer(process.stdin) : readFileSync(file),
    );
  } catch (cause) {
    throw new DeltarError(
      "io",
      "cannot read the list of paths: " +
        (cause instanceof Error ? cause.message : String(cause)),
      { object: file, cause },
    );
  }
}

/**
 * Returns the listed paths, relative to the directory of a snapshot.
 *
 * @param listed The paths as listed.
 * @param base The folder from which relative paths start.
 * @param directory The directory of the snapshot.
 * @returns The paths, or `undefined` if the directory itself is listed.
 * @throws {DeltarError} `unsafe` if a path is outside the directory.
 */
export function pickPaths(
  listed: readonly string[],
  base: string,
  directory: string,
): string[] | undefined {
  const paths = listed.map((path) => {
    // In Bun, `resolve` replaces bytes that are not valid UTF-8, so these bytes
    // are written as escapes.
    const isText = path.isWellFormed();
    const place = resolve(base, isText ? path : spellPath(path));
    const found = pathUnder(directory, place);
    if (found !== undefined) return isText ? found : parsePath(found);
    throw new DeltarError(
      "unsafe",
      `a path in the list is not in ${directory}; list only paths in the ` +
        "directory of the snapshot",
      { object: path },
    );
  });
  return paths.includes("") ? undefined : [...new Set(paths)];
}
