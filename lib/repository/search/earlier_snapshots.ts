import type { DamageHandler } from "../../bytes/errors.ts";
import { idOfObject, isSafety, timeOfId } from "../format/names.ts";
import {
  isOfMachine,
  type LayerRecord,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";
import { readAll, type Store } from "../store/store.ts";
import type { HistoryOptions } from "./history.ts";

/** The maximum number of cached records. */
const MAX_KEPT_RECORDS = 64;

/**
 * The snapshots of a directory that one machine took before a given snapshot.
 * A record is read only when it is needed. Snapshots that are not trusted are
 * ignored.
 */
export class EarlierSnapshots {
  readonly #store: Store;
  readonly #machine: string | undefined;
  readonly #onDamage: DamageHandler | undefined;
  readonly #former: readonly string[];
  readonly #ids: readonly string[];
  readonly #known: ReadonlySet<string>;
  readonly #recent = new Map<string, Promise<SnapshotRecord | undefined>>();

  private constructor(
    store: Store,
    machine: string | undefined,
    { onDamage, former = [] }: HistoryOptions,
    ids: readonly string[],
  ) {
    this.#store = store;
    this.#machine = machine;
    this.#onDamage = onDamage;
    this.#former = former;
    this.#ids = ids;
    this.#known = new Set(ids);
  }

  /**
   * Finds the snapshots before `last`, except safety snapshots. This method
   * lists only their ids. A record is read when it is needed.
   *
   * @param store The repository.
   * @param last A snapshot of the directory.
   * @param options The former paths of the directory, and the callback for
   * records that cannot be read.
   */
  static async of(
    store: Store,
    last: SnapshotRecord,
    options: HistoryOptions,
  ): Promise<EarlierSnapshots> {
    const ids = (await store.ids()).filter((id) =>
      id < last.id && !isSafety(id) && timeOfId(id) !== undefined
    );
    return new EarlierSnapshots(store, last.machine?.id, options, ids);
  }

  /**
   * Returns the last snapshot of the directory before a given snapshot of it;
   * `undefined` if there is none. If the directory was moved, a snapshot of a
   * former path can be returned.
   */
  async before(record: SnapshotRecord): Promise<SnapshotRecord | undefined> {
    return await this.#before(record.id, record, () => Promise.resolve(record));
  }

  /**
   * Returns the last snapshot of the directory before the first snapshot that
   * has a given layer; `undefined` if there is none. As in `before`, this can
   * be a snapshot of a former path.
   *
   * @param layer The layer.
   * @param record A snapshot of the directory that has the layer.
   */
  async beforeLayer(
    layer: LayerRecord,
    record: SnapshotRecord,
  ): Promise<SnapshotRecord | undefined> {
    const start = idOfObject(layer.name) ?? record.id;
    return await this.#before(
      start < record.id ? start : record.id,
      record,
      () => this.firstWithLayer(layer, record),
    );
  }

  /**
   * Returns the snapshot of a run or, if the run has none, the first later
   * snapshot of the directory. Also starts to read the record that `beforeRun`
   * needs first.
   *
   * @param id The id of the run.
   * @param record A snapshot of the directory that is later than the run.
   */
  async firstSince(
    id: string,
    record: SnapshotRecord,
  ): Promise<SnapshotRecord> {
    const start = this.#firstFrom(id);
    // If the read fails, the error is thrown when the record is needed.
    if (start > 0) this.#get(this.#ids[start - 1]).catch(() => {});
    for (let at = start; at < this.#ids.length; at++) {
      if (this.#ids[at] >= record.id) break;
      const found = this.#ids[at] === id
        ? await this.#get(id)
        : await this.#meant(this.#ids[at], record);
      if (found !== undefined) return found;
    }
    return record;
  }

  /**
   * Returns the last snapshot of the directory before a run; `undefined` if
   * there is none. As in `before`, this can be a snapshot of a former path.
   *
   * @param id The id of the run.
   * @param first The result of `firstSince`.
   */
  async beforeRun(
    id: string,
    first: SnapshotRecord,
  ): Promise<SnapshotRecord | undefined> {
    return await this.#before(id, first, () => Promise.resolve(first));
  }

  /**
   * Returns the last snapshot of a directory before an id; `undefined` if there
   * is none.
   *
   * @param id The id of a snapshot or of another run.
   * @param like A snapshot of the directory.
   * @param first Returns the first snapshot of the directory that is not before
   * the id. Called if the snapshot directly before the id is ignored, for
   * example because it is of another directory. If the parent of the returned
   * snapshot can be read, `#before` returns this parent.
   */
  async #before(
    id: string,
    like: SnapshotRecord,
    first: () => Promise<SnapshotRecord>,
  ): Promise<SnapshotRecord | undefined> {
    const last = this.#firstFrom(id) - 1;
    if (last < 0) return undefined;
    const nearest = await this.#meant(this.#ids[last], like);
    if (nearest !== undefined) return nearest;
    const earliest = await first();
    const { follows, repairs, parent = follows } = earliest;
    if (parent !== undefined) {
      if (parent < earliest.id && this.#known.has(parent)) {
        const found = await this.#get(parent);
        if (found !== undefined) return found;
      }
      // A snapshot that a repair or a purge made might not name its parent. Any
      // other snapshot that names no earlier one is the first of its directory.
    } else if (repairs === undefined && this.#former.length === 0) {
      return undefined;
    }
    for (let at = last - 1; at >= 0; at--) {
      const found = await this.#meant(this.#ids[at], earliest);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Returns the first snapshot that `withLayer` yields. */
  async firstWithLayer(
    layer: LayerRecord,
    record: SnapshotRecord,
  ): Promise<SnapshotRecord> {
    for await (const found of this.withLayer(layer, record)) return found;
    return record;
  }

  /**
   * Yields the snapshots that have a given layer, oldest first. The last one is
   * `record`, which must have the layer.
   */
  async *withLayer(
    layer: LayerRecord,
    record: SnapshotRecord,
  ): AsyncGenerator<SnapshotRecord> {
    // A snapshot before the run that wrote the layer cannot have the layer.
    const start = idOfObject(layer.name) ?? record.id;
    for (let at = this.#firstFrom(start); at < this.#ids.length; at++) {
      if (this.#ids[at] >= record.id) break;
      const found = await this.#get(this.#ids[at]);
      if (found?.layers.some(({ name }) => name === layer.name)) yield found;
    }
    yield record;
  }

  /**
   * Returns the record that `#get` returns; `undefined` if it is neither of the
   * directory nor of one of its former paths.
   */
  async #meant(
    id: string,
    { directory }: SnapshotRecord,
  ): Promise<SnapshotRecord | undefined> {
    const found = await this.#get(id);
    if (found === undefined) return undefined;
    return found.directory === directory ||
        this.#former.includes(found.directory)
      ? found
      : undefined;
  }

  /** Returns the position of the first id that is not before the given id. */
  #firstFrom(id: string): number {
    let low = -1;
    let high = this.#ids.length;
    while (high - low > 1) {
      const middle = low + high >>> 1;
      if (this.#ids[middle] < id) low = middle;
      else high = middle;
    }
    return high;
  }

  /**
   * Returns a record, which is read unless it is cached. Returns `undefined` if
   * the snapshot was removed, is not trusted or is of another machine, if the
   * key of this machine cannot decrypt the record, or if the record is damaged
   * and `onDamage` was called.
   */
  #get(id: string): Promise<SnapshotRecord | undefined> {
    const known = this.#recent.get(id);
    if (known !== undefined) return known;
    const record = this.#read(id);
    this.#recent.set(id, record);
    if (this.#recent.size > MAX_KEPT_RECORDS) {
      const [oldest] = this.#recent.keys();
      this.#recent.delete(oldest);
    }
    return record;
  }

  async #read(id: string): Promise<SnapshotRecord | undefined> {
    const reads = readAll(this.#store.storage, [id], {
      onDamage: this.#onDamage,
    });
    const [read] = await Array.fromAsync(reads);
    const isMeant = read !== undefined &&
      isOfMachine(read.record, this.#machine) &&
      await this.#store.mayFind(read.record);
    return isMeant ? read.record : undefined;
  }
}
