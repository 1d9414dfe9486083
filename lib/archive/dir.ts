import { checkAborted, type SignalOptions } from "../bytes/abort.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256 } from "../bytes/sha256.ts";
import { chunks } from "../bytes/source.ts";
import { deviceOf } from "../tree/change_finder.ts";
import { isSpecial, type WalkedEntry } from "../tree/entry.ts";
import { parentPath } from "../tree/path.ts";
import { matcherOf } from "../tree/pattern.ts";
import { temporaryFile } from "../tree/scratch.ts";
import { Walker } from "../tree/walker.ts";
import { ARCHIVE, archiveFile } from "./archive_file.ts";
import { type CompressOptions, compressTree } from "./compress_tree.ts";

/** Options for listing files. */
export interface FilesOptions {
  /**
   * Called with two files to compare, like the callback of `Array.sort`.
   * Default: path order.
   */
  sort?: (one: WalkedEntry, other: WalkedEntry) => number;
}

/**
 * The part of each file's state that a directory's hash covers, in addition to
 * names, kinds, link targets and device numbers: `times` for modification times
 * and sizes, `contents` for the contents, or a function that returns a value
 * for each file.
 */
export type HashBasis =
  | "times"
  | "contents"
  | ((entry: WalkedEntry) => string | number | bigint);

/**
 * A directory without the paths that its rules exclude, with queries for its
 * files. By default, `.git/`, `.hg/`, `.svn/` and the paths that match a rule
 * in a `.deltarignore` file are excluded.
 *
 * @example Look at a directory
 * ```ts
 * import { Dir } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 * import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   mkdirSync(`${folder}/src`);
 *   writeFileSync(`${folder}/src/main.ts`, "let a = 1;");
 *   writeFileSync(`${folder}/notes.md`, "# Notes");
 *   writeFileSync(`${folder}/.deltarignore`, "*.md");
 *   const dir = new Dir(folder);
 *   assert.deepEqual(dir.files(), [".deltarignore", "src/main.ts"]);
 *   assert.deepEqual(dir.files("*.ts"), ["src/main.ts"]);
 *   assert.deepEqual(dir.subdirs(), ["src"]);
 *   assert.equal(dir.isExcluded("notes.md"), true);
 * } finally {
 *   rmSync(folder, { recursive: true });
 * }
 * ```
 */
export class Dir extends Walker {
  /**
   * Returns the paths of all files, including hard links.
   *
   * @param pattern A pattern in gitignore's syntax that the paths must match.
   *   Default: all files.
   * @param options The order of the result. Default: path order.
   * @throws {DeltarError} The errors of {@linkcode Walker.walk}.
   *
   * @example The largest file first
   * ```ts
   * import { Dir } from "@deltar/deltar";
   * import assert from "node:assert/strict";
   * import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
   *
   * const folder = mkdtempSync("example-");
   * try {
   *   writeFileSync(`${folder}/a`, "1");
   *   writeFileSync(`${folder}/b`, "22");
   *   const sort = (a: { size: number }, b: { size: number }) => b.size - a.size;
   *   assert.deepEqual(new Dir(folder).files("*", { sort }), ["b", "a"]);
   * } finally {
   *   rmSync(folder, { recursive: true });
   * }
   * ```
   */
  files(pattern?: string, { sort }: FilesOptions = {}): string[] {
    const special = new Set<string>();
    const found = this.#find((entry) => {
      if (isSpecial(entry)) special.add(entry.path);
      return entry.kind === "file" ||
        entry.kind === "hardlink" && !special.has(entry.target);
    }, pattern);
    return (sort ? found.sort(sort) : found).map(({ path }) => path);
  }

  /**
   * Returns the paths of all directories, in path order.
   *
   * @param pattern A pattern in gitignore's syntax that the paths must match.
   *   Default: all directories.
   * @throws {DeltarError} The errors of {@linkcode Walker.walk}.
   */
  subdirs(pattern?: string): string[] {
    return this.#find((entry) => entry.kind === "directory", pattern)
      .map(({ path }) => path);
  }

  /**
   * Returns the path of the first file, in path order, that matches a pattern,
   * or `undefined` if no file matches.
   *
   * @param pattern The pattern, in gitignore's syntax.
   * @throws {DeltarError} The errors of {@linkcode Walker.walk}.
   */
  get(pattern: string): string | undefined {
    return this.files(pattern)[0];
  }

  /**
   * Returns the total size of all files in bytes. A file with several hard
   * links is counted once.
   *
   * @throws {DeltarError} The errors of {@linkcode Walker.walk}.
   */
  size(): number {
    let size = 0;
    for (const entry of this.entries()) size += entry.size;
    return size;
  }

  /**
   * Returns one SHA-256, in hexadecimal, for the state of the whole directory.
   *
   * @param of The part of each file's state that the hash covers, in addition
   *   to names, kinds, link targets and device numbers. Default: `times`, which
   *   is fast.
   * @param options The signal that aborts the work.
   * @throws {DeltarError} The errors of {@linkcode Walker.walk}.
   * @throws {Error} With `contents`, the system's error for a file that cannot
   *   be read.
   *
   * @example A hash that covers sizes, but not times
   * ```ts
   * import { Dir } from "@deltar/deltar";
   * import assert from "node:assert/strict";
   * import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
   *
   * const folder = mkdtempSync("example-");
   * try {
   *   const hash = () => new Dir(folder).hash(({ size }) => size);
   *   writeFileSync(`${folder}/a`, "1");
   *   const before = await hash();
   *   writeFileSync(`${folder}/a`, "2");
   *   assert.equal(await hash(), before);
   *   writeFileSync(`${folder}/a`, "22");
   *   assert.notEqual(await hash(), before);
   * } finally {
   *   rmSync(folder, { recursive: true });
   * }
   * ```
   */
  async hash(
    of: HashBasis = "times",
    { signal }: SignalOptions = {},
  ): Promise<string> {
    const sum = createSha256();
    const encoder = new TextEncoder();
    for await (const entry of this.walk({ signal })) {
      const { path, kind, mtime, size } = entry;
      const isFile = kind === "file";
      const state = !isFile || of === "contents"
        ? ""
        : of === "times"
        ? `${mtime} ${size}`
        : `${of(entry)}`;
      // JSON keeps the fields separate, whatever characters a name contains.
      const target = "target" in entry ? entry.target : "";
      const device = deviceOf(entry);
      const line = JSON.stringify(
        device ? [path, kind, device, state] : [path, kind, target, state],
      );
      sum.update(encoder.encode(`${line}\n`));
      if (isFile && of === "contents") {
        const content = createSha256();
        for await (const part of chunks(this.open(path))) {
          checkAborted(signal);
          content.update(part);
        }
        sum.update(content.digest());
      }
    }
    return toHex(sum.digest());
  }

  /**
   * Returns whether a rule excludes a path or a directory above it.
   * `whyExcluded` returns the rule.
   *
   * @param path The path below the root, or an absolute path of the operating
   *   system. A path that ends in `/` is treated as a directory, even if it is
   *   a file.
   * @throws {DeltarError} `unsafe` if the path is outside the directory; `io`
   *   if a directory above the path cannot be read.
   */
  isExcluded(path: string): boolean {
    return this.whyExcluded(path) !== undefined;
  }

  /**
   * Returns the paths of the directories that contain a file or link with a
   * given name; `""` is the root.
   *
   * @param marker The name of the file or link, such as `package.json`.
   *   Default: `.project`.
   * @throws {DeltarError} The errors of {@linkcode Walker.walk}.
   */
  findProjects(marker: string = ".project"): string[] {
    return this.#find(
      ({ kind, path }) =>
        kind !== "directory" &&
        (path === marker || path.endsWith(`/${marker}`)),
    ).map(({ path }) => parentPath(path));
  }

  /**
   * Stores the directory as one archive, in a file. The file appears only when
   * it is complete, and replaces an existing file.
   *
   * @param file The path of the archive, in the form of the operating system,
   *   usually ending in `.tgz`. An archive inside the directory is not stored
   *   in itself. Default: a file in a new temporary folder. The caller must
   *   then delete the file and the folder.
   * @param options Options for writing the archive, and a callback for skipped
   *   paths.
   * @returns The path of the archive.
   * @throws {DeltarError} The errors of {@linkcode Walker.walk} and of writing
   *   the file. A file of the directory that cannot be read is skipped.
   */
  async compressTo(
    file: string = temporaryFile(".tgz"),
    options: Omit<CompressOptions, "volumeSize"> = {},
  ): Promise<string> {
    await compressTree(this.without(file), archiveFile(file), ARCHIVE, {
      ...options,
      volumeSize: Number.MAX_SAFE_INTEGER,
    });
    return file;
  }

  #find(
    wanted: (entry: WalkedEntry) => boolean,
    pattern?: string,
  ): WalkedEntry[] {
    const matches = pattern === undefined ? () => true : matcherOf(pattern);
    return this.entries().filter((entry) =>
      wanted(entry) && matches(entry.path, entry.kind === "directory")
    ).toArray();
  }
}
