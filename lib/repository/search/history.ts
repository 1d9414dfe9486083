/**
 * The history of a path.
 *
 * A layer has a line for each path that changed since the layers below it. The
 * last layer of a tree that has a line for a path therefore shows how old the
 * state of the path is: all earlier snapshots with this layer have the same
 * state. If the line was copied from another layer, it has the id of the run
 * that last changed the path. For each version, usually only two records and
 * the frames that have the path are read. One record is that of the first
 * snapshot with the version, and the other that of the snapshot before it.
 *
 * `earlier_snapshots.ts` finds these snapshots, and `layer_readers.ts` finds
 * paths in them. `renames.ts` and `folder_renames.ts` find the other path of a
 * renamed file or folder. `folder_changes.ts` counts the changes in a folder.
 * `skipped_paths.ts` reads the paths that a snapshot skipped or excluded.
 *
 * @module
 */
import { checkAborted } from "../../bytes/abort.ts";
import { type DamageHandler, isDamage } from "../../bytes/errors.ts";
import { changedFields, type EntryField } from "../../tree/changed_fields.ts";
import { idOfObject } from "../format/names.ts";
import type { LayerRecord, SnapshotRecord } from "../format/snapshot_record.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";
import type { Store } from "../store/store.ts";
import { EarlierSnapshots } from "./earlier_snapshots.ts";
import { countChanges, type FolderChanges } from "./folder_changes.ts";
import { newFolderOf, oldFolderOf } from "./folder_renames.ts";
import { LayerReaders, type Located } from "./layer_readers.ts";
import { newPathOf, oldPathOf } from "./renames.ts";
import { skippedIn } from "./skipped_paths.ts";

/**
 * A version of a path. A version lasts from the first snapshot that has it
 * until the snapshot before the next version.
 */
export interface PathVersion {
  /** The first snapshot that has this version. */
  record: SnapshotRecord;
  /**
   * The path in the snapshot `record`. Versions before and after a rename have
   * different paths.
   */
  path: string;
  /**
   * The kind of change that made the version:
   *
   * - `created`;
   * - `updated`: the content, link target, device or kind changed, or something
   * in the folder changed;
   * - `touched`: only the mode, time, owner or extended attributes changed;
   * - `renamed`: a deleted path had the content of the file, or a deleted
   * folder had the files of the folder;
   * - `copied`: a path that still exists had the content of the file;
   * - `deleted`.
   *
   * The time of a folder is ignored.
   */
  change:
    | "created"
    | "updated"
    | "touched"
    | "renamed"
    | "copied"
    | "deleted";
  /**
   * The entry in the snapshot `record`, or `undefined` if the path was deleted.
   */
  entry: TreeEntry | undefined;
  /**
   * The entry in the previous version; `undefined` if the path did not exist
   * directly before this version.
   */
  before: TreeEntry | undefined;
  /**
   * The last snapshot that has the entry `before` or, for a renamed folder, the
   * last snapshot that has the folder under its old path.
   */
  recordBefore?: SnapshotRecord;
  /** The old path of a renamed file or folder, or of a copied file. */
  from?: string;
  /**
   * The new path of a file or folder that was deleted under this path because
   * it was renamed.
   */
  to?: string;
  /**
   * The numbers of changes in the folder. Absent if the path is not a folder in
   * this and the previous version, or if nothing in the folder changed.
   */
  inside?: FolderChanges;
}

/** Options for finding versions. */
export interface HistoryOptions {
  /**
   * Whether to include the versions of a renamed file or folder under its other
   * paths. Default: `false`.
   */
  follow?: boolean;
  /**
   * The former paths of the directory. Snapshots of these paths count as
   * earlier snapshots of the directory, even if none of them is the parent of a
   * snapshot of the directory. Default: none.
   */
  former?: readonly string[];
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
  /**
   * Called with the error of each damaged record, and of each missing or
   * damaged layer. A snapshot is ignored if the path cannot be looked up in it
   * because of such an error. By default, the first error is thrown.
   */
  onDamage?: DamageHandler;
}

/** Consecutive snapshots in which a path has the same state. */
interface Span {
  /** The path below the directory. */
  path: string;
  /** The entry of the path, or `undefined` if the path was deleted. */
  entry: TreeEntry | undefined;
  /** The last of the consecutive snapshots. */
  newest: SnapshotRecord;
  /** Returns the first of the consecutive snapshots. */
  first: () => Promise<SnapshotRecord>;
  /**
   * The snapshot before the consecutive snapshots; `undefined` if there is
   * none.
   */
  older: SnapshotRecord | undefined;
}

/**
 * Yields the versions of a path in a snapshot and in the earlier snapshots of
 * the same directory and machine, newest first.
 *
 * @param store The repository.
 * @param last The newest snapshot.
 * @param path The path below the directory.
 * @param options See `HistoryOptions`.
 */
export async function* historyOf(
  store: Store,
  last: SnapshotRecord,
  path: string,
  options: HistoryOptions,
): AsyncGenerator<PathVersion> {
  const earlier = await EarlierSnapshots.of(store, last, options);
  const history = new History(store, earlier, options);
  if (options.follow) yield* followed(history, earlier, last, path);
  else yield* history.versions(last, path);
}

/**
 * Yields the versions of a file or folder under all its paths. If the path is
 * missing from the newest snapshot because it was renamed, the versions under
 * the newest path are yielded first.
 */
async function* followed(
  history: History,
  earlier: EarlierSnapshots,
  last: SnapshotRecord,
  path: string,
): AsyncGenerator<PathVersion> {
  let name = path;
  let at: SnapshotRecord | undefined = last;
  /**
   * The id of the first snapshot after the rename that was last followed to a
   * newer path; empty if no such rename was followed.
   */
  let renamed = "";
  while (at !== undefined) {
    let isNewest: boolean = at === last;
    let next: SnapshotRecord | undefined;
    for await (const version of history.versions(at, name)) {
      const { record, change, from, to } = version;
      if (isNewest && to !== undefined && record.id > renamed) {
        [name, next, renamed] = [to, last, record.id];
        break;
      }
      isNewest = false;
      yield version;
      if (change === "renamed" && from !== undefined) {
        [name, next] = [from, await earlier.before(record)];
        break;
      }
    }
    at = next;
  }
}

class History {
  readonly #earlier: EarlierSnapshots;
  readonly #readers: LayerReaders;
  readonly #options: HistoryOptions;

  constructor(
    store: Store,
    earlier: EarlierSnapshots,
    options: HistoryOptions,
  ) {
    this.#earlier = earlier;
    this.#readers = new LayerReaders(store.storage);
    this.#options = options;
  }

  /** Yields the versions of a path, newest first. */
  async *versions(
    last: SnapshotRecord,
    path: string,
  ): AsyncGenerator<PathVersion> {
    let newer: Span | undefined;
    for await (const span of this.#spans(last, path)) {
      const version = newer && await this.#compare(newer, span);
      if (version !== undefined) yield version;
      newer = span;
    }
    const created = newer && await this.#compare(newer, undefined);
    if (created !== undefined) yield created;
  }

  /**
   * Returns the version that begins with a span, or `undefined` if the span
   * before it has the same state. Any snapshots between the two spans skipped
   * or excluded the path, or could not be read.
   */
  async #compare(
    span: Span,
    spanBefore: Span | undefined,
  ): Promise<PathVersion | undefined> {
    const { path, entry, first } = span;
    const before = spanBefore?.entry;
    const older = spanBefore?.newest ?? span.older;
    const isFolder = entry?.kind === "directory" &&
      before?.kind === "directory";
    const fields = entry && before
      ? changedFields(entry, before).filter((field) =>
        !isFolder || field !== "mtime"
      )
      : [];
    const isEqual = (entry === undefined) === (before === undefined) &&
      fields.length === 0;
    if (isEqual && !isFolder) return undefined;
    const record = await first();
    const version = {
      record,
      path,
      entry,
      before,
      ...spanBefore && before && { recordBefore: spanBefore.newest },
    };
    if (entry === undefined) {
      if (before === undefined) return undefined;
      const to = older &&
        await this.#ignoringDamage(() =>
          before.kind === "directory"
            ? newFolderOf(this.#readers, older, record, path)
            : newPathOf(this.#readers, older, record, before)
        );
      const change = "deleted";
      return { ...version, change, ...to !== undefined && { to } };
    }
    if (before === undefined && entry.kind === "directory") {
      const from = older &&
        await this.#ignoringDamage(() =>
          oldFolderOf(this.#readers, older, record, path)
        );
      return from === undefined
        ? { ...version, change: "created" }
        : { ...version, change: "renamed", from, recordBefore: older };
    }
    if (before === undefined) {
      const found = older &&
        await this.#ignoringDamage(() =>
          oldPathOf(this.#readers, older, record, entry)
        );
      return { ...version, change: "created", ...found };
    }
    const inside = isFolder && older
      ? await this.#ignoringDamage(() =>
        countChanges(this.#readers, older, record, path)
      )
      : undefined;
    if (inside !== undefined) return { ...version, change: "updated", inside };
    if (isEqual) return undefined;
    const isTouched = fields.every((field) => METADATA.has(field));
    return { ...version, change: isTouched ? "touched" : "updated" };
  }

  /**
   * Yields the spans of a path, newest first. Consecutive spans can have the
   * same state. Snapshots that skipped or excluded the path are omitted. So are
   * the snapshots before the first one that has the path.
   */
  async *#spans(last: SnapshotRecord, path: string): AsyncGenerator<Span> {
    for (let at: SnapshotRecord | undefined = last; at !== undefined;) {
      checkAborted(this.#options.signal);
      const newest: SnapshotRecord = at;
      const found = await this.#ignoringDamage(() =>
        this.#readers.locate(newest, path)
      );
      if (found === undefined) {
        at = await this.#earlier.before(newest);
        continue;
      }
      const { entry, layer } = found;
      const start = await this.#startByAge(newest, path, found);
      if (start !== undefined) {
        const { since, first } = start;
        at = await this.#earlier.beforeRun(since, first);
        yield {
          path,
          entry,
          newest,
          first: () => Promise.resolve(first),
          older: at,
        };
        continue;
      }
      at = await this.#earlier.beforeLayer(layer, newest);
      if (entry !== undefined) {
        const first = () => this.#earlier.firstWithLayer(layer, newest);
        yield { path, entry, newest, first, older: at };
        continue;
      }
      if (at === undefined) return;
      const first = await this.#startOf(newest, path, layer);
      if (first === undefined) continue;
      yield {
        path,
        entry,
        newest,
        first: () => Promise.resolve(first),
        older: at,
      };
    }
  }

  /**
   * Returns the run that last changed a path, according to a layer, and the
   * first snapshot since this run. Returns `undefined` if the path does not
   * exist, or if the layer names no earlier run than the one that wrote the
   * layer. Also returns `undefined` if the trees do not show that the path has
   * the same state in the first snapshot. For example, that snapshot might have
   * been replaced, copied from another repository, or forged.
   */
  async #startByAge(
    newest: SnapshotRecord,
    path: string,
    { entry, layer, since }: Located,
  ): Promise<{ since: string; first: SnapshotRecord } | undefined> {
    const written = idOfObject(layer.name);
    if (
      entry === undefined || since === undefined || written === undefined ||
      since >= written || since > newest.id
    ) return undefined;
    const first = await this.#earlier.firstSince(since, newest);
    if (first.id === newest.id) return { since, first };
    const isSource = first.id === since &&
      idOfObject(first.layers.at(-1)?.name ?? "") === since;
    if (
      isSource && entry.kind !== "directory" &&
      this.#readers.mayHaveChanged(first, path)
    ) return { since, first };
    const other = await this.#ignoringDamage(() =>
      this.#readers.locate(first, path)
    );
    const isSame = other?.entry !== undefined && other.since === since &&
      (entry.kind === "directory" ||
        changedFields(entry, other.entry).length === 0);
    return isSame ? { since, first } : undefined;
  }

  /**
   * Searches the snapshots that have a given layer, all of which lack the path.
   * Returns the first of them that neither skipped nor excluded the path;
   * `undefined` if there is none, or if both the first and the newest of them
   * skipped or excluded the path.
   */
  async #startOf(
    newest: SnapshotRecord,
    path: string,
    layer: LayerRecord,
  ): Promise<SnapshotRecord | undefined> {
    let isFirst = true;
    for await (const record of this.#earlier.withLayer(layer, newest)) {
      if (!await this.#isSkipped(record, path)) return record;
      if (isFirst && await this.#isSkipped(newest, path)) return undefined;
      isFirst = false;
    }
    return undefined;
  }

  /**
   * Returns whether a snapshot skipped or excluded a path or a folder above it.
   * Returns `true` if the list of skipped and excluded paths is damaged.
   */
  async #isSkipped(record: SnapshotRecord, path: string): Promise<boolean> {
    const isSkipped = await this.#ignoringDamage(() =>
      skippedIn(this.#readers, record)
    );
    return isSkipped?.(path) ?? true;
  }

  /**
   * Returns the result of `work`, which reads layers. If a layer is damaged and
   * `onDamage` is given, calls it with the error and returns `undefined`.
   */
  async #ignoringDamage<Result>(
    work: () => Promise<Result>,
  ): Promise<Result | undefined> {
    try {
      return await work();
    } catch (error) {
      const { onDamage } = this.#options;
      if (onDamage === undefined || !isDamage(error)) throw error;
      onDamage(error);
      return undefined;
    }
  }
}

/**
 * The metadata fields of an entry. A version is `touched`, not `updated`, if
 * only these fields changed.
 */
const METADATA: ReadonlySet<EntryField> = new Set([
  "mode",
  "uid",
  "gid",
  "xattrs",
  "mtime",
]);
