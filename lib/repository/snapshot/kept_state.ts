import { codeOf, isDamage } from "../../bytes/errors.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import type { DirIndex, IndexEntry } from "../../tree/dir_index.ts";
import type { Metadata } from "../../tree/entry.ts";
import {
  keptRoot,
  makesUpModes,
  withKeptMetadata,
} from "../../tree/kept_metadata.ts";
import { isWithin } from "../../tree/path.ts";
import { freshRestoresInto } from "../store/fresh_restore.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import type { Store } from "../store/store.ts";
import type { Parent } from "./parent.ts";

/** A snapshot that was restored into a directory. */
interface Restored {
  index: DirIndex;
  record: SnapshotRecord;
  /** The folder of the snapshot that was restored; empty for its root. */
  from: string;
  /** The paths that were restored; `undefined` for all. */
  paths: readonly string[] | undefined;
}

/**
 * The earlier modes, owners and extended attributes of a directory and its
 * entries, for a system that does not store them. They come from the snapshot
 * that was last restored into the directory or, if no restore is newer than the
 * last snapshot of the directory, from the last snapshot. For example, a file
 * keeps its mode and owner if a snapshot from Linux is restored on Windows, the
 * file is stored in a new snapshot there, and the new snapshot is restored on
 * Linux.
 */
export class KeptState {
  readonly #parent: Parent;
  readonly #restored: Restored | undefined;

  private constructor(parent: Parent, restored: Restored | undefined) {
    this.#parent = parent;
    this.#restored = restored;
  }

  /**
   * Reads the earlier modes, owners and extended attributes of a directory.
   * Returns `undefined` on systems that store modes and owners.
   *
   * @param store The repository.
   * @param place The directory's absolute path, without symlinks.
   * @param parent The parent of the next snapshot.
   * @param signal The signal that ends the work with an error of code
   * `aborted`.
   */
  static async read(
    store: Store,
    place: string,
    parent: Parent,
    signal: AbortSignal | undefined,
  ): Promise<KeptState | undefined> {
    if (!makesUpModes()) return undefined;
    return new KeptState(
      parent,
      await lastRestored(store, place, parent, signal),
    );
  }

  /** Returns an entry with its earlier mode, owner and extended attributes. */
  entry(entry: IndexEntry): IndexEntry {
    return withKeptMetadata(
      entry,
      this.#restoredAt(entry.path) ?? this.#parent.index.get(entry.path),
    );
  }

  /**
   * Returns the metadata of the directory itself, with its earlier mode, owner
   * and extended attributes.
   */
  root(found: Metadata): Metadata {
    const { root } = this.#isWhole()
      ? this.#restored?.record ?? {}
      : this.#parent;
    return root === undefined ? found : keptRoot(found, root);
  }

  /** The earlier names of owners and groups, for the next snapshot's record. */
  get owners(): Pick<SnapshotRecord, "owners"> {
    const { owners } = this.#restored?.record ??
      this.#parent.last?.record ?? {};
    return owners === undefined ? {} : { owners };
  }

  #restoredAt(path: string): IndexEntry | undefined {
    if (this.#restored === undefined) return undefined;
    const { index, from, paths } = this.#restored;
    const there = from === "" ? path : `${from}/${path}`;
    if (paths?.some((one) => isWithin(there, one)) === false) return undefined;
    return index.get(there);
  }

  /** Returns whether a whole snapshot was restored. */
  #isWhole(): boolean {
    return this.#restored?.from === "" && this.#restored.paths === undefined;
  }
}

/**
 * Returns the snapshot that was last restored into a directory. Returns
 * `undefined` if the restore is older than the parent or was undone. Also
 * returns `undefined` if the snapshot is missing, or if a record, tree or note
 * is damaged or cannot be decrypted. The next snapshot can be taken without the
 * restored snapshot.
 */
async function lastRestored(
  store: Store,
  place: string,
  { last }: Parent,
  signal: AbortSignal | undefined,
): Promise<Restored | undefined> {
  const after = last?.record.id ?? "";
  const storage = untilAborted(store.storage, signal);
  try {
    const [latest] = [
      ...await store.safetySnapshots(place, { signal }),
      ...await freshRestoresInto(storage, place),
    ].filter(({ id }) => id > after).sort((a, b) => a.id < b.id ? 1 : -1);
    if (latest?.safety?.before !== "restore") return undefined;
    const { record } = await store.record(latest.safety.of, { signal });
    const { index } = await store.tree(record, { signal });
    const { from = "", paths } = "made" in latest
      ? latest
      : { paths: latest.safety.paths };
    return { index, record, from, paths };
  } catch (error) {
    if (isDamage(error) || codeOf(error) === "key") return undefined;
    throw error;
  }
}
