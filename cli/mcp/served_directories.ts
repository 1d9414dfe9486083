import { isAbsolute, resolve } from "node:path";
import { DeltarError } from "../../mod.ts";
import { isWithin } from "../../lib/tree/mod.ts";
import { pathUnder } from "../path_under.ts";
import { joinPath } from "../suggest.ts";
import type { Source } from "../take_snapshot.ts";
import { showPath } from "../text.ts";

/** The directories that a server may read, back up and restore. */
export class ServedDirectories {
  readonly #sources: readonly Source[];

  /** Makes the list from at least one directory. */
  constructor(sources: readonly Source[]) {
    this.#sources = sources;
  }

  /** The paths of the directories, separated by commas. */
  get words(): string {
    return this.#sources.map(({ place }) => showPath(place)).join(", ");
  }

  /**
   * Returns the served directory that is at a path or contains the path. If
   * there are several, returns the innermost one.
   *
   * @param word The path that a model gives: absolute, or relative to the first
   * served directory. Default: the first served directory.
   * @throws {DeltarError} `unsafe` if the path is not in a served directory.
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
 * Converts a path in a snapshot into a path relative to the served directory.
 * Returns `undefined` if the path is outside the served directory.
 *
 * @param below The path of the served directory relative to the snapshot's
 * directory, or `""` if the two directories are the same.
 * @param path The path in the snapshot.
 */
export function servedPath(below: string, path: string): string | undefined {
  if (!isWithin(path, below)) return undefined;
  return below === "" ? path : path.slice(below.length + 1);
}

/**
 * Converts a path that a model names into a path in a snapshot.
 *
 * @param place The absolute path of the served directory.
 * @param below The path of the served directory relative to the snapshot's
 * directory, or `""` if the two directories are the same.
 * @param word The path that the model names: absolute, or relative to the
 * served directory.
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
