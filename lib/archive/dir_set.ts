import { checkValue, texts } from "../bytes/check_options.ts";
import { DeltarError } from "../bytes/errors.ts";
import { directorySet, nameOfSet } from "../tree/directory_set.ts";
import type { WalkerOptions } from "../tree/walker.ts";
import { Dir } from "./dir.ts";

/** The maximum length of the name of several directories, in characters. */
const MAX_NAME_LENGTH = 4096;

/**
 * Several directories as one, for a snapshot of all of them. Its root is the
 * deepest folder that contains them, and a walk is limited to them. The paths
 * of entries begin at the root, so that directories with the same name differ:
 * `a/src/…` and `b/src/…` for `/work/a/src` and `/work/b/src`.
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
   * `/work/{a,b/src}`. Snapshots of the same directories follow each other.
   */
  override get name(): string {
    return this.#name;
  }

  readonly #name: string;

  /**
   * Opens several directories.
   *
   * @param directories The paths of the directories, at least two. A directory
   * that is in another one is not counted.
   * @param options Options for what to exclude and what to read. Patterns are
   * relative to the common folder.
   * @throws {DeltarError} `not-found` if one of them is not a directory; `limit`
   * if their name has more than 4,096 characters; `unsupported` if they are on
   * different drives of Windows; `io` if the system refuses access.
   * @throws {RangeError} If there are not at least two directories that are not
   * in another one.
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
          `characters, at most ${MAX_NAME_LENGTH}; take a snapshot of the ` +
          "common folder with a list of paths",
        { object: common },
      );
    }
  }
}

function fewError(): RangeError {
  return new RangeError(
    "the directories have to be at least two, and not in each other",
  );
}
