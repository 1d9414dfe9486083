import { checkAborted } from "../bytes/abort.ts";
import { DeltarError } from "../bytes/errors.ts";
import { isVacant } from "../tree/file.ts";
import { checkPath, isWithin } from "../tree/path.ts";
import { TreeWriter } from "../tree/tree_writer.ts";
import { ContentReader } from "./content.ts";
import { isDamage } from "./damage.ts";
import type { Repository } from "./repository.ts";
import type { SnapshotRecord } from "./snapshot_record.ts";
import type { Tree } from "./tree.ts";
import type { TreeEntry } from "./tree_layer.ts";

/** What to restore. */
export interface RestoreOptions {
  /** Files and folders to restore, with all that is in them. Default: all. */
  paths?: readonly string[];
  /** Told after each entry how far it is. */
  onProgress?: (progress: RestoreProgress) => void;
  /** Ends the work with an error of code `aborted`; what was restored stays. */
  signal?: AbortSignal;
}

/** How far a restore is. */
export interface RestoreProgress {
  /** Entries so far. */
  entries: number;
  /** All entries there will be. */
  allEntries: number;
  /** Bytes of files so far. */
  bytes: number;
  /** All bytes there will be. */
  allBytes: number;
  /** The path just done. */
  path: string;
}

/** What a restore did. */
export interface RestoreResult {
  /** Files, hard links counted once. */
  files: number;
  /** Directories. */
  directories: number;
  /** Symlinks and further names of hard links. */
  links: number;
  /** Bytes of files. */
  bytes: number;
  /** Files that could not be restored, and why; nothing is at their place. */
  failed: { path: string; error: Error }[];
}

/** How many files ahead their frames are asked for. */
const AHEAD = 16;

/** Restores a snapshot; each file is checked before it gets its name. */
export async function restoreTree(
  repository: Repository,
  record: SnapshotRecord,
  target: string,
  options: RestoreOptions,
): Promise<RestoreResult> {
  const tree = await repository.tree(record);
  const entries = select(tree, record, options.paths);
  if (!isVacant(target)) {
    throw new DeltarError(
      "exists",
      "the directory is not empty; restore into a new one",
      { object: target },
    );
  }
  const writer = new TreeWriter(target);
  const reader = new ContentReader(repository.storage);
  const result: RestoreResult = {
    files: 0,
    directories: 0,
    links: 0,
    bytes: 0,
    failed: [],
  };
  const allBytes = entries.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  for (const [at, entry] of entries.entries()) {
    checkAborted(options.signal);
    if (at + AHEAD < entries.length) reader.prefetch(entries[at + AHEAD]);
    try {
      await restoreEntry(entry, writer, reader, options.signal);
      tally(result, entry);
    } catch (error) {
      if (!isOfOneFile(error)) throw error;
      result.failed.push({ path: entry.path, error });
    }
    options.onProgress?.({
      entries: ++done,
      allEntries: entries.length,
      bytes: result.bytes,
      allBytes,
      path: entry.path,
    });
  }
  if (options.paths === undefined) writer.directory("", record.root);
  writer.finish();
  return result;
}

async function restoreEntry(
  entry: TreeEntry,
  writer: TreeWriter,
  reader: ContentReader,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { path, kind, size, sha256, target } = entry;
  if (kind === "directory") writer.directory(path, entry);
  else if (kind === "symlink") writer.symlink(path, target!, entry);
  else if (kind === "hardlink") writer.hardLink(path, target!);
  else {
    const content = await reader.read(entry, signal);
    await writer.file(path, content, entry, { size, sha256: sha256! });
  }
}

/**
 * The entries to restore, in path order. A hard link whose first name is not
 * among them becomes the file itself.
 */
function select(
  tree: Tree,
  record: SnapshotRecord,
  paths: readonly string[] | undefined,
): TreeEntry[] {
  if (paths === undefined) return [...tree.entries];
  for (const path of paths) {
    checkPath(path);
    if (!tree.byPath.has(path)) {
      throw new DeltarError("not-found", "it is not in this snapshot", {
        object: record.id,
        path,
      });
    }
  }
  const chosen = new Map<string, TreeEntry>();
  const instead = new Map<string, string>();
  for (const entry of tree.entries) {
    if (!paths.some((path) => isWithin(entry.path, path))) continue;
    chosen.set(entry.path, withoutAbsentLink(entry, tree, chosen, instead));
  }
  return [...chosen.values()];
}

function withoutAbsentLink(
  entry: TreeEntry,
  tree: Tree,
  chosen: Map<string, TreeEntry>,
  instead: Map<string, string>,
): TreeEntry {
  const { target } = entry;
  if (entry.kind !== "hardlink" || chosen.has(target!)) return entry;
  const first = instead.get(target!);
  if (first !== undefined) return { ...entry, target: first };
  const file = tree.byPath.get(target!);
  // A tree that lies: the link will fail, and be named.
  if (file?.kind !== "file") return entry;
  instead.set(target!, entry.path);
  return { ...file, path: entry.path };
}

/** Faults of one file; the others are restored all the same. */
function isOfOneFile(error: unknown): error is DeltarError {
  if (isDamage(error)) return true;
  if (!(error instanceof DeltarError)) return false;
  if (error.code !== "io") return error.code === "mismatch";
  const { code } = (error.cause ?? {}) as { code?: string };
  return code !== undefined && OF_ONE_NAME.has(code);
}

/** What a system says of a name that it cannot take, or may not. */
const OF_ONE_NAME: ReadonlySet<string> = new Set([
  "EACCES",
  "EILSEQ",
  "EINVAL",
  "ELOOP",
  "ENAMETOOLONG",
  "EPERM",
]);

function tally(result: RestoreResult, entry: TreeEntry): void {
  if (entry.kind === "file") result.files++;
  else if (entry.kind === "directory") result.directories++;
  else result.links++;
  result.bytes += entry.size;
}
