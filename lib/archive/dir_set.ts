import { checkValue, texts } from "../bytes/check_options.ts";
import { DeltarError } from "../bytes/errors.ts";
import { directorySet, nameOfSet } from "../tree/directory_set.ts";
import type { WalkerOptions } from "../tree/walker.ts";
import { Dir } from "./dir.ts";

/** The maximum length of the name of a `DirSet`, in characters. */
const MAX_NAME_LENGTH = 4096;

/**
 * Several directories that are treated as one, for a snapshot of all of them.
 * The root is the deepest folder that contains the directories, and a walk is
 * limited to the directories. The paths of entries begin at the root, so that
 * directories with the same name can be told apart: `a/src/…` and `b/src/…` for
 * `/work/a/src` and `/work/b/src`.
 *
 * @example
 * ```ts
 * import { DirSet } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 * import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   for (const name of ["notes", "other", "photos"]) {
 *     mkdirSync(`${folder}/${name}`);
 *     writeFileSync(`${folder}/${name}/a`, "a");
 *   }
 *   const dirs = new DirSet([`${folder}/notes`, `${folder}/photos`]);
 *   assert.deepEqual(dirs.files(), ["notes/a", "photos/a"]);
 *   assert.match(dirs.name, /\{notes,photos\}$/);
 * } finally {
 *   rmSync(folder, { recursive: true });
 * }
 * ```
 */
export class DirSet extends Dir {
  /**
   * The common folder, and the paths of the directories below it in braces:
   * `/work/{a,b/src}`. Sets of the same directories have the same name.
   */
  override get name(): string {
    return this.#name;
  }

  readonly #name: string;

  /**
   * Opens several directories.
   *
   * @param directories The paths of the directories, at least two. A directory
   *   that is inside another directory of the list is ignored.
   * @param options Options for excluding and reading paths. Patterns are
   *   relative to the common folder.
   * @throws {DeltarError} `not-found` if one of the paths is not a directory;
   *   `limit` if the name of the set has more than 4,096 characters;
   *   `unsupported` if the directories are on different Windows drives; `io` if
   *   the system refuses access.
   * @throws {RangeError} If fewer than two directories remain after nested
   *   directories are ignored.
   * @throws {TypeError} If an argument has the wrong type.
   */
  constructor(
    directories: readonly string[],
    options: Omit<WalkerOptions, "paths"> = {},
  ) {
    checkValue("the directories", directories, texts);
    for (const directory of directories) new Dir(directory);
    if (directories.length === 0) throw fewError();
    const { common, paths } = directorySet(directories);
    if (paths.length < 2) throw fewError();
    super(common, { ...options, paths });
    this.#name = nameOfSet({ common, paths });
    if (this.#name.length > MAX_NAME_LENGTH) {
      throw new DeltarError(
        "limit",
        `the paths of the directories are too long: ${this.#name.length} ` +
          `characters together, at most ${MAX_NAME_LENGTH}; take a snapshot ` +
          "of the folder that contains them all, and list the paths to store",
        { object: common },
      );
    }
  }
}

function fewError(): RangeError {
  return new RangeError(
    "a set needs at least two directories that are not inside one another",
  );
}
