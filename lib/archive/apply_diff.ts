import { nodePath } from "../bytes/node.ts";
import { checkAborted } from "../bytes/abort.ts";
import { DeltarError } from "../bytes/errors.ts";
import { existing } from "../bytes/existing.ts";
import type { ByteSource } from "../bytes/source.ts";
import { patchParts } from "../delta/patch.ts";
import { deviceOf } from "../tree/change_finder.ts";
import { type DiffIndex, pathOf } from "../tree/diff_index.ts";
import { isSpecial } from "../tree/entry.ts";
import type { HashedFileEntry } from "../tree/entry_line.ts";
import { checkBase } from "../tree/check_base.ts";
import { fileAccess } from "../tree/file_access.ts";
import { readPieces } from "../tree/read_file.ts";
import { withStage } from "../tree/stage.ts";
import { TreeWriter } from "../tree/tree_writer.ts";
import { archiveFile } from "./archive_file.ts";
import { scanArchives, type ScannedMember } from "./archive_scan.ts";
import { contentOf } from "./diff_data.ts";
import { memberName } from "./member_name.ts";

/** Options for applying a difference. */
export interface ApplyOptions {
  /**
   * The signal that aborts the work with an error of code `aborted`. The signal
   * has no effect after the first change to the directory.
   */
  signal?: AbortSignal;
}

/**
 * Applies a `DiffIndex` to a directory, with the content from an archive.
 *
 * Everything is prepared and checked before anything is changed: every path
 * that changes must be in the old state, the archive must contain all needed
 * content, and each new file must have the recorded SHA-256. Then the paths
 * that do not exist in the new state are deleted, and each new file is renamed
 * into place.
 *
 * @param base The path of the directory in its old state, in the form of the
 *   operating system.
 * @param diff The difference to apply.
 * @param archive The path of the archive that `DiffData` wrote, in the form of
 *   the operating system.
 * @param options The signal that aborts the work.
 * @throws {DeltarError} `mismatch` if the directory is not in the old state;
 *   `corrupt`, `truncated`, `limit`, `unsafe` or `not-found` if the archive is
 *   damaged, has a member with an invalid path, or lacks content. In all these
 *   cases, nothing in the directory is changed. `io` if a file cannot be read
 *   or changed. If a change fails, the changes before it are kept.
 */
export async function applyDiff(
  base: string,
  diff: DiffIndex,
  archive: string,
  options: ApplyOptions = {},
): Promise<void> {
  checkAborted(options.signal);
  const root = nodePath.resolve(base);
  checkBase(root, diff);
  await withStage(root, async (stage) => {
    const staging = new Staging(root, stage, diff);
    try {
      await staging.fill(archive, options);
      checkAborted(options.signal);
      commit(root, diff, staging.writer);
    } finally {
      staging.writer.close();
    }
  });
}

/** A file to create or update. */
interface Wanted {
  entry: HashedFileEntry;
  /**
   * The path of a file with the same content in the old state of the directory.
   */
  from?: string;
}

/** The new files of a difference, prepared in a temporary folder. */
class Staging {
  /** The writer of the temporary folder. */
  readonly writer: TreeWriter;
  readonly #root: string;
  /** The files to create or update, by path. */
  readonly #wanted = new Map<string, Wanted>();
  /**
   * The members that the archive can contain, by name. Each value has the path
   * of a file to create or update, and whether the member is a delta.
   */
  readonly #members = new Map<string, { path: string; delta: boolean }>();
  readonly #done = new Set<string>();

  constructor(root: string, stage: string, diff: DiffIndex) {
    this.#root = root;
    this.writer = new TreeWriter(stage, { durable: true });
    for (const change of diff.changes) {
      const entry = contentOf(change);
      const path = pathOf(change);
      if (entry !== undefined) {
        for (const names of ["hash", "path"] as const) {
          this.#expect(memberName(path, "whole", names), path, false);
          this.#expect(memberName(path, "delta", names), path, true);
        }
        this.#wanted.set(path, { entry });
      }
    }
    for (const change of diff.changes) {
      if (!("from" in change) || change.from === undefined) continue;
      const { entry, from } = change;
      if (entry.kind === "file") this.#wanted.set(entry.path, { entry, from });
    }
  }

  /**
   * Writes all new files to the temporary folder, under the same paths as in
   * the directory.
   */
  async fill(archive: string, options: ApplyOptions): Promise<void> {
    const members = scanArchives(
      archiveFile(archive),
      [archive],
      options.signal,
    );
    for await (const entry of members) {
      checkAborted(options.signal);
      await this.#takeMember(entry, archive);
    }
    for (const [path, { entry, from }] of this.#wanted) {
      checkAborted(options.signal);
      if (from !== undefined) {
        await this.#write(entry, readPieces(`${this.#root}/${from}`));
      } else if (!this.#done.has(path)) {
        throw new DeltarError(
          "not-found",
          "the archive does not contain the content of this file; use the " +
            "archive that was written for this difference",
          {
            object: archive,
            path,
          },
        );
      }
    }
  }

  #expect(name: string, path: string, delta: boolean): void {
    this.#members.set(name, { path, delta });
  }

  async #takeMember(found: ScannedMember, archive: string): Promise<void> {
    const { member, body } = found;
    const expected = this.#members.get(member.path);
    // A member that no change needs is ignored. It might be the beginning of a
    // file that `DiffData` could not read to the end.
    if (expected === undefined) return;
    if (this.#done.has(expected.path)) {
      throw new DeltarError(
        "corrupt",
        "the archive contains the content of this file twice",
        {
          object: archive,
          path: member.path,
        },
      );
    }
    const { path, delta } = expected;
    const { entry } = existing(this.#wanted, path);
    if (!delta) return await this.#write(entry, body);
    using basis = fileAccess(`${this.#root}/${path}`);
    const options = {
      maxSize: entry.size,
      object: `${archive}: ${member.path}`,
    };
    await this.#write(entry, patchParts(basis, body, options));
  }

  async #write(entry: HashedFileEntry, source: ByteSource): Promise<void> {
    const { path, size, sha256 } = entry;
    await this.writer.file(path, source, entry, { size, sha256 });
    this.#done.add(path);
  }
}

/**
 * Deletes the paths that do not exist or have another kind in the new state,
 * the deepest first. Then creates, updates and touches the paths of the new
 * state that differ. The new files are moved out of `staged`.
 */
function commit(root: string, diff: DiffIndex, staged: TreeWriter): void {
  const writer = new TreeWriter(root);
  try {
    for (const change of [...diff.changes].reverse()) {
      const gone = change.change === "deleted" ||
        change.change === "updated" && change.before.kind !== change.entry.kind;
      if (gone) writer.remove(pathOf(change));
    }
    for (const change of diff.changes) {
      if (change.change === "deleted") continue;
      const { entry } = change;
      const { path, kind, target } = entry;
      if (kind === "directory") writer.directory(path, entry);
      else if (change.change === "touched") writer.touch(path, entry);
      else if (kind === "symlink") writer.symlink(path, target, entry);
      else if (kind === "file") writer.adopt(path, staged, path);
      else if (isSpecial(entry)) {
        writer.special(path, entry.kind, deviceOf(entry), entry);
      }
    }
    // Hard links are made last, because the file that a hard link points to can
    // come after the hard link in path order.
    for (const change of diff.changes) {
      if (change.change === "deleted" || change.change === "touched") continue;
      const { entry } = change;
      if (entry.kind === "hardlink") writer.hardLink(entry.path, entry.target);
    }
    writer.directory("", diff.root);
    writer.finish();
  } finally {
    writer.close();
  }
}
