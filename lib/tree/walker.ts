import type * as NodeFs from "node:fs";
import { fs, nodePath } from "../bytes/node.ts";
import { checkAborted } from "../bytes/abort.ts";
import {
  checkOptions,
  checkValue,
  countFrom,
  either,
  type Expected,
  flag,
  oneOf,
  text,
  texts,
} from "../bytes/check_options.ts";
import { DeltarError } from "../bytes/errors.ts";
import type { ByteSource } from "../bytes/source.ts";
import { turnIfDue } from "../bytes/turns.ts";
import type { Metadata, Skipped, WalkedEntry } from "./entry.ts";
import { faultOf, fileError } from "./file.ts";
import {
  DEFAULT_IGNORE_FILE,
  type IgnoreOptions,
  IgnoreRules,
  OTHER_FILE_SYSTEM,
  VERSION_CONTROL,
} from "./ignore_rules.ts";
import { type Folder, isSameFile, type OpenFile } from "./folder.ts";
import { canUseXattrs } from "./open_folder.ts";
import type { OpenFolders } from "./open_folders.ts";
import { type OwnerFields, ownersIn } from "./owner_fields.ts";
import { SystemOwners } from "./owner_names.ts";
import { checkPath, isName, isWithin } from "./path.ts";
import { pathBelow, truePlace } from "./place.ts";
import { MAX_WHOLE_BYTES, readPieces, readWhole } from "./read_file.ts";
import { isCache, readRuleFile } from "./rule_file.ts";
import { lstat } from "./stat.ts";
import type { FileStat, Identity } from "./statx.ts";
import { withJson } from "./to_json.ts";
import { openTree, walkTree } from "./walk_tree.ts";
import { rootXattrs, xattrsOrSkip } from "./read_xattrs.ts";
import type { Xattrs } from "./xattrs.ts";

/** The expectation that an option is a list of names of files or folders. */
const names: Expected = {
  words: "a list of file names",
  is: (value) => Array.isArray(value) && value.every(isName),
};

/** Options for walking. */
export interface WalkOptions {
  /** Called with each path that is skipped or excluded, and the reason. */
  onSkip?: (skipped: Skipped) => void;
  /**
   * Whether the entries include their extended attributes, if the runtime and
   * the options of the walker allow this. Default: `false`.
   */
  xattrs?: boolean;
  /** A signal that ends the walk with the error code `aborted`. */
  signal?: AbortSignal;
}

/** Options for a walker, including the options for excluding paths. */
export interface WalkerOptions extends IgnoreOptions {
  /**
   * The paths of files and folders that are always excluded, in the syntax of
   * the operating system. A relative path is relative to the current directory,
   * not to the walked directory. Default: none.
   */
  neverTouch?: readonly string[];
  /**
   * Whether indexes and snapshots of the directory include extended attributes
   * and ACLs, if the runtime can read them: Deno with the permission for
   * foreign functions, and Bun, both on Linux. Default: `true`.
   */
  xattrs?: boolean;
  /**
   * The path of a folder that contains earlier copies of some files, under the
   * same paths. If a file and its copy differ in size or time, indexes and
   * snapshots contain the copy instead of the file. Default: none.
   */
  originals?: string;
}

/**
 * A directory to which exclude rules are applied. Indexes and snapshots
 * contain the entries that its walk yields. An excluded folder is not entered,
 * and a symlink is not followed.
 *
 * @example
 * ```ts
 * import { Walker } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 * import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   writeFileSync(`${folder}/a.txt`, "hello");
 *   writeFileSync(`${folder}/b.tmp`, "hello");
 *   const walker = new Walker(folder, { excludes: ["*.tmp"] });
 *   const entries = await Array.fromAsync(walker.walk());
 *   assert.deepEqual(entries.map(({ path }) => path), ["a.txt"]);
 * } finally {
 *   rmSync(folder, { recursive: true });
 * }
 * ```
 */
export class Walker {
  /** The directory's absolute path. */
  readonly path: string;
  /** The options that were passed to the constructor. */
  readonly options: WalkerOptions;
  /** The paths below the root that are always excluded. */
  readonly neverTouch: ReadonlySet<string>;
  readonly #neverTouchFolders: readonly Identity[];
  #owners: SystemOwners | undefined;

  /**
   * Opens a directory for walking.
   *
   * @param path The path of the directory. Default: the current directory.
   * @param options Options for what to exclude and what to read. `neverTouch`
   * has the paths of files and folders that are always excluded, such as a
   * repository inside the directory.
   * @throws {DeltarError} `not-found` if the path does not exist or is not a
   * directory; `io` if the system refuses access.
   * @throws {DeltarError} `unsafe` if one of `options.paths` is invalid, such
   * as a path that leads out of the directory.
   * @throws {TypeError} If the path or an option has the wrong type.
   */
  constructor(
    path: string = ".",
    options: WalkerOptions = {},
  ) {
    checkValue("the path of a directory", path, text);
    checkOptions("the directory's options", options, {
      excludes: texts,
      ignoreFile: either(text, oneOf(false)),
      gitignore: flag,
      iexcludes: texts,
      excludeLargerThan: countFrom(0),
      excludeCaches: flag,
      excludeIfPresent: names,
      oneFileSystem: flag,
      paths: texts,
      neverTouch: texts,
      xattrs: flag,
      originals: text,
    });
    options.paths?.forEach((path) => checkPath(path));
    this.path = nodePath.resolve(path);
    this.options = options;
    let stat: NodeFs.Stats;
    let real: string;
    try {
      stat = fs.statSync(this.path);
      real = truePlace(this.path);
    } catch (cause) {
      if (faultOf(cause)[0] !== "vanished") throw fileError(cause, this.path);
      throw new DeltarError("not-found", "no such directory", {
        object: this.path,
        cause,
      });
    }
    if (!stat.isDirectory()) {
      throw new DeltarError("not-found", "not a directory", {
        object: this.path,
      });
    }
    this.neverTouch = new Set(
      options.neverTouch?.map((place) =>
        nodePath.relative(real, truePlace(place)).split(nodePath.sep).join("/")
      ).filter((path) => !/^\.\.(?:\/|$)/.test(path)),
    );
    this.#neverTouchFolders = (options.neverTouch ?? []).flatMap(identityOf);
  }

  /**
   * The name of the directory in snapshots: the path or, for several
   * directories, their common name.
   */
  get name(): string {
    return this.path;
  }

  /**
   * Returns whether a folder is always excluded. The folder is identified by
   * its device and inode, because the folder can also be found under another
   * spelling of its path or through a mount.
   *
   * @param folder The device and inode of the folder.
   */
  isUntouchedFolder(folder: Pick<FileStat, "device" | "inode">): boolean {
    return this.#neverTouchFolders.some((untouched) =>
      isSameFile(untouched, folder)
    );
  }

  /**
   * Whether indexes and snapshots of the directory include extended attributes.
   */
  get readsXattrs(): boolean {
    return this.options.xattrs !== false && canUseXattrs();
  }

  /**
   * The exclude rules. `excludes`, `ignoreFile` and `gitignore` are always
   * present. The other options are absent if they exclude nothing.
   */
  get rules(): IgnoreOptions {
    const { excludes, ignoreFile, gitignore, ...more } = this.options;
    const { iexcludes, excludeLargerThan, excludeIfPresent } = more;
    return {
      excludes: excludes ?? VERSION_CONTROL,
      ignoreFile: ignoreFile ?? DEFAULT_IGNORE_FILE,
      gitignore: gitignore ?? false,
      ...iexcludes?.length && { iexcludes },
      ...excludeLargerThan !== undefined && excludeLargerThan !== Infinity &&
        { excludeLargerThan },
      ...more.excludeCaches && { excludeCaches: true },
      ...excludeIfPresent?.length && { excludeIfPresent },
      ...more.oneFileSystem && { oneFileSystem: true },
      ...more.paths !== undefined && { paths: more.paths },
    };
  }

  /**
   * Returns whether a path is always excluded, or is below or above a path that
   * is always excluded.
   *
   * @param path The path below the root.
   */
  isUntouched(path: string): boolean {
    return [...this.neverTouch].some((untouched) =>
      isWithin(path, untouched) || isWithin(untouched, path)
    );
  }

  /**
   * Returns a walker of the same directory that never yields the given file or
   * folder, such as a file that is being written.
   *
   * @param place The path of the file or folder, in the syntax of the operating
   * system.
   */
  without(place: string): Walker {
    const neverTouch = [...this.options.neverTouch ?? [], place];
    return new Walker(this.path, { ...this.options, neverTouch });
  }

  /**
   * Returns the state of the root directory itself.
   *
   * @throws {DeltarError} `not-found` if the directory no longer exists; `io`
   * if the system refuses access.
   */
  stat(): FileStat {
    const folders = openTree(this);
    try {
      return withJson(folders.root.stat());
    } catch (error) {
      throw fileError(error, this.path);
    } finally {
      folders.close();
    }
  }

  /**
   * Returns the extended attributes of the root directory itself; `undefined`
   * if they cannot be read.
   *
   * @throws {DeltarError} `not-found` or `io` if the directory cannot be
   * opened.
   */
  rootXattrs(): Xattrs | undefined {
    if (!this.readsXattrs) return undefined;
    const folders = openTree(this);
    try {
      return rootXattrs(folders);
    } finally {
      folders.close();
    }
  }

  /**
   * Returns a file's content: as one array if the file has at most 1 MiB,
   * otherwise in parts. No symlink on the path is followed. The file is closed
   * when the loop over the parts ends.
   *
   * @param path The path below the root.
   * @throws {DeltarError} `unsafe` if the path is invalid, such as one that
   * leads out of the root; `not-found` or `io` if the directory itself cannot
   * be opened.
   * @throws {Error} The system's error, with its `code`, if the file cannot be
   * opened or read.
   */
  open(path: string): ByteSource {
    const file = this.#openFile(path);
    const { size } = file.stat();
    if (size > MAX_WHOLE_BYTES) return piecesOf(file);
    try {
      return readWhole(file, size);
    } finally {
      file.close();
    }
  }

  /**
   * Yields every entry that is neither excluded nor skipped, in path order. The
   * first name of a file is yielded as a `file` entry. Each further name of the
   * file is yielded as a `hardlink` entry, whose target is the first name. The
   * names of a named pipe or a device are yielded in the same way.
   *
   * @param options The callback for skipped paths, and the signal.
   * @throws {DeltarError} `not-found` or `io` if the directory itself cannot be
   * read; `aborted` if the signal fired.
   */
  async *walk(options: WalkOptions = {}): AsyncGenerator<WalkedEntry> {
    await Promise.resolve();
    for (const entry of this.entries(options)) {
      const turn = turnIfDue();
      if (turn !== undefined) {
        await turn;
        checkAborted(options.signal);
      }
      yield entry;
    }
  }

  /**
   * Yields the same entries as `walk`, without a promise for each entry. The
   * system calls block the event loop.
   *
   * @param options The callback for skipped paths, and the signal.
   * @throws {DeltarError} The errors of `walk`.
   */
  *entries(options: WalkOptions = {}): Generator<WalkedEntry> {
    if (!options.xattrs || !this.readsXattrs) {
      for (const { entry } of walkTree(this, options)) yield withJson(entry);
      return;
    }
    const folders = openTree(this);
    try {
      const found = walkTree(this, options, undefined, folders);
      for (const { entry } of found) {
        const { path, kind } = entry;
        if (kind !== "hardlink") {
          entry.xattrs = xattrsOrSkip(
            path,
            () => folders.xattrsAt(path),
            options.onSkip,
          );
        }
        yield withJson(entry);
      }
    } finally {
      folders.close();
    }
  }

  /**
   * Returns the rule that excludes a path or a folder above it.
   *
   * @param path The path below the root, or an absolute path in the syntax of
   * the operating system. A path with a trailing `/` counts as a directory even
   * if it is not one.
   * @returns The rule, or `undefined` if no rule excludes the path. A rule from
   * an ignore file has the form `file:line: pattern`. A rule from an option
   * begins with the name that the option has on the command line, as in
   * `exclude: pattern`.
   * @throws {DeltarError} `unsafe` if the path is invalid, such as one that
   * leads out of the root; `io` if a folder above it cannot be read;
   * `not-found` if the directory no longer exists.
   */
  whyExcluded(path: string): string | undefined {
    const bare = this.#below(path).replace(/\/$/, "");
    checkPath(bare);
    const segments = bare.split("/");
    const folders = openTree(this);
    try {
      let rules = IgnoreRules.forRoot(this.path, this.options);
      const device = this.options.oneFileSystem
        ? folders.root.stat().device
        : undefined;
      for (let depth = 0; depth < segments.length; depth++) {
        const at = segments.slice(0, depth).join("/");
        const folder = openIfThere(folders, at);
        rules = rules.enter(at, {
          has: (name) => folder?.statAt(name) !== undefined,
          text: (name) => folder && readRuleFile(folder, name).text,
          isCache: () => folder !== undefined && isCache(folder),
        });
        const isAbove = depth + 1 < segments.length;
        const found = folder?.statAt(segments[depth]);
        const isDirectory = isAbove || path.endsWith("/") ||
          found?.kind === "directory";
        const here = segments.slice(0, depth + 1).join("/");
        const size = found?.kind === "file" ? found.size : undefined;
        const rule = rules.match(here, isDirectory, size);
        if (rule !== undefined) return rule;
        if (
          isAbove && device !== undefined && found?.kind === "directory" &&
          found.device !== device
        ) return OTHER_FILE_SYSTEM;
      }
      return undefined;
    } catch (error) {
      throw fileError(error, path);
    } finally {
      folders.close();
    }
  }

  /**
   * Returns the names of an entry's owner and group. A name that does not exist
   * on this system is absent.
   *
   * @param entry The entry.
   */
  ownersOf({ uid, gid }: Metadata): OwnerFields {
    const system = this.#owners ??= new SystemOwners();
    return ownersIn({
      uname: system.nameOf("users", uid),
      gname: system.nameOf("groups", gid),
    });
  }

  /**
   * Returns the path below the root for a path that can be absolute. An
   * absolute path that is not in the root is returned unchanged.
   */
  #below(path: string): string {
    if (!nodePath.isAbsolute(path)) return path;
    // The path might be the path of a symlink, which must not be followed, so
    // only the folder of the path is resolved.
    const folder = pathBelow(this.path, nodePath.dirname(path));
    if (folder === undefined) return path;
    const name = nodePath.basename(path);
    return folder === "" ? name : `${folder}/${name}`;
  }

  #openFile(path: string): OpenFile {
    checkPath(path);
    const folders = openTree(this);
    try {
      return folders.openFile(path);
    } finally {
      folders.close();
    }
  }
}

/**
 * Yields a file's bytes in parts, and closes the file when the loop over them
 * ends.
 */
function* piecesOf(file: OpenFile): Generator<Uint8Array> {
  try {
    yield* readPieces(file);
  } finally {
    file.close();
  }
}

/** Opens a folder. Returns `undefined` if no folder exists at the path. */
function openIfThere(folders: OpenFolders, path: string): Folder | undefined {
  try {
    return folders.at(path);
  } catch (error) {
    if (faultOf(error)[0] === "vanished") return undefined;
    throw error;
  }
}

/**
 * Returns an array with the device and inode of a file or folder. The array is
 * empty if they cannot be read.
 */
function identityOf(place: string): Identity[] {
  try {
    // The state is read as in the walk, because `statx` and `node:fs` number
    // devices differently.
    const stat = lstat(truePlace(place));
    return stat.inode === 0n ? [] : [stat];
  } catch {
    return [];
  }
}

/**
 * Checks that an argument is a `Walker`.
 *
 * @throws {TypeError} If the argument is something else, such as a path.
 */
export function checkWalker(dir: unknown): void {
  if (dir instanceof Walker) return;
  const given = typeof dir === "string" ? JSON.stringify(dir) : typeof dir;
  throw new TypeError(
    `the directory must be a Dir or a Walker, not ${given}; make one with ` +
      `new Dir(${typeof dir === "string" ? given : "path"})`,
  );
}
