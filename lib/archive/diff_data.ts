import { DeltarError } from "../bytes/errors.ts";
import { type Change, DiffIndex } from "../tree/diff_index.ts";
import { DirIndex, type IndexFileEntry } from "../tree/dir_index.ts";
import type { HashedFileEntry } from "../tree/entry_line.ts";
import { fileError } from "../tree/file.ts";
import type { FileFacts } from "../tree/file_reader.ts";
import type { IndexOptions } from "../tree/index_tree.ts";
import type { OpenFolders } from "../tree/open_folders.ts";
import { MAX_WHOLE_BYTES, readPieces, readWhole } from "../tree/read_file.ts";
import { openTree } from "../tree/walk_tree.ts";
import type { Walker } from "../tree/walker.ts";
import { ARCHIVE, archiveFile } from "./archive_file.ts";
import { codecFor, type CodecName } from "./codec.ts";
import { DataPacker } from "./data_packer.ts";
import type { MemberNames } from "./member_name.ts";
import { VolumeWriter } from "./volume_writer.ts";

/** Options for writing a data archive. */
export interface DiffDataOptions {
  /** The compression. Default: `gzip`, which makes a `.tgz`. */
  codec?: CodecName;
  /** The naming scheme of the members. Default: `hash`. */
  names?: MemberNames;
  /**
   * The signal that aborts the work with an error of code `aborted`. In that
   * case, no archive is written.
   */
  signal?: AbortSignal;
}

/**
 * Stores the content that a `DiffIndex` needs, as a tar archive with two
 * folders: `created/` holds whole files, and `updated/` holds deltas that
 * `rdiff patch` applies to the old files.
 *
 * @example Store a difference, and apply it to a copy of the directory
 * ```ts
 * import { applyDiff, DiffData, DiffIndex, Dir, DirIndex } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 * import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   writeFileSync(`${folder}/a.txt`, "hello");
 *   const before = await DirIndex.of(new Dir(folder));
 *   cpSync(folder, `${folder}-copy`, { recursive: true });
 *   writeFileSync(`${folder}/a.txt`, "hello, world");
 *   const after = await DirIndex.of(new Dir(folder));
 *   const diff = DiffIndex.compute(after, before);
 *   await new DiffData(diff, new Dir(folder), before).createArchive("example.tgz");
 *   await applyDiff(`${folder}-copy`, diff, "example.tgz");
 *   assert.equal(readFileSync(`${folder}-copy/a.txt`, "utf8"), "hello, world");
 * } finally {
 *   rmSync(folder, { recursive: true });
 *   rmSync(`${folder}-copy`, { recursive: true });
 *   rmSync("example.tgz");
 * }
 * ```
 */
export class DiffData {
  readonly #diff: DiffIndex;
  readonly #dir: Walker;
  readonly #previous: DirIndex;

  /**
   * Makes an object that stores the content of a difference.
   *
   * @param diff The difference.
   * @param dir The directory in its new state.
   * @param previous The old state. Deltas are made against the signatures of
   *   its files. Without an old state, changed files are stored whole.
   */
  constructor(diff: DiffIndex, dir: Walker, previous?: DirIndex) {
    this.#diff = diff;
    this.#dir = dir;
    this.#previous = previous ?? DirIndex.empty();
  }

  /**
   * Writes the archive. The file appears only when it is complete, and replaces
   * an existing file.
   *
   * @param file The path of the archive, in the form of the operating system,
   *   usually ending in `.tgz`.
   * @param options Options for writing.
   * @throws {DeltarError} `changed` if a file differs from its entry in the
   *   difference, `not-found` if a file no longer exists, and the errors of
   *   reading the files and of writing the archive.
   */
  async createArchive(
    file: string,
    options: DiffDataOptions = {},
  ): Promise<void> {
    await writeArchive(file, this.#previous, options, async (packer) => {
      const folders = openTree(this.#dir);
      try {
        for (const change of this.#diff.changes) {
          const entry = contentOf(change);
          if (entry === undefined) continue;
          await this.#pack(packer, folders, entry).catch((error) => {
            throw fileError(error, entry.path);
          });
          await packer.ready();
        }
      } finally {
        folders.close();
      }
    });
  }

  /**
   * Makes the index, the difference and the archive in one pass over the
   * directory.
   *
   * @param dir The directory in its new state.
   * @param previous The old state; `DirIndex.empty()` for a full backup.
   * @param file The path of the archive to write, in the form of the operating
   *   system.
   * @param options Options for indexing and for writing.
   * @returns The index of the new state, and its difference from `previous`.
   * @throws {DeltarError} The errors of `DirIndex.of` and of writing a file.
   */
  static async capture(
    dir: Walker,
    previous: DirIndex,
    file: string,
    options: DiffDataOptions & Omit<IndexOptions, "reader" | "previous"> = {},
  ): Promise<{ index: DirIndex; diff: DiffIndex }> {
    const index = await writeArchive(
      file,
      previous,
      options,
      (reader) => DirIndex.of(dir, { ...options, previous, reader }),
    );
    return { index, diff: DiffIndex.compute(index, previous) };
  }

  async #pack(
    packer: DataPacker,
    folders: OpenFolders,
    entry: HashedFileEntry,
  ): Promise<void> {
    const old = this.#previous.get(entry.path);
    const before = old?.kind === "file" ? old : undefined;
    const { size } = entry;
    // The file is read only up to the size that the index records. A file that
    // has only grown since it was indexed still begins with the indexed
    // content, so this content can be stored.
    const file = folders.openFile(entry.path);
    let facts: FileFacts;
    try {
      facts = size > MAX_WHOLE_BYTES
        ? await packer.pieces(entry, () => readPieces(file, size), before)
        : await packer.whole(entry, readWhole(file, size), before);
    } finally {
      file.close();
    }
    if (facts.sha256 !== entry.sha256) {
      throw new DeltarError(
        "changed",
        "the file has changed since it was indexed; index the directory again",
        {
          path: entry.path,
        },
      );
    }
  }
}

/**
 * Returns the entry whose content must be stored for a change, or `undefined`
 * if the change does not need any content.
 */
export function contentOf(change: Change): IndexFileEntry | undefined {
  if (change.change !== "created" && change.change !== "updated") {
    return undefined;
  }
  if (change.change === "updated" && change.from !== undefined) {
    return undefined;
  }
  return change.entry.kind === "file" ? change.entry : undefined;
}

/**
 * Calls `work` with a packer that writes to a new archive. The file of the
 * archive appears only if `work` succeeds.
 */
async function writeArchive<Result>(
  file: string,
  previous: DirIndex,
  options: DiffDataOptions,
  work: (packer: DataPacker) => Promise<Result>,
): Promise<Result> {
  const writer = new VolumeWriter({
    storage: archiveFile(file),
    name: () => ARCHIVE,
    codec: codecFor(options.codec ?? "gzip"),
    volumeSize: Infinity,
    evenIfEmpty: true,
    signal: options.signal,
  });
  try {
    const packer = new DataPacker({ writer, previous, names: options.names });
    const result = await work(packer);
    await writer.close();
    return result;
  } catch (error) {
    await writer.abort(error);
    throw error;
  }
}
