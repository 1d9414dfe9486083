import { DataPacker } from "../archive/data_packer.ts";
import { VolumeWriter } from "../archive/volume_writer.ts";
import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import { signBytes } from "../delta/sign.ts";
import { Signature } from "../delta/signature.ts";
import { DiffIndex, pathOf } from "../tree/diff_index.ts";
import { DirIndex, type IndexEntry } from "../tree/dir_index.ts";
import { isFault, type Metadata, type Skipped } from "../tree/entry.ts";
import type { IndexProgress } from "../tree/index_tree.ts";
import { WHOLE_LIMIT } from "../tree/read_file.ts";
import type { Walker } from "../tree/walker.ts";
import { ContentReader } from "./content.ts";
import { layerName, newId, recordName, volumeName } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { RepositoryReader } from "./repository_reader.ts";
import {
  encodeRecord,
  type ObjectRecord,
  type SnapshotCounts,
  type SnapshotRecord,
} from "./snapshot_record.ts";
import { StateCache } from "./state_cache.ts";
import { planLayer, Tree } from "./tree.ts";
import { encodeLayer, type StoredPiece, type TreeEntry } from "./tree_layer.ts";

/** How to take a snapshot. */
export interface SnapshotOptions {
  /** What the user calls it; a labelled one is taken even if nothing changed. */
  label?: string;
  /** The size that volumes do not exceed, in bytes. Default: 64 MiB. */
  volumeSize?: number;
  /**
   * Where this machine remembers what it saw, a folder of the operating
   * system. Without one every file is read every time.
   */
  cache?: string;
  /** Told of everything that is left out, as it happens. */
  onSkip?: (skipped: Skipped) => void;
  /** Told after each entry how far it is. */
  onProgress?: (progress: IndexProgress) => void;
  /** Ends the work with an error of code `aborted`; no snapshot appears. */
  signal?: AbortSignal;
}

/** What became of a snapshot. */
export interface SnapshotResult {
  /** The record of the snapshot, or of the last one if nothing changed. */
  record: SnapshotRecord;
  /** Whether a snapshot was made; without any change none is. */
  isNew: boolean;
  /** What changed since the parent. */
  diff: DiffIndex;
  /** What was left out, and why. */
  skipped: readonly Skipped[];
}

/** Deltas that a file's content may be made of; then it is stored whole. */
const MOST_DELTAS = 8;
/** Blocks of a small file whose old content is at hand, in bytes. */
const SMALL_BLOCK = 256;
const MEBIBYTE = 1 << 20;

/** Takes a snapshot of `dir` into a repository. */
export async function takeSnapshot(
  repository: Repository,
  dir: Walker,
  options: SnapshotOptions,
): Promise<SnapshotResult> {
  const { storage, codec } = repository;
  const started = Date.now();
  const last = await repository.parentFor(dir.path);
  const parent = last === undefined
    ? Tree.empty()
    : await repository.tree(last.record);
  // Ids sort by time, whatever the clock does.
  const now = Math.max(started, (last?.record.time ?? 0) + 1);
  const id = newId(now, Math.random());
  const write = (folder: "volumes" | "signatures") =>
    new VolumeWriter({
      storage,
      name: (n) => volumeName(folder, id, n, codec.name),
      codec,
      volumeSize: options.volumeSize ?? 64 * MEBIBYTE,
      signal: options.signal,
    });
  const volumes = write("volumes");
  const signatures = write("signatures");
  try {
    const packer = new DataPacker({
      writer: volumes,
      previous: parent.index,
      names: "path",
      signatureMinimum: WHOLE_LIMIT + 1,
      basis: basisFrom(parent, repository),
    });
    const cache = await StateCache.read(
      options.cache,
      repository.id,
      dir.path,
      last?.record.id,
      started,
    );
    const reader = new RepositoryReader(packer, signatures);
    const index = await DirIndex.of(dir, {
      previous: parent.index,
      unchanged: (entry) => cache.isUnchanged(entry),
      reader,
      onSkip: (skipped) => {
        cache.forget(skipped.path);
        options.onSkip?.(skipped);
      },
      onProgress: options.onProgress,
      signal: options.signal,
    });
    const diff = DiffIndex.compute(index, parent.index);
    const { skipped } = index;
    const isSame = diff.isEmpty && isSameRoot(index.root, parent.root);
    if (last !== undefined && isSame && options.label === undefined) {
      await Promise.all([volumes.abort(), signatures.abort()]);
      await cache.write(last.record.id);
      return { record: last.record, isNew: false, diff, skipped };
    }
    const objects = [...await volumes.close(), ...await signatures.close()];
    const tree = mergeTree(index, diff, parent, packer, reader);
    const { kept, paths } = planLayer(tree, diff.changes.map(pathOf), parent);
    const layer = {
      entries: paths.flatMap((path) => tree.get(path) ?? []),
      gone: kept.length === 0 ? [] : paths.filter((path) => !tree.has(path)),
      objects: neededObjects(tree, kept.length === 0, paths, [
        ...parent.objects.values(),
        ...objects,
      ]),
      skipped: [...skipped],
    };
    const packed = await codec.compress(encodeLayer(layer));
    const layerRecord = {
      name: layerName(id, codec.name),
      size: packed.length,
      sha256: toHex(sha256(packed)),
      entries: paths.length,
    };
    await storage.put(layerRecord.name, packed, { ifAbsent: true });
    const stored = objects.reduce((sum, { size }) => sum + size, packed.length);
    const record: SnapshotRecord = {
      id,
      time: now,
      duration: Date.now() - started,
      directory: dir.path,
      root: index.root,
      ...(options.label !== undefined && { label: options.label }),
      ...(last && { parent: last.record.id, parentSha256: last.sha256 }),
      layers: [...kept.map(({ record }) => record), layerRecord],
      counts: count(index, diff, stored),
    };
    const bytes = encodeRecord(record);
    await storage.put(recordName(id), bytes, { ifAbsent: true });
    await cache.write(id);
    return { record, isNew: true, diff, skipped };
  } catch (error) {
    await Promise.all([volumes.abort(error), signatures.abort(error)]);
    throw error;
  }
}

/** Whether a directory is as it was; its time says nothing that lasts. */
function isSameRoot(now: Metadata, before: Metadata | undefined): boolean {
  return now.mode === before?.mode && now.uid === before.uid &&
    now.gid === before.gid;
}

/**
 * What a changed file's delta is made against: the stored signature of a large
 * file; the old content itself of a small one, which costs no more than
 * reading it and allows for small blocks.
 */
function basisFrom(
  parent: Tree,
  repository: Repository,
): (before: IndexEntry) => Promise<Signature | undefined> | undefined {
  const reader = new ContentReader(repository.storage);
  return (before) => {
    const entry = parent.byPath.get(before.path);
    if (entry?.content === undefined || entry.size === 0) return undefined;
    if (entry.content.length > MOST_DELTAS) return undefined;
    return load(entry).catch((error) => {
      // What cannot be read can be no basis; the file is stored whole.
      if (error instanceof DeltarError && error.code !== "aborted") {
        return undefined;
      }
      throw error;
    });
  };

  async function load(entry: TreeEntry): Promise<Signature | undefined> {
    if (entry.signature !== undefined) {
      const bytes = await reader.readPiece(entry.signature, entry.path);
      const object = entry.signature.reference.volume;
      return Signature.decode(bytes, { object });
    }
    const content = await reader.read(entry);
    if (!(content instanceof Uint8Array)) return undefined;
    if (toHex(sha256(content)) !== entry.sha256) return undefined;
    return signBytes(content, { blockSize: SMALL_BLOCK });
  }
}

/** The new tree: what changed with its new content, the rest as it was. */
function mergeTree(
  index: DirIndex,
  diff: DiffIndex,
  parent: Tree,
  packer: DataPacker,
  reader: RepositoryReader,
): Map<string, TreeEntry> {
  const changes = new Map(
    diff.changes.map((change) => [pathOf(change), change]),
  );
  const tree = new Map<string, TreeEntry>();
  for (const { signature: _, ...entry } of index.entries) {
    const change = changes.get(entry.path);
    const before = parent.byPath.get(entry.path);
    if (change === undefined) tree.set(entry.path, before!);
    else if (entry.kind !== "file") tree.set(entry.path, entry);
    else {
      const from = "from" in change && change.from !== undefined
        ? parent.byPath.get(change.from)
        : before;
      tree.set(entry.path, {
        ...entry,
        ...contentFor(entry, from, before, packer, reader),
      });
    }
  }
  return tree;
}

function contentFor(
  entry: IndexEntry,
  from: TreeEntry | undefined,
  before: TreeEntry | undefined,
  packer: DataPacker,
  reader: RepositoryReader,
): Pick<TreeEntry, "content" | "signature"> {
  const stored = packer.stored.get(entry.path);
  const source = stored === undefined ? from : undefined;
  const content = stored === undefined
    ? from?.content?.map((piece) => underItsName(piece, from.path, entry.path))
    : stored.form === "whole"
    ? [stored]
    : [...before!.content!, stored];
  if (content === undefined) throw new TypeError(`${entry.path}: no content`);
  const signature = reader.signatures.get(entry.path) ??
    (source?.signature &&
      underItsName(source.signature, source.path, entry.path));
  return { content, ...(signature && { signature }) };
}

/** A piece that another file takes over keeps the path it was stored under. */
function underItsName(
  piece: StoredPiece,
  owner: string,
  path: string,
): StoredPiece {
  const { path: stored = owner, ...rest } = piece;
  return stored === path ? rest : { ...rest, path: stored };
}

/** The objects that a layer has to name. */
function neededObjects(
  tree: ReadonlyMap<string, TreeEntry>,
  isFull: boolean,
  paths: readonly string[],
  known: readonly ObjectRecord[],
): ObjectRecord[] {
  const needed = new Set<string>();
  for (const path of isFull ? tree.keys() : paths) {
    const entry = tree.get(path);
    for (const { reference } of entry?.content ?? []) {
      needed.add(reference.volume);
    }
    if (entry?.signature) needed.add(entry.signature.reference.volume);
  }
  return known.filter(({ name }) => needed.has(name));
}

function count(
  index: DirIndex,
  diff: DiffIndex,
  stored: number,
): SnapshotCounts {
  const kinds = { file: 0, directory: 0, symlink: 0, hardlink: 0 };
  let bytes = 0;
  for (const { kind, size } of index.entries) {
    kinds[kind]++;
    bytes += size;
  }
  return {
    files: kinds.file,
    directories: kinds.directory,
    links: kinds.symlink + kinds.hardlink,
    bytes,
    created: diff.created.length,
    updated: diff.updated.length,
    deleted: diff.deleted.length,
    renamed: diff.renamed.length,
    copied: diff.copied.length,
    touched: diff.touched.length,
    stored,
    faults: index.skipped.filter(isFault).length,
  };
}
