import { isAbsolute, resolve } from "node:path";
import { DeltarError } from "../../mod.ts";
import { isWithin } from "../../lib/tree/mod.ts";
import { pathUnder } from "../path_under.ts";
import { joinPath } from "../suggest.ts";
import type { Source } from "../take_snapshot.ts";
import { showPath } from "../text.ts";

/** The directories that a server may read, snapshot and restore. */
export class ServedDirectories {
  readonly #sources: readonly Source[];

  /** Makes a list of at least one directory. */
  constructor(sources: readonly Source[]) {
    this.#sources = sources;
  }

  /** The paths of the directories, separated by commas. */
  get words(): string {
    return this.#sources.map(({ place }) => showPath(place)).join(", ");
  }

  /**
   * Returns the directory that a model names, or the directory that contains
   * the named folder. Without a name, returns the first directory.
   *
   * @throws {DeltarError} `unsafe` if the folder is in none of the directories.
   */
  find(word?: string): Source {
    const [first] = this.#sources;
    if (word === undefined) return first;
    const place = isAbsolute(word) ? resolve(word) : resolve(first.place, word);
    const found = this.#sources
      .filter((source) => pathUnder(source.place, place) !== undefined)
      .sort((a, b) => b.place.length - a.place.length);
    if (found.length > 0) return found[0];
    throw new DeltarError(
      "unsafe",
      `this server does not serve the directory \`${showPath(word)}\`. It ` +
        `serves ${this.words}. Name one of these as \`directory\`, or omit ` +
        "`directory`. Only the user can add directories, in the " +
        "configuration of the server.",
    );
  }
}

/**
 * Returns the path relative to the served directory for a path in a snapshot,
 * or `undefined` if the path is outside the served directory.
 *
 * @param below The path of the served directory in the snapshot's directory,
 * `""` if they are the same.
 * @param path The path in the snapshot.
 */
export function servedPath(below: string, path: string): string | undefined {
  if (!isWithin(path, below)) return undefined;
  return below === "" ? path : path.slice(below.length + 1);
}

/**
 * Returns the path in a snapshot for a path that a model names.
 *
 * @param place The path of the served directory.
 * @param below The path of the served directory in the snapshot's directory,
 * `""` if they are the same.
 * @param word The path relative to the served directory, or an absolute path in
 * it.
 * @throws {DeltarError} `unsafe` if the path leads out of the served directory.
 */
export function pathInside(
  place: string,
  below: string,
  word: string,
): string {
  const inside = isAbsolute(word) ? pathUnder(place, resolve(word)) : word;
  const path = inside === undefined ? undefined : joinPath("", inside);
  if (path !== undefined && path.split("/")[0] !== ".." && !isAbsolute(path)) {
    return joinPath(below, path);
  }
  throw new DeltarError(
    "unsafe",
    `the path \`${showPath(word)}\` is outside ${showPath(place)}. Give a ` +
      "path relative to this directory, such as `src/main.ts`, without `..`.",
  );
}
