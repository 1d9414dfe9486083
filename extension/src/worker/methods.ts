import {
  DeltarError,
  type Repository,
  type Skipped,
  type SnapshotRecord,
  Tree,
} from "../../../mod.ts";
import {
  describeUnusual,
  type PathVersion,
} from "../../../lib/repository/mod.ts";
import { checkAborted } from "../../../lib/bytes/abort.ts";
import { inTurns } from "../../../lib/bytes/turns.ts";
import { compareSteps } from "../../../lib/tree/diff_index.ts";
import { isFault, isWithin } from "../../../lib/tree/mod.ts";
import type {
  DeletedFile,
  FileChange,
  FileVersion,
  FolderChild,
  FolderConfig,
  Method,
  Methods,
  SkippedPath,
  SnapshotInfo,
} from "../shared/protocol.ts";
import { changeSummary } from "./change_summary.ts";
import { changedRanges } from "./changed_ranges.ts";
import { changesBelow } from "./changes_below.ts";
import { ChangesCache } from "./changes_cache.ts";
import { detailsOf, textOf } from "./entry_details.ts";
import { fileChanges, withoutOldPaths } from "./file_changes.ts";
import { fileEntry } from "./file_entry.ts";
import { dirOf } from "./folder_dir.ts";
import { ownAmong, recordsOf, safetyAmong } from "./folder_records.ts";
import type { Handler } from "./handler.ts";
import { keyMethods } from "./key_methods.ts";
import { kindOf } from "./kind_of.ts";
import { lineHistory } from "./line_history.ts";
import { oldHistoryMethods, rememberFolder } from "./old_history.ts";
import { Repositories } from "./repositories.ts";
import { restoreMethods } from "./restore_methods.ts";
import { type SearchedVersion, searchVersions } from "./search_history.ts";
import { TreeCache } from "./tree_cache.ts";
import { turnMethods, turnsBySnapshot } from "./turns.ts";

/** The maximum size of a version that is opened in an editor, in bytes. */
const MAX_VERSION_BYTES = 2 ** 30;

/**
 * Returns the methods of the worker. The methods share a cache of trees and a
 * cache of lists of changes.
 */
export function createMethods(
  repositories: Repositories = new Repositories(),
): { [M in Method]: Handler<M> } {
  const trees = new TreeCache();
  const lists = new ChangesCache<FileChange>();
  const changesBetween = async (
    { config, before, after, within = "" }: Methods["compare"][0],
    signal: AbortSignal,
  ): Promise<FileChange[]> => {
    const repository = await repositories.open(config);
    const key = JSON.stringify([repository.id, before, after, within]);
    return await lists.get(key, async (signal) => {
      const now = await trees.get(repository, after, signal);
      const old = before === undefined
        ? Tree.empty()
        : await trees.get(repository, before, signal);
      const steps = compareSteps(now.index, old.index);
      const { changes } = await inTurns(steps, signal);
      return fileChanges(changes).filter(({ path, from = path, change }) =>
        isWithin(path, within) || change === "renamed" && isWithin(from, within)
      );
    }, signal);
  };
  return {
    ...restoreMethods(repositories),
    ...keyMethods(repositories),
    ...turnMethods(repositories),
    ...oldHistoryMethods(repositories),

    async snapshot(
      { config, label, measure, isFirst, ignoresFolderTimes, continues },
      { signal, progress },
    ) {
      const started = performance.now();
      const repository = await repositories.openOrCreate(config);
      const { record, isNew, skipped } = await repository.snapshot(
        dirOf(config, isFirst ? config.originals : undefined),
        {
          ...(label !== undefined && { label }),
          ...(continues !== undefined && { continues }),
          ...(ignoresFolderTimes && { ignoreFolderTimes: true }),
          cache: config.cache,
          signal,
          onDamage: () => {},
          measure,
          onProgress: ({ entries, allEntries, path }) =>
            progress({ entries, allEntries, path }),
        },
      );
      rememberFolder(config);
      return {
        snapshot: infoOf(record, record.parent),
        isNew,
        skipped: skipped.map(skippedPath),
        duration: performance.now() - started,
      };
    },

    async list({ config }) {
      const repository = await repositories.tryOpen(config);
      if (repository === undefined) return [];
      const all = await repository.snapshots({ onDamage: () => {} });
      const records = ownAmong(all, config);
      const times = new Map(records.map(({ id, time }) => [id, time]));
      const taken = records.map((record, at) => {
        const { parent } = record;
        if (parent !== undefined && times.has(parent)) {
          return infoOf(record, parent);
        }
        // If the parent was removed, the next older snapshot takes its place.
        // The same applies to a snapshot without a parent, because older
        // snapshots might have been copied into the repository later.
        const older = at > 0 ? records[at - 1] : undefined;
        return infoOf(record, older?.id, older?.time);
      });
      const { during, madeBy } = turnsBySnapshot(records);
      for (const info of taken) {
        info.turn = during.get(info.id);
        info.madeBy = madeBy.get(info.id);
      }
      const safety = safetyAmong(all, records, config).map((record) => ({
        ...infoOf(record),
        isSafety: true,
      }));
      return [...taken, ...safety].sort((a, b) => a.id < b.id ? 1 : -1);
    },

    compare: (params, { signal }) => changesBetween(params, signal),

    async changesBelow({ path, ...compared }, { signal }) {
      return changesBelow(await changesBetween(compared, signal), path);
    },

    async summary({ config, before, after, within }, { signal }) {
      const repository = await repositories.open(config);
      return await changeSummary(repository, {
        before: before === undefined
          ? undefined
          : await repository.find(before),
        after: await repository.find(after),
        within,
      }, signal);
    },

    async skipped({ config, id }, { signal }) {
      const tree = await trees.get(await repositories.open(config), id, signal);
      return tree.skipped.map(skippedPath);
    },

    async deleted({ config }, { signal }) {
      const repository = await repositories.open(config);
      const records = await recordsOf(repository, config);
      const last = records.at(-1);
      if (last === undefined) return [];
      const now = (await trees.get(repository, last.id, signal)).byPath;
      const found = new Map<string, DeletedFile>();
      for (let at = records.length - 1; at > 0; at--) {
        checkAborted(signal);
        // Most snapshots count no deletions. To save time, the trees of these
        // snapshots are not read.
        const { deleted, faults } = records[at].counts;
        // The tree of a snapshot with faults is read, too. A path that could
        // not be read is missing from this tree. If the path was deleted before
        // the next snapshot, that snapshot does not count the deletion.
        if (deleted + faults === 0) continue;
        const [old, next] = [records[at - 1], records[at]];
        const { changes } = await repository.diff(old, next, { signal });
        for (const change of withoutOldPaths(changes)) {
          if (change.change !== "deleted") continue;
          const { path, kind, size } = change.before;
          if (kind === "directory" || now.has(path) || found.has(path)) {
            continue;
          }
          found.set(path, { path, id: old.id, time: next.time, size });
        }
      }
      return [...found.values()];
    },

    async previewPrune({ config, policy }, { signal }) {
      const repository = await repositories.open(config);
      const { judgements, freed, stored, unusual } = await repository.planPrune(
        policy,
        { signal },
      );
      const own = ownJudged(judgements, config);
      const kept = own.filter(({ keep }) => keep).length;
      return {
        removed: own.length - kept,
        kept,
        freed,
        stored,
        unusual: unusual.map(describeUnusual),
      };
    },

    async prune({ config, policy, acceptUnusual = false }, { signal }) {
      const repository = await repositories.open(config);
      const { judgements } = await repository.prune(policy, {
        onUnusual: () => acceptUnusual,
        signal,
      });
      const own = ownJudged(judgements, config).filter(({ keep }) => !keep);
      return { removed: own.map(({ record }) => record.id).sort() };
    },

    async usage({ config }) {
      const repository = await repositories.open(config);
      let bytes = 0;
      for await (const { size } of repository.storage.list()) bytes += size;
      return { bytes };
    },

    async stat({ config, id, path }, { signal }) {
      const repository = await repositories.open(config);
      const entry = await repository.lookup(
        await repository.find(id),
        path,
        { signal },
      );
      if (entry === undefined) return undefined;
      return {
        kind: kindOf(entry.kind),
        size: textOf(entry)?.length ?? entry.size,
        mtime: Number(entry.mtime / 1_000_000n),
      };
    },

    async children({ config, id, path }, { signal }) {
      const repository = await repositories.open(config);
      const record = await repository.find(id);
      const prefix = path === "" ? "" : `${path}/`;
      const children: FolderChild[] = [];
      const some = {
        signal,
        isShallow: true,
        ...(path !== "" && { within: path }),
      };
      for await (const entries of repository.entries(record, some)) {
        for (const entry of entries) {
          const name = entry.path.slice(prefix.length);
          if (!entry.path.startsWith(prefix) || name.includes("/")) continue;
          const kind = kindOf(entry.kind);
          children.push({ name, kind, size: entry.size, ...detailsOf(entry) });
        }
      }
      return children;
    },

    async read({ config, id, path }, { signal }) {
      const repository = await repositories.open(config);
      const record = await repository.find(id);
      const entry = await repository.lookup(record, path, { signal });
      const text = entry && textOf(entry);
      if (text !== undefined) return text;
      const { size = 0 } = entry ?? {};
      if (size > MAX_VERSION_BYTES) {
        throw new DeltarError(
          "limit",
          `this version is too large to open in an editor: ${size} bytes, ` +
            `at most ${MAX_VERSION_BYTES}; restore it instead`,
          { path },
        );
      }
      const content = await repository.readFile(record, path, { signal });
      return new Uint8Array(await new Response(content).arrayBuffer());
    },

    async label({ config, id, label }, { signal }) {
      const repository = await repositories.open(config);
      await repository.label(await repository.find(id), label, { signal });
    },

    async forget({ config, id }, { signal }) {
      const repository = await repositories.open(config);
      await repository.forget(id, { signal });
    },

    async undelete({ config, id }, { signal }) {
      const repository = await repositories.open(config);
      await repository.undelete(id, { signal });
    },

    async ranges({ config, before, after }, { signal }) {
      const repository = await repositories.open(config);
      const { directory } = config;
      return changedRanges(repository, directory, before, after, signal);
    },

    async history({ config, path }, { signal }) {
      const repository = await repositories.tryOpen(config);
      if (repository === undefined) return [];
      const versions: FileVersion[] = [];
      for await (const one of versionsOf(repository, config, path, signal)) {
        versions.push(fileVersion(one));
      }
      return versions;
    },

    async searchHistory({ config, path, text }, { signal }) {
      const repository = await repositories.open(config);
      const versions = contentsOf(repository, config, path, signal);
      return await searchVersions(versions, text);
    },

    async lineHistory(
      { config, path, text, encoding, range },
      { signal },
    ) {
      const repository = await repositories.open(config);
      const versions = contentsOf(repository, config, path, signal);
      return await lineHistory(versions, text, encoding, range);
    },
  };
}

/**
 * Yields the versions of a path in which it is a file, the newest first.
 * Versions in which the path was deleted, or is a folder or a symlink, are left
 * out.
 */
async function* contentsOf(
  repository: Repository,
  config: FolderConfig,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<SearchedVersion> {
  const readEntry = repository.entryReader();
  for await (const one of versionsOf(repository, config, path, signal)) {
    const { record, entry } = one;
    if (entry?.kind !== "file" && entry?.kind !== "hardlink") continue;
    yield {
      version: fileVersion(one),
      find: async () => {
        const file = entry.kind === "file"
          ? entry
          : await fileEntry(repository, record, entry.target, signal);
        const read = async () => {
          const content = readEntry(file, { signal });
          return new Uint8Array(await new Response(content).arrayBuffer());
        };
        return { sha256: file.sha256, size: file.size, read };
      },
    };
  }
}

/**
 * Yields the versions of a file or folder, the newest first, without those that
 * changed only metadata. If the file or folder was renamed, the versions under
 * its other paths are included.
 */
async function* versionsOf(
  repository: Repository,
  config: FolderConfig,
  path: string,
  signal: AbortSignal,
): AsyncGenerator<PathVersion> {
  const onDamage = () => {};
  const own = await repository.parentFor(config.directory, {
    signal,
    onDamage,
  });
  // If all snapshots of this folder are from other machines, there is no
  // parent, so the newest of these snapshots is used.
  const last = own?.record ?? (await recordsOf(repository, config)).at(-1);
  if (last === undefined) return;
  const { former } = config;
  const options = { follow: true, former, signal, onDamage };
  for await (const version of repository.history(last, path, options)) {
    // Touched versions are left out, because the history of a file shows only
    // changes of the content. Hard links are an exception: the entry of a hard
    // link has no checksum, so the content might have changed, too.
    if (version.change !== "touched" || version.entry?.kind === "hardlink") {
      yield version;
    }
  }
}

function fileVersion(
  { record, path, from, entry, before }: PathVersion,
): FileVersion {
  const { id, time, label } = record;
  return {
    id,
    time,
    ...(label !== undefined && { label }),
    path,
    ...(from !== undefined && { from }),
    ...(entry !== undefined && { size: entry.size, ...detailsOf(entry) }),
    ...((entry ?? before)?.kind === "directory" && { isFolder: true }),
  };
}

/** Returns those of `judgements` that are about snapshots of a folder. */
function ownJudged<Judged extends { record: SnapshotRecord }>(
  judgements: readonly Judged[],
  config: FolderConfig,
): Judged[] {
  const records = judgements.map(({ record }) => record)
    .sort((a, b) => a.id < b.id ? -1 : 1);
  const own = new Set(ownAmong(records, config));
  return judgements.filter(({ record }) => own.has(record));
}

function infoOf(
  record: SnapshotRecord,
  before?: string,
  since?: number,
): SnapshotInfo {
  const { id, time, directory, label, counts } = record;
  return {
    id,
    time,
    directory,
    ...(label !== undefined && { label }),
    ...(before !== undefined && { before }),
    ...(since !== undefined && { since }),
    counts,
  };
}

function skippedPath(skipped: Skipped): SkippedPath {
  return { ...skipped, isFault: isFault(skipped) };
}
