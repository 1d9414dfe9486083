import type { ArchiveMember, TarMember } from "../../archive/tar_member.ts";
import { zipLossOf } from "../../archive/zip_record.ts";
import { checkAborted } from "../../bytes/abort.ts";
import { DeltarError } from "../../bytes/errors.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import type { Storage } from "../../storage/storage.ts";
import { canHaveLinks, isSpecial } from "../../tree/entry.ts";
import { storedSize } from "../../tree/entry_line.ts";
import { lookAhead } from "../../tree/look_ahead.ts";
import { isWithin } from "../../tree/path.ts";
import { withJson } from "../../tree/to_json.ts";
import { asOfWindows, isOfWindows } from "../../tree/windows_modes.ts";
import {
  checkedContent,
  ContentReader,
  wholeContent,
} from "../content/content.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { TreeFinder } from "../layers/tree_reader.ts";
import type { TreeEntry, TreeFileEntry } from "../layers/tree_layer.ts";
import type { ChosenEntries } from "./chosen_entries.ts";
import type { ExportOptions, ExportProgress } from "./export_options.ts";

const NOTHING = new Uint8Array(0);

/** A reader that makes the members of an archive from a snapshot. */
export class MemberReader {
  readonly #record: SnapshotRecord;
  readonly #chosen: ChosenEntries;
  readonly #options: ExportOptions;
  readonly #reader: ContentReader;
  readonly #finder: TreeFinder;
  /** Whether the archive is a zip. */
  readonly #isZip: boolean;
  /**
   * The path of the folder `from` with a slash at its end, or an empty string
   * for the root. This prefix is removed from the paths in the archive.
   */
  readonly #start: string;
  /**
   * For each file, named pipe or device that is not exported itself, the path
   * of the first exported hard link to it. The key is the path that the hard
   * link refers to.
   */
  readonly #firsts = new Map<string, string>();
  readonly #progress: ExportProgress = {
    files: 0,
    directories: 0,
    links: 0,
    special: 0,
    copies: 0,
    bytes: 0,
    path: "",
  };

  /**
   * Creates a reader without reading anything.
   *
   * @param storage The repository's storage.
   * @param record The snapshot.
   * @param chosen The entries to export.
   * @param options Options for exporting.
   */
  constructor(
    storage: Storage,
    record: SnapshotRecord,
    chosen: ChosenEntries,
    options: ExportOptions,
  ) {
    const { from = "", format } = options;
    this.#record = record;
    this.#chosen = chosen;
    this.#options = options;
    this.#reader = new ContentReader(storage);
    this.#finder = new TreeFinder(storage, record.layers);
    this.#isZip = format === "zip";
    this.#start = from === "" ? "" : `${from}/`;
  }

  /**
   * Yields the members in path order. The content of a member must be read
   * before the next member is requested.
   *
   * @throws {DeltarError} The error of a damaged or missing layer; the error of
   * a damaged or missing content, with the path of the file; `corrupt` if an
   * entry is below a path that is not a directory, or if the target of a hard
   * link is invalid; `aborted` if the signal fired.
   */
  async *members(): AsyncGenerator<ArchiveMember> {
    const { signal } = this.#options;
    let blocked: TreeEntry | undefined;
    for await (const batch of this.#chosen.batches()) {
      const entries = lookAhead(
        batch,
        (entry) => entry.kind === "file" && this.#reader.prefetch(entry) > 0,
      );
      for (const entry of entries) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        checkAborted(signal);
        // The export fails, because extracting this entry could write through a
        // symlink at the path of its folder.
        if (blocked !== undefined && isWithin(entry.path, blocked.path)) {
          throw new DeltarError(
            "corrupt",
            `the entry is below a path that is not a directory: ${blocked.path}`,
            { object: this.#record.id, path: entry.path },
          );
        }
        blocked = entry.kind === "directory" ? undefined : entry;
        yield* this.#member(entry);
      }
    }
  }

  async *#member(listed: TreeEntry): AsyncGenerator<ArchiveMember> {
    const entry = await this.#resolved(listed);
    const { uid, gid } = entry;
    const { owners, directory } = this.#record;
    const [uname, gname] = [owners?.users[uid], owners?.groups[gid]];
    const path = entry.path.slice(this.#start.length);
    const named = {
      ...isOfWindows(directory) ? asOfWindows(entry) : entry,
      path,
      ...uname !== undefined && { uname },
      ...gname !== undefined && { gname },
    };
    const member: TarMember = named.kind === "hardlink"
      ? { ...named, target: named.target.slice(this.#start.length) }
      : named;
    const loss = this.#isZip ? zipLossOf(member) : undefined;
    if (loss !== undefined) {
      const { message, canStore: exported } = loss;
      const error = new DeltarError("unsupported", message, { path });
      this.#options.onFailure?.({ path, error, exported });
      if (!exported) return;
    }
    const progress = this.#progress;
    progress.path = path;
    if (entry.kind === "file") {
      const before = progress.bytes;
      yield await this.#file(entry, member);
      progress.bytes = before + entry.size;
      progress.files++;
      if (listed.kind === "hardlink" && this.#isZip) progress.copies++;
    } else {
      yield { member, content: NOTHING };
      if (entry.kind === "directory") progress.directories++;
      else if (isSpecial(entry)) progress.special++;
      else progress.links++;
    }
    this.#options.onProgress?.({ ...progress });
  }

  /**
   * Returns the entry to export for an entry of the tree. A hard link becomes
   * the file, pipe or device itself if the archive is a zip, or if no earlier
   * name of the file is exported.
   */
  async #resolved(entry: TreeEntry): Promise<TreeEntry> {
    if (entry.kind !== "hardlink") return entry;
    const { path, target } = entry;
    if (!this.#isZip) {
      if (this.#chosen.has(target)) return entry;
      const first = this.#firsts.get(target);
      if (first !== undefined) return withJson({ ...entry, target: first });
      this.#firsts.set(target, path);
    }
    const linked = await this.#finder.find(target, this.#options.signal);
    if (linked === undefined || !canHaveLinks(linked.kind)) {
      throw new DeltarError(
        "corrupt",
        `hard link to something other than a file, named pipe or device: ${target}`,
        { object: this.#record.id, path },
      );
    }
    return withJson({ ...linked, path });
  }

  /**
   * Returns a file as a member with its content. The content of a sparse file
   * is in condensed form in a tar, but not in a zip.
   */
  async #file(entry: TreeFileEntry, member: TarMember): Promise<ArchiveMember> {
    try {
      const { signal } = this.#options;
      const read = await this.#reader.read(entry, { signal });
      const stored = checkedContent(entry, read);
      const content = this.#isZip ? wholeContent(entry, stored) : stored;
      const isCondensed = !this.#isZip && entry.sparse !== undefined;
      return {
        member: isCondensed
          ? { ...member, size: storedSize(entry), fileSize: entry.size }
          : member,
        content: content instanceof Uint8Array
          ? content
          : this.#counted(entry, content),
      };
    } catch (error) {
      throw withPath(error, entry.path);
    }
  }

  /**
   * Yields the parts of a large file, and reports the progress after each part.
   */
  async *#counted(
    { path }: TreeFileEntry,
    parts: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    const progress = this.#progress;
    const { onProgress, signal } = this.#options;
    try {
      for await (const part of parts) {
        // The zeros of a hole are not read from the storage, so the storage
        // does not check the signal while they are yielded.
        checkAborted(signal);
        yield part;
        progress.bytes += part.length;
        onProgress?.({ ...progress });
      }
    } catch (error) {
      throw withPath(error, path);
    }
  }
}

/**
 * Returns an error with the path of a file. An error that already has a path,
 * has the code `aborted` or is not a `DeltarError` is returned unchanged.
 */
function withPath(error: unknown, path: string): unknown {
  const isBare = error instanceof DeltarError && error.path === undefined &&
    error.code !== "aborted";
  if (!isBare) return error;
  return new DeltarError(error.code, error.message, { path, cause: error });
}
