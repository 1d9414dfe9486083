import { DeltarError } from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";
import { comparePaths, foldersAbove, isWithin } from "../../tree/path.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { streamEntries, TreeFinder } from "../layers/tree_reader.ts";
import type { TreeEntry } from "../layers/tree_layer.ts";

/** Options for choosing entries of a snapshot. */
export interface EntryChoice {
  /** The folder from which entries are chosen. Default: the root. */
  from?: string;
  /**
   * The files and folders to choose, with all their content. Their paths are
   * relative to `from`. Default: all.
   */
  paths?: readonly string[];
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** The chosen entries of a snapshot. */
export interface ChosenEntries {
  /** Returns whether an entry with this path is among the chosen entries. */
  has(path: string): boolean;
  /** Yields the entries in path order, in batches. */
  batches(): AsyncGenerator<TreeEntry[]>;
}

/**
 * Chooses entries of a snapshot: paths with everything in them, and the folders
 * above these paths that are inside the folder `from`. Reads only the entries
 * of `from` and of the paths. The other entries are read by `batches`.
 *
 * @param storage The repository's storage.
 * @param record The snapshot.
 * @param choice The folder, the paths and the signal.
 * @throws {DeltarError} `not-found` if the snapshot does not have one of the
 * paths, or `from` is not a folder; `unsafe` if `from` or one of the paths is
 * not a path inside a tree; the error of a layer that is damaged or missing.
 */
export async function chooseEntries(
  storage: Storage,
  record: SnapshotRecord,
  { from = "", paths, signal }: EntryChoice,
): Promise<ChosenEntries> {
  const { layers } = record;
  const finder = new TreeFinder(storage, layers);
  const fail = (what: string, path: string) =>
    new DeltarError("not-found", what, { object: record.id, path });
  if (from !== "") {
    const folder = await finder.find(from, signal);
    if (folder === undefined) throw fail("no such folder", from);
    if (folder.kind !== "directory") throw fail("not a folder", from);
  }
  const start = from === "" ? "" : `${from}/`;
  const wanted = paths?.map((path) => start + path).sort(comparePaths)
    // A path below another path is omitted, because the other path is chosen
    // with everything in it.
    .reduce<string[]>((all, path) => {
      const last = all.at(-1);
      if (last === undefined || !isWithin(path, last)) all.push(path);
      return all;
    }, []);
  for (const path of wanted ?? []) {
    if (await finder.find(path, signal)) continue;
    throw fail("not in this snapshot", path);
  }
  const above = new Set(
    [...foldersAbove(wanted ?? [], () => true)]
      .filter((folder) => folder.startsWith(start)),
  );
  return {
    has: (path) =>
      above.has(path) ||
      (wanted === undefined
        ? path.startsWith(start)
        : wanted.some((one) => isWithin(path, one))),
    async *batches() {
      for (const path of [...above, ...wanted ?? [from]].sort(comparePaths)) {
        if (above.has(path)) {
          const folder = await finder.find(path, signal);
          if (folder !== undefined) yield [folder];
          continue;
        }
        const options = { within: path, signal };
        for await (const batch of streamEntries(storage, layers, options)) {
          yield wanted === undefined && from !== ""
            ? batch.filter((entry) => entry.path !== from)
            : batch;
        }
      }
    },
  };
}
