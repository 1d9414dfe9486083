import type { Storage } from "../../storage/storage.ts";
import {
  checkPath,
  comparePaths,
  isWithin,
  parentPath,
} from "../../tree/path.ts";
import { withJson } from "../../tree/to_json.ts";
import { LayerReader, type ReadLayerOptions } from "./layer_reader.ts";
import { mergeLayers } from "./merge_layers.ts";
import type {
  LayerRecord,
  ObjectRecord,
  SnapshotRecord,
} from "../snapshot_record.ts";
import { Tree } from "./tree.ts";
import type { LayerLine, LayerPart, TreeEntry } from "./tree_layer.ts";

/** Looks paths up in a snapshot's tree. */
export class TreeFinder {
  readonly #layers: LayerReader[];

  /**
   * Makes a finder; nothing is read yet.
   *
   * @param storage Where the layers lie.
   * @param layers The layers, the full one first.
   */
  constructor(storage: Storage, layers: readonly LayerRecord[]) {
    this.#layers = layers.map((layer) => new LayerReader(storage, layer))
      .reverse();
  }

  /**
   * The entry of a path. Of each layer that may say something of the path one
   * frame is read, the last layer first.
   *
   * @throws {DeltarError} `corrupt` and the like if a layer is not what was
   * stored; `unsafe` if the path is none.
   */
  async find(
    path: string,
    signal?: AbortSignal,
  ): Promise<TreeEntry | undefined> {
    checkPath(path);
    for (const layer of this.#layers) {
      const line = await layer.find(path, signal);
      if (line !== undefined) return isEntry(line) ? line : undefined;
    }
    return undefined;
  }

  /** Whether `find` needs to read nothing more for a path. */
  knows(path: string): boolean {
    return this.#layers.every((layer) => layer.knows(path));
  }
}

/**
 * The entries of a snapshot's tree in path order, some at a time, in memory of
 * two frames of each layer.
 *
 * @param storage Where the layers lie.
 * @param layers The layers, the full one first.
 * @param options What of the tree: with `within` only what is in that folder,
 * or that file; with `isShallow` nothing of that folder's own folders.
 * @throws {DeltarError} `corrupt` and the like if a layer is not what was
 * stored.
 */
export async function* streamEntries(
  storage: Storage,
  layers: readonly LayerRecord[],
  options: ReadLayerOptions = {},
): AsyncGenerator<TreeEntry[]> {
  const { within = "", isShallow = false } = options;
  const merged = mergeLayers(
    layers.map((layer) =>
      linesOf(new LayerReader(storage, layer).parts(options))
    ),
  );
  for await (const lines of merged) {
    const entries = lines.filter(isEntry);
    yield isShallow
      ? entries.filter(({ path }) => parentPath(path) === within)
      : within === ""
      ? entries
      : entries.filter(({ path }) => isWithin(path, within));
  }
}

/** A snapshot's whole tree in memory. */
export async function readTree(
  storage: Storage,
  record: SnapshotRecord,
): Promise<Tree> {
  const entries: TreeEntry[] = [];
  const objects = withJson(new Map<string, ObjectRecord>());
  const skipped: LayerPart["skipped"] = [];
  const merged = mergeLayers(record.layers.map((layer) => {
    const isLast = layer === record.layers.at(-1);
    return linesOf(new LayerReader(storage, layer).parts(), (part) => {
      for (const object of part.objects) objects.set(object.name, object);
      if (isLast) skipped.push(...part.skipped);
    });
  }));
  for await (const lines of merged) {
    for (const line of lines) if (isEntry(line)) entries.push(line);
  }
  return new Tree({
    entries,
    objects,
    skipped,
    layers: record.layers,
    root: record.root,
  });
}

/**
 * Of a snapshot's tree in memory some paths, with all that is in them, and the
 * files that hard links among them name. Of the folders above them those are
 * there for which nothing more had to be read: their modes and times are not
 * worth a request each. What the snapshot skipped is not there.
 *
 * @throws {DeltarError} `unsafe` if a path is none; as `streamEntries` does.
 */
export async function readPart(
  storage: Storage,
  record: SnapshotRecord,
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<Tree> {
  const finder = new TreeFinder(storage, record.layers);
  const chosen = new Map<string, TreeEntry>();
  const add = async (path: string) => {
    if (chosen.has(path)) return;
    const entry = await finder.find(path, signal);
    if (entry !== undefined) chosen.set(path, entry);
    return entry;
  };
  for (const path of paths) {
    const entry = await add(path);
    for (let at = parentPath(path); at !== ""; at = parentPath(at)) {
      if (finder.knows(at)) await add(at);
    }
    if (entry?.kind !== "directory") continue;
    const options = { within: path, signal };
    for await (const some of streamEntries(storage, record.layers, options)) {
      for (const entry of some) chosen.set(entry.path, entry);
    }
  }
  for (const { kind, target } of [...chosen.values()]) {
    if (kind === "hardlink") await add(target!);
  }
  return new Tree({
    entries: [...chosen.values()]
      .sort((one, other) => comparePaths(one.path, other.path)),
    objects: new Map(),
    skipped: [],
    layers: record.layers,
    root: record.root,
  });
}

/** Whether a line is an entry, and no tombstone. */
export function isEntry(line: LayerLine): line is TreeEntry {
  return line.kind !== "gone";
}

/** The lines of a layer's parts; `onPart` is told of the rest. */
export async function* linesOf(
  parts: AsyncIterable<LayerPart>,
  onPart: (part: LayerPart) => void = () => {},
): AsyncGenerator<LayerLine[]> {
  for await (const part of parts) {
    onPart(part);
    yield part.lines;
  }
}
