import { fs } from "../bytes/node.ts";
import type { WalkedEntry } from "./entry.ts";
import { faultOf } from "./file.ts";
import { type FileStat, lstat } from "./stat.ts";
import { readLink } from "./walk_tree.ts";
import { Walker, type WalkOptions } from "./walker.ts";

/**
 * A directory of which only some paths are seen, whatever the rules: what a
 * restore is about to change.
 */
export class PickedWalker extends Walker {
  /** What each path was when it was seen last. */
  readonly seen: Map<string, FileStat> = new Map();
  readonly #paths: readonly string[];

  /**
   * Looks at some paths of a directory.
   *
   * @param path The directory.
   * @param paths The paths below it, in path order, each after its folder; no
   * symlink is on the way to any.
   */
  constructor(path: string, paths: readonly string[]) {
    super(path, { excludes: [], ignoreFile: false });
    this.#paths = paths;
  }

  /** The picked paths that are there; see {@linkcode Walker.entries}. */
  override *entries(options: WalkOptions = {}): Generator<WalkedEntry> {
    const links = new Map<string, string>();
    for (const path of this.#paths) {
      const place = `${this.path}/${path}`;
      let stat: FileStat;
      let target: string | undefined;
      try {
        stat = lstat(place);
        if (stat.kind === "special") throw new Error("it is no file any more");
        if (stat.kind === "symlink") target = readLink(place, stat.size);
        // What cannot be read cannot be kept, be it asked for or not.
        if (stat.kind === "file") fs.accessSync(place, fs.constants.R_OK);
      } catch (error) {
        const [reason, detail] = faultOf(error);
        options.onSkip?.({ path, reason, detail });
        continue;
      }
      this.seen.set(path, stat);
      const { mode, mtime, uid, gid, ctime, inode, kind } = stat;
      const entry: WalkedEntry = {
        path,
        kind: kind as WalkedEntry["kind"],
        mode,
        mtime,
        uid,
        gid,
        size: kind === "file" ? stat.size : 0,
        ctime,
        inode,
        ...(target !== undefined && { target }),
      };
      if (kind === "file" && stat.links > 1) {
        const key = `${stat.device}:${inode}`;
        const first = links.get(key);
        if (first === undefined) links.set(key, path);
        else Object.assign(entry, { kind: "hardlink", target: first, size: 0 });
      }
      yield entry;
    }
  }
}
