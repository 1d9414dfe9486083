import { checkAborted, type SignalOptions } from "../bytes/abort.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256 } from "../bytes/sha256.ts";
import { chunks } from "../bytes/source.ts";
import type { WalkedEntry } from "../tree/entry.ts";
import { parentPath } from "../tree/path.ts";
import { matcherOf } from "../tree/pattern.ts";
import { Walker } from "../tree/walker.ts";
import { ARCHIVE, archiveFile } from "./archive_file.ts";
import { type CompressOptions, compressTree } from "./compress_tree.ts";

/**
 * A directory seen through exclusion rules, with what one often wants to know
 * of it. By default `.git/`, `.hg/` and `.svn/` are left out, and what
 * `.deltarignore` files say.
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
   * The paths of all files, hard links among them, in path order.
   *
   * @param pattern Only those that match, in gitignore's syntax.
   */
  files(pattern?: string): string[] {
    return this.#paths(
      (entry) => entry.kind === "file" || entry.kind === "hardlink",
      pattern,
    );
  }

  /**
   * The paths of all directories, in path order.
   *
   * @param pattern Only those that match, in gitignore's syntax.
   */
  subdirs(pattern?: string): string[] {
    return this.#paths((entry) => entry.kind === "directory", pattern);
  }

  /**
   * The first file that matches a pattern, if any does.
   *
   * @param pattern The pattern, in gitignore's syntax.
   */
  get(pattern: string): string | undefined {
    return this.files(pattern)[0];
  }

  /** The length of all files in bytes, hard links counted once. */
  size(): number {
    let size = 0;
    for (const entry of this.entries()) size += entry.size;
    return size;
  }

  /**
   * One SHA-256, in hexadecimal, for the state of the whole directory.
   *
   * @param of What it depends on besides names, kinds and link targets: the
   * files' `times` (quick), or their `contents`.
   * @param options What ends the work.
   */
  async hash(
    of: "times" | "contents" = "times",
    { signal }: SignalOptions = {},
  ): Promise<string> {
    const sum = createSha256();
    const encoder = new TextEncoder();
    for await (const entry of this.walk({ signal })) {
      const { path, kind, target, mtime, size } = entry;
      const isFile = kind === "file";
      const state = isFile && of === "times" ? `${mtime} ${size}` : "";
      // JSON keeps the fields apart, whatever is in a name.
      const line = JSON.stringify([path, kind, target ?? "", state]);
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
   * Whether a path is left out, itself or with a directory above it;
   * `whyExcluded` tells by which rule.
   *
   * @param path The path below the root; ending in `/` it is taken for a
   * directory whatever is there.
   */
  isExcluded(path: string): boolean {
    return this.whyExcluded(path) !== undefined;
  }

  /**
   * The directories that hold a certain file, `""` for the root.
   *
   * @param marker The file's name, such as `package.json`.
   */
  findProjects(marker: string = ".project"): string[] {
    return this.#paths(
      ({ kind, path }) =>
        kind !== "directory" &&
        (path === marker || path.endsWith(`/${marker}`)),
    ).map(parentPath);
  }

  /**
   * Stores the directory as one archive, which appears whole.
   *
   * @param file Where, a path of the operating system, usually ending in
   * `.tgz`. If it lies inside the directory it is not put into itself.
   * @param options The compression, and who is told of what was left out.
   */
  async compressTo(
    file: string,
    options: Omit<CompressOptions, "volumeSize"> = {},
  ): Promise<void> {
    await compressTree(this.apartFrom(file), archiveFile(file), ARCHIVE, {
      ...options,
      volumeSize: Number.MAX_SAFE_INTEGER,
    });
  }

  #paths(
    wanted: (entry: WalkedEntry) => boolean,
    pattern?: string,
  ): string[] {
    const matches = pattern === undefined ? () => true : matcherOf(pattern);
    const paths: string[] = [];
    for (const entry of this.entries()) {
      const isDirectory = entry.kind === "directory";
      if (wanted(entry) && matches(entry.path, isDirectory)) {
        paths.push(entry.path);
      }
    }
    return paths;
  }
}
