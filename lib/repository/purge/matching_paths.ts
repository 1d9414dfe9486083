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
  /** The pattern as a path. */
  literal: string;
  pattern: PathPattern;
  /** Whether a snapshot has the pattern as a path. */
  isLiteral: boolean;
  found: Set<string>;
}

/**
 * Returns the paths to purge: the given ones, and those that match a pattern in
 * any snapshot. If a snapshot has a path that is spelled like the pattern, only
 * this path is returned. A pattern that matches nothing is returned as a path.
 * Paths inside of other paths are omitted.
 *
 * @param store The repository.
 * @param found The snapshots to search.
 * @param paths The given paths.
 * @param options The options of the purge, with the patterns.
 */
export async function pathsToPurge(
  store: Store,
  found: Pick<RepositoryState, "records" | "removed">,
  paths: readonly string[],
  options: PurgeOptions,
): Promise<string[]> {
  const { patterns = [], from, signal } = options;
  if (patterns.length === 0) return [...paths];
  const searches = patterns.map((text): Search => ({
    literal: text.replace(/^\/|\/$/g, ""),
    pattern: pathPattern(text),
    isLiteral: false,
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
  const all = searches.flatMap(({ literal, isLiteral, found }) =>
    isLiteral || found.size === 0 ? [literal] : [...found]
  );
  const set = new PathSet(all);
  const outer = all.filter((path) => !set.includes(parentPath(path)));
  return [...new Set([...paths, ...outer])];

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
        searches.some(({ literal, pattern }) =>
          own === literal || pattern.matches(own)
        );
    };
    for await (const lines of reader.select(isWanted, { signal })) {
      for (const line of lines) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        const own = named(line.path) as string;
        for (const one of searches) {
          const { literal, pattern, found } = one;
          if (!isEntry(line)) continue;
          if (own === literal) one.isLiteral = true;
          const isKind = !pattern.onlyFolders || line.kind === "directory";
          if (isKind && pattern.matches(own)) found.add(own);
        }
      }
    }
  }
}
