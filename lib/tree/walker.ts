import type * as NodeFs from "node:fs";
import { fs, nodePath } from "../bytes/node.ts";
import { DeltarError } from "../bytes/errors.ts";
import type { ByteSource } from "../bytes/source.ts";
import type { Skipped, WalkedEntry } from "./entry.ts";
import { faultOf, fileError, realPlace } from "./file.ts";
import {
  DEFAULT_IGNORE_FILE,
  type IgnoreOptions,
  IgnoreRules,
  VERSION_CONTROL,
} from "./ignore_rules.ts";
import { checkPath, isWithin } from "./path.ts";
import { readPieces, readWhole, WHOLE_LIMIT } from "./read_file.ts";
import { type FileStat, lstat } from "./stat.ts";
import { walkTree } from "./walk_tree.ts";

/** How to walk. */
export interface WalkOptions {
  /** Told of everything that is left out, and why. */
  onSkip?: (skipped: Skipped) => void;
  /** Ends the walk with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * A directory seen through its exclusion rules: the walk that everything
 * else stands on. An excluded folder is not entered, a symlink not followed.
 */
export class Walker {
  /** The directory's absolute path. */
  readonly path: string;
  /** What is left out. */
  readonly options: IgnoreOptions & { apart?: readonly string[] };
  /** Paths below the root that are left out whatever the rules. */
  readonly apart: ReadonlySet<string>;

  /**
   * Looks at a directory.
   *
   * @param path The directory.
   * @param options What to leave out; `apart` names files and folders of the
   * operating system that are never part of the tree, such as a repository
   * inside it.
   * @throws {DeltarError} `not-found` if there is no such directory; `io` if
   * the system refuses to tell.
   */
  constructor(
    path: string,
    options: IgnoreOptions & { apart?: readonly string[] } = {},
  ) {
    this.path = nodePath.resolve(path);
    this.options = options;
    let stat: NodeFs.Stats;
    let real: string;
    try {
      stat = fs.statSync(this.path);
      real = fs.realpathSync(this.path);
    } catch (cause) {
      if (faultOf(cause)[0] !== "vanished") throw fileError(cause, this.path);
      throw new DeltarError("not-found", "no such directory", {
        object: this.path,
        cause,
      });
    }
    if (!stat.isDirectory()) {
      throw new DeltarError("not-found", "this is not a directory", {
        object: this.path,
      });
    }
    this.apart = new Set(
      options.apart?.map((place) =>
        nodePath.relative(real, realPlace(place)).split(nodePath.sep).join("/")
      ),
    );
  }

  /** The rules by which things are left out, each as it holds. */
  get rules(): Required<IgnoreOptions> {
    const { excludes, ignoreFile, gitignore } = this.options;
    return {
      excludes: excludes ?? VERSION_CONTROL,
      ignoreFile: ignoreFile ?? DEFAULT_IGNORE_FILE,
      gitignore: gitignore ?? false,
    };
  }

  /** Whether a path is left out whatever the rules, or has such in it. */
  isApart(path: string): boolean {
    return [...this.apart].some((apart) =>
      isWithin(path, apart) || isWithin(apart, path)
    );
  }

  /** The same directory without a file or folder that is being written. */
  apartFrom(place: string): Walker {
    const apart = [...this.options.apart ?? [], place];
    return new Walker(this.path, { ...this.options, apart });
  }

  /** The state of the root directory itself. */
  stat(): FileStat {
    try {
      return lstat(fs.realpathSync(this.path));
    } catch (error) {
      throw fileError(error, this.path);
    }
  }

  /**
   * A file's content: one array for a small file, else pieces.
   *
   * @param path The path below the root.
   */
  open(path: string): ByteSource {
    checkPath(path);
    const place = `${this.path}/${path}`;
    const { size } = lstat(place);
    return size <= WHOLE_LIMIT ? readWhole(place, size) : readPieces(place);
  }

  /**
   * Every entry that is not excluded, in path order. Hard links come as a
   * `file` first and as `hardlink` entries that name it after.
   */
  async *walk(options: WalkOptions = {}): AsyncGenerator<WalkedEntry> {
    await Promise.resolve();
    yield* this.entries(options);
  }

  /** As `walk`, without a promise for each entry: the system calls block. */
  *entries(options: WalkOptions = {}): Generator<WalkedEntry> {
    for (const { entry } of walkTree(this, options)) yield entry!;
  }

  /**
   * Whether a path is left out, itself or with a folder above it.
   *
   * @param path The path below the root; ending in `/` it is taken for a
   * directory whatever is there.
   * @returns The rule, as `file:line: pattern` or `exclude: pattern`, or
   * `undefined`.
   */
  whyExcluded(path: string): string | undefined {
    const bare = path.replace(/\/$/, "");
    checkPath(bare);
    let rules = IgnoreRules.forRoot(this.path, this.options);
    const segments = bare.split("/");
    for (let depth = 0; depth < segments.length; depth++) {
      const folder = segments.slice(0, depth).join("/");
      const at = segments.slice(0, depth + 1).join("/");
      rules = rules.enter(
        this.path,
        folder,
        (name) => fs.existsSync(nodePath.join(this.path, folder, name)),
      );
      const stat = fs.lstatSync(nodePath.join(this.path, at), {
        throwIfNoEntry: false,
      });
      const isDirectory = depth + 1 < segments.length || path.endsWith("/") ||
        stat?.isDirectory() === true;
      const rule = rules.match(at, isDirectory);
      if (rule !== undefined) return rule;
    }
    return undefined;
  }
}
