import { checkAborted } from "../../bytes/abort.ts";
import { outcomeOf } from "../../bytes/outcome.ts";
import { mapAhead } from "../../bytes/map_ahead.ts";
import { collectAtMost } from "../../bytes/source.ts";
import { existing } from "../../bytes/existing.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import { MemoryStorage } from "../../storage/memory.ts";
import type { Storage } from "../../storage/storage.ts";
import { groupLines, type NumberedLine } from "../layers/group_lines.ts";
import { MAX_AHEAD_BYTES } from "../layers/layer_limits.ts";
import { LayerReader } from "../layers/layer_reader.ts";
import { isEntry } from "../layers/tree_reader.ts";
import type {
  LayerRecord,
  ObjectRecord,
  SnapshotRecord,
} from "../format/snapshot_record.ts";
import type { LayerLine, TreeEntry } from "../layers/tree_layer.ts";

/** A text that identifies a layer. */
export type LayerKey = string;

/**
 * Returns a text that identifies a layer. The text includes the checksum of the
 * layer, because a forged record could name the layer with a different
 * checksum.
 */
export function layerKey({ name, sha256 }: LayerRecord): LayerKey {
  return `${sha256} ${name}`;
}

/**
 * Groups snapshots by the first layer of their trees. Within each group, the
 * snapshots keep their order.
 */
export function familiesOf(
  records: readonly SnapshotRecord[],
): SnapshotRecord[][] {
  const families = new Map<LayerKey, SnapshotRecord[]>();
  for (const record of records) {
    const key = layerKey(record.layers[0]);
    const family = families.get(key);
    if (family === undefined) families.set(key, [record]);
    else family.push(record);
  }
  return [...families.values()];
}

/**
 * An entry that is visible in at least one tree of a family: in this tree, no
 * layer above the entry's layer has a line for the entry's path.
 */
export interface VisibleEntry {
  /** The entry. */
  entry: TreeEntry;
  /** The record of the layer that contains the entry. */
  layer: LayerRecord;
  /** The index of the layer in the list of the family's layers. */
  number: number;
  /**
   * The numbers of the family's readable layers that have a line for the path.
   */
  lines: readonly number[];
}

/** A layer of a family. */
interface FamilyLayer {
  record: LayerRecord;
  /**
   * A list that contains only the number of this layer. Entries whose path is
   * in no other layer share this list, which saves memory.
   */
  alone: readonly number[];
  /** The snapshots that have the layer. */
  owners: SnapshotRecord[];
  /** The storage from which the layer is read. */
  storage: Storage;
  /** Whether the layer could not be read. */
  isLost: boolean;
}

/** One of the snapshots whose trees contain a given layer. */
interface LayerUser {
  snapshot: SnapshotRecord;
  /** The numbers of the layers above the given layer in the snapshot's tree. */
  above: readonly number[];
}

/** Options for reading the layers of families. */
export interface FamilyOptions {
  /**
   * Called for each layer that cannot be read, with the error, the record of
   * the layer, and the snapshots that have the layer.
   */
  onFailure: (
    error: unknown,
    layer: LayerRecord,
    harmed: SnapshotRecord[],
  ) => void;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * A family: all snapshots whose trees have the same first layer. A pass over
 * the family reads each layer once and visits each entry once, even if several
 * snapshots share the layer. The lines of all layers are merged in path order
 * while they are read, so no entry stays in memory.
 */
export class Family {
  /** All snapshots of the family, in the order in which `of` received them. */
  readonly all: readonly SnapshotRecord[];
  /**
   * The snapshots in `all`, in the same order, except those with a layer that
   * could not be read.
   */
  snapshots: readonly SnapshotRecord[];
  readonly #layers: readonly FamilyLayer[];
  readonly #options: FamilyOptions;
  /** The number of each layer, by the layer's key. */
  readonly #numbers = new Map<LayerKey, number>();
  /**
   * For each layer, in the order of the layers' numbers, the snapshots in
   * `snapshots` that have the layer.
   */
  #users: readonly LayerUser[][] = [];
  #objects = new Map<string, ObjectRecord>();

  private constructor(
    all: readonly SnapshotRecord[],
    layers: readonly FamilyLayer[],
    options: FamilyOptions,
  ) {
    this.all = all;
    this.snapshots = all;
    this.#layers = layers;
    this.#options = options;
    for (const [number, { record }] of layers.entries()) {
      this.#numbers.set(layerKey(record), number);
    }
    this.#findUsers();
  }

  /**
   * Groups snapshots into families, and yields each family. Small layers are
   * read in advance. Their stored bytes stay in memory for all passes over the
   * family.
   *
   * @param storage The repository's storage.
   * @param records The records of the snapshots.
   * @param options A callback for layers that cannot be read, and a signal.
   */
  static async *of(
    storage: Storage,
    records: readonly SnapshotRecord[],
    options: FamilyOptions,
  ): AsyncGenerator<Family> {
    const families = familiesOf(records)
      .map((snapshots) => ({
        snapshots,
        layers: layersOf(snapshots, storage),
      }));
    const limits = { most: MAX_REQUESTS_AT_ONCE };
    const ahead = mapAhead(
      families.flatMap(({ layers }) => layers),
      limits,
      ({ record }) => readAhead(storage, record, options.signal),
    );
    try {
      for (const { snapshots, layers } of families) {
        for (const layer of layers) {
          layer.storage = (await ahead.next()).value ?? storage;
        }
        yield new Family(snapshots, layers, options);
      }
    } finally {
      await ahead.return(undefined);
    }
  }

  /**
   * The volumes that the family's layers refer to, by name. Empty until a pass
   * over the family has ended.
   */
  get objects(): ReadonlyMap<string, ObjectRecord> {
    return this.#objects;
  }

  /**
   * Makes a pass over all entries that are visible in at least one of the
   * snapshots. If a layer cannot be read, the snapshots that have the layer are
   * removed from `snapshots`, and the pass begins again without the layer.
   *
   * @param visit Called with the entries at the beginning of each attempt. The
   * entries are in path order. Entries of the same path are in the order of
   * their layers. The result of an attempt must not depend on earlier attempts.
   * @returns The result of the last attempt.
   * @throws {DeltarError} `aborted` if the signal ends the work; also the
   * errors of `visit` and `onFailure`.
   */
  async pass<Result>(
    visit: (entries: AsyncIterable<VisibleEntry[]>) => Promise<Result>,
  ): Promise<Result> {
    while (true) {
      try {
        return await visit(this.#entries());
      } catch (error) {
        if (!(error instanceof UnreadableLayer)) throw error;
        await this.#lose(error);
      }
    }
  }

  /** Returns those of `snapshots` in which an entry is visible. */
  having(visible: VisibleEntry): SnapshotRecord[] {
    return [...this.#having(visible)];
  }

  /**
   * Returns the snapshot in which an entry is visible, if there is exactly one
   * in `snapshots`; otherwise `undefined`.
   */
  onlyOneHaving(visible: VisibleEntry): SnapshotRecord | undefined {
    const [first, second] = this.#having(visible);
    return second === undefined ? first : undefined;
  }

  *#having({ number, lines }: VisibleEntry): Generator<SnapshotRecord> {
    for (const { snapshot, above } of this.#users[number]) {
      if (!above.some((other) => lines.includes(other))) yield snapshot;
    }
  }

  async *#entries(): AsyncGenerator<VisibleEntry[]> {
    const objects = new Map<string, { object: ObjectRecord; number: number }>();
    const add = (object: ObjectRecord, number: number) => {
      const known = objects.get(object.name);
      // Several layers can name the same object, with different sizes or
      // checksums if a layer was forged. The reference in the layer with the
      // highest number is kept, so that the result does not depend on the order
      // in which the layers are read.
      if (known === undefined || known.number <= number) {
        objects.set(object.name, { object, number });
      }
    };
    const numbers = [...this.#layers.keys()]
      .filter((number) => !this.#layers[number].isLost);
    const groups = groupLines(
      numbers.map((number) => this.#lines(number, add)),
    );
    const visibility = new Visibility(
      this.snapshots.map(({ layers }) => this.#numbersOf(layers)),
    );
    for await (const batch of groups) {
      const entries: VisibleEntry[] = [];
      for (const group of batch) {
        this.#addVisible(entries, group, numbers, visibility);
      }
      yield entries;
    }
    this.#objects = new Map(
      [...objects].map(([name, { object }]) => [name, object]),
    );
  }

  /**
   * Adds to `entries` the entries of a group of lines that are visible in at
   * least one of the snapshots.
   */
  #addVisible(
    entries: VisibleEntry[],
    group: readonly NumberedLine[],
    numbers: readonly number[],
    visibility: Visibility,
  ): void {
    const lines = group.length === 1
      ? this.#layers[numbers[group[0].layer]].alone
      : group.map(({ layer }) => numbers[layer]);
    const shown = group.length === 1 ? undefined : visibility.visible(lines);
    for (const [at, { line }] of group.entries()) {
      const number = lines[at];
      const isVisible = shown === undefined
        ? this.#users[number].length > 0
        : shown.has(number);
      if (!isVisible || !isEntry(line)) continue;
      const { record } = this.#layers[number];
      entries.push({ entry: line, layer: record, number, lines });
    }
  }

  /**
   * Yields the lines of a layer in batches. Calls `onObject` with each object
   * that the layer names, and with the number of the layer.
   */
  async *#lines(
    number: number,
    onObject: (object: ObjectRecord, number: number) => void = () => {},
  ): AsyncGenerator<LayerLine[]> {
    const { signal } = this.#options;
    const { storage, record } = this.#layers[number];
    try {
      for await (
        const part of new LayerReader(storage, record).parts({ signal })
      ) {
        for (const object of part.objects) onObject(object, number);
        yield part.lines;
      }
    } catch (error) {
      checkAborted(signal);
      throw new UnreadableLayer(number, error);
    }
  }

  /**
   * Finds all layers that cannot be read, and calls `onFailure` for each of
   * them. Removes the snapshots that have these layers from `snapshots`.
   *
   * @param first The error of a layer that was already found to be unreadable.
   */
  async #lose(first: UnreadableLayer): Promise<void> {
    const numbers = [...this.#layers.keys()]
      .filter((number) => !this.#layers[number].isLost);
    const results = mapAhead(
      numbers,
      { most: MAX_REQUESTS_AT_ONCE },
      async (number) =>
        number === first.number
          ? first
          : (await outcomeOf(readToEnd(this.#lines(number)))).error,
    );
    const lost = new Set<SnapshotRecord>();
    for await (const error of results) {
      if (error === undefined) continue;
      if (!(error instanceof UnreadableLayer)) throw error;
      const layer = this.#layers[error.number];
      layer.isLost = true;
      for (const owner of layer.owners) lost.add(owner);
      this.#options.onFailure(error.cause, layer.record, layer.owners);
    }
    this.snapshots = this.snapshots.filter((one) => !lost.has(one));
    this.#findUsers();
  }

  #findUsers(): void {
    const users: LayerUser[][] = this.#layers.map(() => []);
    for (const snapshot of this.snapshots) {
      const numbers = this.#numbersOf(snapshot.layers);
      for (const [at, number] of numbers.entries()) {
        users[number].push({ snapshot, above: numbers.slice(at + 1) });
      }
    }
    this.#users = users;
  }

  #numbersOf(layers: readonly LayerRecord[]): number[] {
    return layers.map((layer) => existing(this.#numbers, layerKey(layer)));
  }
}

/**
 * The layers of each snapshot. They determine which lines for a path are
 * visible.
 */
class Visibility {
  /** The numbers of the layers of each snapshot, upper layers first. */
  readonly #trees: readonly number[][];

  /**
   * Creates a `Visibility`.
   *
   * @param trees The numbers of the layers of each snapshot, lower layers
   * first.
   */
  constructor(trees: readonly number[][]) {
    this.#trees = trees.map((layers) => layers.toReversed());
  }

  /**
   * Returns the numbers of the layers whose line for a path is visible in at
   * least one of the snapshots.
   *
   * @param lines The numbers of all layers that have a line for the path.
   */
  visible(lines: readonly number[]): Set<number> {
    const having = new Set(lines);
    const shown = new Set<number>();
    for (const layers of this.#trees) {
      const number = layers.find((layer) => having.has(layer));
      if (number !== undefined) shown.add(number);
      if (shown.size === having.size) break;
    }
    return shown;
  }
}

/** An error that says which layer cannot be read. `cause` is the reason. */
class UnreadableLayer extends Error {
  /** The index of the layer in the list of the family's layers. */
  readonly number: number;

  constructor(number: number, cause: unknown) {
    super("a layer cannot be read", { cause });
    this.number = number;
  }
}

/**
 * Returns each layer of the snapshots once, with the snapshots that have it.
 */
function layersOf(
  snapshots: readonly SnapshotRecord[],
  storage: Storage,
): FamilyLayer[] {
  const layers = new Map<LayerKey, FamilyLayer>();
  for (const snapshot of snapshots) {
    for (const record of snapshot.layers) {
      const key = layerKey(record);
      const known = layers.get(key);
      if (known !== undefined) known.owners.push(snapshot);
      else {
        layers.set(key, {
          record,
          alone: [layers.size],
          owners: [snapshot],
          storage,
          isLost: false,
        });
      }
    }
  }
  return [...layers.values()];
}

/**
 * Returns a storage in memory that contains the frames of a small layer.
 * Returns `undefined` if the layer is large or cannot be read.
 */
async function readAhead(
  storage: Storage,
  { name, frames }: LayerRecord,
  signal: AbortSignal | undefined,
): Promise<MemoryStorage | undefined> {
  const length = frames.reduce((sum, frame) => sum + frame.length, 0);
  if (length > MAX_AHEAD_BYTES) return undefined;
  const { result } = await outcomeOf(
    collectAtMost(storage.get(name, { length, signal }), length, name),
  );
  if (result === undefined) return undefined;
  const memory = new MemoryStorage();
  memory.objects.set(name, result);
  return memory;
}

async function readToEnd(parts: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of parts);
}
