import { canHaveLinks, isSpecialKind, type WalkedEntry } from "./entry.ts";
import { faultOf } from "./file.ts";
import type { OpenFolders } from "./open_folders.ts";
import type { FileStat } from "./statx.ts";
import { openTree } from "./walk_tree.ts";
import {
  nameOfLinked,
  walkedEntry,
  walkedLink,
  walkedSpecial,
} from "./walked_entry.ts";
import { Walker, type WalkOptions } from "./walker.ts";

/**
 * A walker that visits only the given paths of a directory, even if rules
 * exclude them. A safety snapshot uses it for the paths that a restore is about
 * to change.
 */
export class PickedWalker extends Walker {
  /** The states of the entries that were yielded, by path. */
  readonly seen: Map<string, FileStat> = new Map();
  readonly #paths: readonly string[];

  /**
   * Makes a walker for some paths of a directory.
   *
   * @param path The path of the directory.
   * @param paths The paths below the directory, in path order, including the
   * folders that contain them.
   */
  constructor(path: string, paths: readonly string[]) {
    super(path, { excludes: [], ignoreFile: false });
    this.#paths = paths;
  }

  /**
   * Yields the entries at the picked paths. A path is skipped if nothing exists
   * there, if the entry cannot be read, or if deltar does not store entries of
   * its kind. See {@linkcode Walker.entries}.
   */
  override *entries(options: WalkOptions = {}): Generator<WalkedEntry> {
    const folders = openTree(this);
    try {
      yield* this.#pick(folders, options);
    } finally {
      folders.close();
    }
  }

  *#pick(
    folders: OpenFolders,
    options: WalkOptions,
  ): Generator<WalkedEntry> {
    const links = new Map<string, string>();
    for (const path of this.#paths) {
      let stat: FileStat;
      let entry: WalkedEntry;
      try {
        stat = folders.statAt(path) ?? gone();
        const { kind } = stat;
        if (kind === "special") {
          throw new Error(
            "the path is now a socket or an unknown kind of entry",
          );
        }
        // If the file cannot be opened, the error is caught below, and the path
        // is skipped.
        if (kind === "file") folders.openFile(path).close();
        const found = stat;
        const make = () =>
          isSpecialKind(kind)
            ? walkedSpecial(path, kind, found)
            : kind === "symlink"
            ? walkedLink(path, kind, found, folders.readLink(path))
            : walkedEntry(path, kind, found);
        entry = canHaveLinks(kind) && stat.links > 1
          ? nameOfLinked(path, stat, links, make)
          : make();
      } catch (error) {
        const [reason, detail] = faultOf(error);
        options.onSkip?.({ path, reason, detail });
        continue;
      }
      this.seen.set(path, stat);
      yield entry;
    }
  }
}

function gone(): never {
  throw Object.assign(new Error("deleted after being listed"), {
    code: "ENOENT",
  });
}
