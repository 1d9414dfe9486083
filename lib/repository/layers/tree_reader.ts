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
} from "../format/snapshot_record.ts";
import { Tree } from "./tree.ts";
import type { LayerLine, LayerPart, TreeEntry } from "./tree_layer.ts";

/** Options for looking up paths. */
export interface FinderOptions {
  /**
   * Whether to keep the results in memory, for callers that look up the same
   * paths more than once. Default: `false`.
   */
  remember?: boolean;
}

/**
 * A finder of paths in a snapshot's tree. Look-ups in path order are fastest,
 * because the frames of each layer that were read last are cached.
 */
export class TreeFinder {
  readonly #layers: LayerReader[];
  readonly #found: Map<string, TreeEntry | undefined> | undefined;

  /**
   * Creates a finder without reading anything.
   *
   * @param storage The repository's storage.
   * @param layers The layers of the tree, starting with the full layer.
   * @param options Whether to keep the results in memory.
   * @throws {DeltarError} `corrupt` if the path filter of a layer is invalid.
   */
  constructor(
    storage: Storage,
    layers: readonly LayerRecord[],
    { remember = false }: FinderOptions = {},
  ) {
    this.#layers = layers.map((layer) => new LayerReader(storage, layer))
      .reverse();
    this.#found = remember ? new Map() : undefined;
  }

  /**
   * Returns the entry of a path, or `undefined` if the tree has none. The
   * layers are searched from the last to the first until one has a line for the
   * path. At most one frame of each layer is read.
   *
   * @param path The path of the entry.
   * @param signal The signal that ends the work with an error of code
   *   `aborted`.
   * @throws {DeltarError} `unsafe` if `path` is not a path inside a tree; also
   * the errors of `LayerReader.find`.
   */
  async find(
    path: string,
    signal?: AbortSignal,
  ): Promise<TreeEntry | undefined> {
    checkPath(path);
    if (this.#found?.has(path)) return this.#found.get(path);
    const entry = await this.#search(path, signal);
    this.#found?.set(path, entry);
    return entry;
  }

  async #search(
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<TreeEntry | undefined> {
    for (const layer of this.#layers) {
      const line = await layer.find(path, signal);
      if (line !== undefined) return isEntry(line) ? line : undefined;
    }
    return undefined;
  }

  /**
   * Returns whether a path can be looked up in every layer without reading
   * another frame.
   */
  knows(path: string): boolean {
    return this.#layers.every((layer) => layer.knows(path));
  }
}

/**
 * Yields the entries of a snapshot's tree in path order, in batches. At most
 * two decoded frames and two groups of stored frames of each layer are in
 * memory at a time.
 *
 * @param storage The repository's storage.
 * @param layers The layers of the tree, starting with the full layer.
 * @param options `within` is a file or folder. Only its own entry and the
 * entries inside it are yielded. With `isShallow`, only the entries directly in
 * the folder are yielded. `signal` aborts the work.
 * @throws {DeltarError} `corrupt` if the path filter of a layer is invalid;
 * also the errors of `LayerReader.parts`.
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

/** Reads the whole tree of a snapshot into memory. */
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
 * Reads a part of a snapshot's tree into memory: the given paths, everything in
 * them, and the files that hard links in this part refer to. A folder above one
 * of the paths is included only if no additional frame must be read for it,
 * because its mode and time are not worth another request. The paths that the
 * snapshot skipped or excluded and the volumes that the layers name are not
 * included.
 *
 * @param storage The repository's storage.
 * @param record The record of the snapshot.
 * @param paths The paths. A folder includes everything in it.
 * @param signal The signal that ends the work with an error of code `aborted`.
 * @throws {DeltarError} `unsafe` if a path is not a path inside a tree; also
 * the errors of `streamEntries`.
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
    if (kind === "hardlink") await add(target);
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

/** Returns whether a line of a layer is an entry, not a tombstone. */
export function isEntry(line: LayerLine): line is TreeEntry {
  return line.kind !== "gone";
}

/**
 * Yields the lines of a layer, part by part. Calls `onPart` with each part.
 *
 * @param parts The parts of a layer.
 * @param onPart Called with each part before its lines are yielded.
 */
export async function* linesOf(
  parts: AsyncIterable<LayerPart>,
  onPart: (part: LayerPart) => void = () => {},
): AsyncGenerator<LayerLine[]> {
  for await (const part of parts) {
    onPart(part);
    yield part.lines;
  }
}
