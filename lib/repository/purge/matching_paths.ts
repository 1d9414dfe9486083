import { turnIfDue } from "../../bytes/turns.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { parentPath } from "../../tree/path.ts";
import { pathTo } from "../format/place_of.ts";
import type { SnapshotRecord } from "../format/snapshot_record.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import { isEntry } from "../layers/tree_reader.ts";
import type { RepositoryState } from "../prune/repository_state.ts";
import { type PathPattern, pathPattern } from "../search/path_pattern.ts";
import type { Store } from "../store/store.ts";
import { layerKey } from "../verify/family.ts";
import { PathSet } from "./path_set.ts";
import type { PurgeOptions } from "./purge.ts";
import { candidatesIn, replacedIn } from "./survey.ts";

/** A pattern, and the paths that it matches. */
interface Search {
  text: string;
  pattern: PathPattern;
  found: Set<string>;
}

/** The paths to purge. */
export interface Matched {
  /** The given paths, and the paths that match a pattern. */
  paths: string[];
  /** The patterns that match no path in the searched snapshots. */
  unmatched: string[];
}

/**
 * Returns the paths to purge: the given paths, and the paths that match a
 * pattern in any snapshot that the option `from` selects. A matching path
 * inside another matching path is omitted.
 *
 * @param store The repository.
 * @param found The records of the snapshots, and the removed snapshots.
 * @param paths The given paths.
 * @param options The options of the purge, with the patterns.
 */
export async function pathsToPurge(
  store: Store,
  found: Pick<RepositoryState, "records" | "removed">,
  paths: readonly string[],
  options: PurgeOptions,
): Promise<Matched> {
  const { patterns = [], from, signal } = options;
  if (patterns.length === 0) return { paths: [...paths], unmatched: [] };
  const searches = patterns.map((text): Search => ({
    text,
    pattern: pathPattern(text),
    found: new Set(),
  }));
  const storage = untilAborted(store.storage, signal);
  const read = new Set<string>();
  for (const { record } of [...candidatesIn(found), ...replacedIn(found)]) {
    if (from !== undefined && !from.includes(record.id)) continue;
    for (const layer of record.layers) {
      const key = layerKey(layer);
      if (read.has(key)) continue;
      read.add(key);
      await search(new LayerReader(storage, layer), record);
    }
  }
  const all = searches.flatMap(({ found }) => [...found]);
  const set = new PathSet(all);
  const outer = all.filter((path) => !set.includes(parentPath(path)));
  return {
    paths: [...new Set([...paths, ...outer])],
    unmatched: searches.filter(({ found }) => found.size === 0)
      .map(({ text }) => text),
  };

  async function search(
    reader: LayerReader,
    record: SnapshotRecord,
  ): Promise<void> {
    const { place } = options;
    const named = (path: string) =>
      place === undefined ? path : pathTo(record, place, path);
    const isWanted = (path: string) => {
      const own = named(path);
      return own !== undefined &&
        searches.some(({ pattern }) => pattern.matches(own));
    };
    for await (const lines of reader.select(isWanted, { signal })) {
      for (const line of lines) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        const own = named(line.path) as string;
        if (!isEntry(line)) continue;
        for (const { pattern, found } of searches) {
          const isKind = !pattern.onlyFolders || line.kind === "directory";
          if (isKind && pattern.matches(own)) found.add(own);
        }
      }
    }
  }
}
