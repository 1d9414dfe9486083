import type { SignalOptions } from "../bytes/abort.ts";
import { DeltarError } from "../bytes/errors.ts";
import { concat } from "../bytes/source.ts";
import { atOnce } from "../bytes/turns.ts";
import { bare, ChangeFinder } from "./change_finder.ts";
import { DirIndex } from "./dir_index.ts";
import type { EntryKind, Metadata } from "./entry.ts";
import {
  addRaw,
  checkOrder,
  decodeEntry,
  decodeMetadata,
  encodeEntry,
  encodeMetadata,
  type HashedEntry,
  LATER_VERSION,
  versionOf,
} from "./entry_line.ts";
import { decodeFile, writeFileAtomic } from "./file.ts";
import { decodeLines, type Line, linePieces } from "../bytes/listing.ts";
import { checkPath } from "./path.ts";
import { toJson } from "./to_json.ts";

/** A change of one path. */
export type Change =
  | CreatedChange
  | UpdatedChange
  | MovedChange
  | TouchedChange
  | DeletedChange;

/** The creation of a path. */
export interface CreatedChange {
  /** The kind of change. */
  change: "created";
  /** The new entry. */
  entry: HashedEntry;
}

/**
 * A change of a path's kind, content, link target, device number or hard links.
 */
export interface UpdatedChange {
  /** The kind of change. */
  change: "updated";
  /** The new entry. */
  entry: HashedEntry;
  /** The old entry. */
  before: HashedEntry;
  /** The path that had the new content in the old state, if any. */
  from?: string;
  /**
   * Whether only the hard links of the path changed. Such a path counts as
   * touched.
   */
  isLinkOnly?: boolean;
}

/**
 * A new path with content that another path had in the old state. A backup does
 * not store this content again.
 */
export interface MovedChange {
  /** `renamed` if the other path was deleted, otherwise `copied`. */
  change: "renamed" | "copied";
  /** The new entry. */
  entry: HashedEntry;
  /** The path that had this content in the old state. */
  from: string;
}

/** A change of only the mode, time, owner or extended attributes of a path. */
export interface TouchedChange {
  /** The kind of change. */
  change: "touched";
  /** The new entry. */
  entry: HashedEntry;
  /** The old entry. */
  before: HashedEntry;
}

/** The deletion of a path. */
export interface DeletedChange {
  /** The kind of change. */
  change: "deleted";
  /** The old entry. */
  before: HashedEntry;
}

/** The number of changes of each kind. */
export interface ChangeCounts {
  /**
   * The number of new paths that are not directories, except renamed and copied
   * files.
   */
  created: number;
  /** The number of new directories. */
  createdDirs: number;
  /**
   * The number of paths with a changed kind, content, link target or device
   * number.
   */
  updated: number;
  /**
   * The number of paths with unchanged content, but with a changed mode, time
   * or owner, or with changed extended attributes or hard links.
   */
  touched: number;
  /**
   * The number of deleted paths that were not directories, except renamed
   * files.
   */
  deleted: number;
  /** The number of deleted directories. */
  deletedDirs: number;
  /** The number of renamed files. */
  renamed: number;
  /** The number of files that were copied from a path that still exists. */
  copied: number;
}

const FORMAT = "deltar-diff";

/**
 * The changes from one state of a directory to another. Together with an
 * archive of `DiffData`, which contains the new content, the changes are enough
 * to make the second state from the first. A full backup is the difference from
 * `DirIndex.empty()`.
 *
 * @example A new file
 * ```ts
 * import { DiffIndex, Dir, DirIndex } from "@deltar/deltar";
 * import assert from "node:assert/strict";
 * import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
 *
 * const folder = mkdtempSync("example-");
 * try {
 *   writeFileSync(`${folder}/a.txt`, "hello");
 *   const before = await DirIndex.of(new Dir(folder));
 *   writeFileSync(`${folder}/b.txt`, "world");
 *   const diff = DiffIndex.compute(await DirIndex.of(new Dir(folder)), before);
 *   assert.deepEqual(diff.created, ["b.txt"]);
 * } finally {
 *   rmSync(folder, { recursive: true });
 * }
 * ```
 */
export class DiffIndex {
  /** The new state of the directory itself. */
  readonly root: Metadata;
  readonly #source: Iterable<Change>;
  #changes: readonly Change[] | undefined;
  #counts: ChangeCounts | undefined;

  /**
   * Makes a difference from changes that are in path order.
   *
   * @param changes The changes. An iterable that is not an array is collected
   * into an array only when `changes` is read, because a million changes take a
   * lot of memory.
   * @param root The new state of the directory itself.
   * @param counts The number of changes of each kind. If omitted, the changes
   * are counted when `counts` is read.
   */
  constructor(
    changes: Iterable<Change>,
    root: Metadata,
    counts?: ChangeCounts,
  ) {
    this.#source = changes;
    this.root = root;
    this.#counts = counts;
  }

  /**
   * Compares two states of a directory and returns the difference. No file is
   * read.
   *
   * @param index The new state.
   * @param previous The old state. Absent for a full backup.
   */
  static compute(index: DirIndex, previous?: DirIndex): DiffIndex {
    return atOnce(compareSteps(index, previous));
  }

  /** The changes, in path order. */
  get changes(): readonly Change[] {
    return this.#changes ??= Array.isArray(this.#source)
      ? this.#source
      : [...this.#source];
  }

  /** The number of changes of each kind. */
  get counts(): ChangeCounts {
    return this.#counts ??= {
      created: this.created.length,
      createdDirs: this.createdDirs.length,
      updated: this.updated.length,
      touched: this.touched.length,
      deleted: this.deleted.length,
      deletedDirs: this.deletedDirs.length,
      renamed: this.renamed.length,
      copied: this.copied.length,
    };
  }

  /**
   * The new paths that are not directories, except renamed and copied files.
   */
  get created(): string[] {
    return this.#paths("created", (kind) => kind !== "directory");
  }

  /** The paths of new directories. */
  get createdDirs(): string[] {
    return this.#paths("created", (kind) => kind === "directory");
  }

  /** The paths with a changed kind, content, link target or device number. */
  get updated(): string[] {
    return this.changes.filter((change) =>
      change.change === "updated" && !change.isLinkOnly
    ).map(pathOf);
  }

  /**
   * The paths with unchanged content, but with a changed mode, time or owner,
   * or with changed extended attributes or hard links.
   */
  get touched(): string[] {
    return this.changes.filter(isTouched).map(pathOf);
  }

  /** The deleted paths that were not directories, except renamed files. */
  get deleted(): string[] {
    const moved = new Set(this.renamed.map(({ from }) => from));
    return this.#paths("deleted", (kind) => kind !== "directory")
      .filter((path) => !moved.has(path));
  }

  /** The paths of deleted directories. */
  get deletedDirs(): string[] {
    return this.#paths("deleted", (kind) => kind === "directory");
  }

  /** The renamed files, with their old path (`from`) and new path (`to`). */
  get renamed(): { from: string; to: string }[] {
    return this.#moved("renamed");
  }

  /**
   * The copied files, with the path of the original (`from`), which still
   * exists, and the new path (`to`).
   */
  get copied(): { from: string; to: string }[] {
    return this.#moved("copied");
  }

  /**
   * Whether the difference has no changes. A change of only the directory
   * itself does not count.
   */
  get isEmpty(): boolean {
    for (const _ of this.#source) return false;
    return true;
  }

  /** Returns the difference for `JSON.stringify`; see {@linkcode toJson}. */
  toJSON(): unknown {
    const { root, counts, changes } = this;
    return toJson({ root, counts, changes });
  }

  /**
   * Returns the difference as the bytes of a file, in the format that
   * docs/FORMAT.md describes.
   */
  encode(): Uint8Array {
    return concat([...this.#pieces()]);
  }

  /**
   * Reads a difference from the bytes that `encode` returned.
   *
   * @param bytes The whole file.
   * @param object The name of the file, for errors.
   * @throws {DeltarError} `truncated` if the first or last line is incomplete;
   * `corrupt` if another part is invalid; `unsafe` if a path is invalid, such
   * as one that leads out of the directory or is too long; `limit` if the first
   * line is longer than 1 MiB and has more than one JSON object or array per 8
   * bytes; `unsupported` if the version is newer than this library supports.
   */
  static decode(bytes: Uint8Array, object = "diff"): DiffIndex {
    return atOnce(decodeSteps(bytes, object));
  }

  /**
   * Stores the difference in a file, and replaces the file if it exists. The
   * file is never incomplete.
   *
   * @param file The path, in the syntax of the operating system.
   * @param options A signal that aborts the writing.
   * @throws {DeltarError} `not-found` if the file's folder does not exist, `io`
   * if the file cannot be written, `aborted` if the signal fired.
   */
  async toFile(file: string, options: SignalOptions = {}): Promise<void> {
    await writeFileAtomic(file, this.#pieces(), options);
  }

  /**
   * Reads a difference that `toFile` stored.
   *
   * @param file The path, in the syntax of the operating system.
   * @param options A signal that aborts the reading.
   * @throws {DeltarError} `not-found` if the file does not exist, `limit` if
   * the file is larger than 1 GiB, `io` if the file cannot be read, `aborted`
   * if the signal fired, and the errors of `decode`.
   */
  static async fromFile(
    file: string,
    options: SignalOptions = {},
  ): Promise<DiffIndex> {
    return await decodeFile(file, decodeSteps, options);
  }

  #pieces(): Generator<Uint8Array> {
    const header = { root: encodeMetadata(this.root) };
    const version = versionOf(entriesOf(this.#source));
    return linePieces(FORMAT, version, header, encodeChanges(this.#source));
  }

  #paths(
    kind: Change["change"],
    wanted: (kind: EntryKind) => boolean = () => true,
  ): string[] {
    return this.changes
      .filter((change) =>
        change.change === kind && wanted(entryOf(change).kind)
      )
      .map(pathOf);
  }

  #moved(kind: "renamed" | "copied"): { from: string; to: string }[] {
    return this.changes.flatMap((change) =>
      change.change === kind
        ? [{ from: (change as MovedChange).from, to: pathOf(change) }]
        : []
    );
  }
}

/**
 * Compares two states of a directory and returns the difference. Yields after
 * each entry and each change, so that the caller can let other tasks run.
 *
 * @param index The new state.
 * @param previous The old state. Absent for a full backup.
 */
export function* compareSteps(
  index: DirIndex,
  previous: DirIndex | undefined,
): Generator<void, DiffIndex> {
  const finder = new ChangeFinder(
    previous ?? DirIndex.empty(),
    (path) => index.get(path),
  );
  for (const entry of index.entries) {
    finder.add(entry);
    yield;
  }
  finder.finish();
  const changes: Change[] = [];
  const at = (number: number) => bare(index.entries[number]);
  for (const [change] of finder.changes(at)) {
    changes.push(change);
    yield;
  }
  return new DiffIndex(changes, index.root, finder.counts());
}

/**
 * Decodes a stored difference. Yields after each line, so that the caller can
 * let other tasks run.
 */
function* decodeSteps(
  bytes: Uint8Array,
  object: string,
): Generator<void, DiffIndex> {
  const { header, lines } = decodeLines(
    bytes,
    FORMAT,
    LATER_VERSION,
    object,
  );
  const changes: Change[] = [];
  let last: string | undefined;
  for (const [line, offset] of lines) {
    const change = decodeChange(line, object, offset);
    const path = pathOf(change);
    checkOrder(last, path, object, offset);
    last = path;
    changes.push(change);
    yield;
  }
  const root = decodeMetadata((header.root ?? {}) as Line, object, 0);
  return new DiffIndex(changes, root);
}

/** Yields the old and new entries of changes. */
function* entriesOf(changes: Iterable<Change>): Generator<HashedEntry> {
  for (const change of changes) {
    if ("before" in change) yield change.before;
    if ("entry" in change) yield change.entry;
  }
}

function* encodeChanges(changes: Iterable<Change>): Generator<Line> {
  for (const change of changes) yield encodeChange(change);
}

/** Returns the new entry of a change, or the old entry of a deletion. */
function entryOf(change: Change): HashedEntry {
  return change.change === "deleted" ? change.before : change.entry;
}

/**
 * Returns whether a path's content is unchanged and only its mode, time, owner,
 * extended attributes or hard links changed.
 *
 * @param change The change of the path.
 *
 * @example
 * ```ts
 * import { isTouched } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * const entry = {
 *   path: "docs",
 *   kind: "directory" as const,
 *   mode: 0o755,
 *   mtime: 0n,
 *   uid: 0,
 *   gid: 0,
 *   size: 0,
 * };
 * const before = { ...entry, mode: 0o700 };
 * assert.equal(isTouched({ change: "touched", entry, before }), true);
 * assert.equal(isTouched({ change: "created", entry }), false);
 * ```
 */
export function isTouched(change: Change): boolean {
  return change.change === "touched" ||
    change.change === "updated" && change.isLinkOnly === true;
}

/**
 * Returns the path of a change.
 *
 * @param change The change.
 *
 * @example
 * ```ts
 * import { pathOf } from "@deltar/deltar/tree";
 * import assert from "node:assert/strict";
 *
 * const entry = {
 *   path: "docs",
 *   kind: "directory" as const,
 *   mode: 0o755,
 *   mtime: 0n,
 *   uid: 0,
 *   gid: 0,
 *   size: 0,
 * };
 * assert.equal(pathOf({ change: "created", entry }), "docs");
 * ```
 */
export function pathOf(change: Change): string {
  return entryOf(change).path;
}

function encodeChange(change: Change): Line {
  const { path: _, ...entry } = encodeEntry(entryOf(change));
  const line: Line = { change: change.change, path: pathOf(change), ...entry };
  if ("from" in change) line.from = change.from;
  if (change.change === "updated" || change.change === "touched") {
    const { path: _, raw: __, ...before } = encodeEntry(change.before);
    line.before = addRaw(before, "target");
  }
  if (change.change === "updated" && change.isLinkOnly) line.links = true;
  return addRaw(line, "path", "target", "from");
}

function decodeChange(line: Line, object: string, offset: number): Change {
  const entry = decodeEntry(line, object, offset);
  const from = typeof line.from === "string" ? line.from : undefined;
  if (from !== undefined) checkPath(from, object);
  const before = () => {
    const old = line.before as Line | undefined;
    return decodeEntry({ ...old, path: entry.path }, object, offset);
  };
  switch (line.change) {
    case "created":
      return { change: "created", entry };
    case "deleted":
      return { change: "deleted", before: entry };
    case "touched":
      return { change: "touched", entry, before: before() };
    case "updated":
      return {
        change: "updated",
        entry,
        before: before(),
        ...(from !== undefined && { from }),
        ...(line.links === true && { isLinkOnly: true }),
      };
    case "renamed":
    case "copied":
      if (from !== undefined) return { change: line.change, entry, from };
  }
  throw new DeltarError(
    "corrupt",
    "invalid change: unknown kind, or missing `from`",
    {
      object,
      offset,
    },
  );
}
