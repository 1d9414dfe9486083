import { checkAborted } from "../bytes/abort.ts";
import { DeltarError, isDamage } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { forEachConcurrent } from "../bytes/for_each_concurrent.ts";
import { createSha256, sha256 } from "../bytes/sha256.ts";
import { together } from "../bytes/together.ts";
import { turnIfDue } from "../bytes/turns.ts";
import type { SigningKey } from "../ssh/ed25519.ts";
import { MAX_REQUESTS_AT_ONCE } from "../storage/max_requests.ts";
import type { PutOptions, Storage } from "../storage/storage.ts";
import { untilAborted } from "../storage/until_aborted.ts";
import type { ContentReference } from "../archive/content_reference.ts";
import { MAX_MOVES, readMove, whereIs } from "./content/follow_moves.ts";
import { encodeMove, findMoved, type Move } from "./content/move.ts";
import {
  checkPart,
  idOfObject,
  isPart,
  moveName,
  MOVES,
  newId,
  recordName,
  SNAPSHOTS,
  TREES,
} from "./format/names.ts";
import { LayerReader } from "./layers/layer_reader.ts";
import { namesUnder, readIfThere, readObject } from "./format/note.ts";
import { readRecords } from "./prune/repository_state.ts";
import {
  decodeSigned,
  type ObjectRecord,
  type ReadRecord,
  type SnapshotRecord,
} from "./format/snapshot_record.ts";
import type { Store } from "./store/store.ts";
import { readIntents, Run } from "./runs/run.ts";
import {
  decodeSnapshotNote,
  encodeSnapshotNote,
  LABELS,
} from "./format/snapshot_note.ts";
import type { Tree } from "./layers/tree.ts";
import { readTree } from "./layers/tree_reader.ts";

/** Options for copying snapshots. */
export interface CopyOptions {
  /** Called after each copied layer or volume, with the progress so far. */
  onProgress?: (progress: CopyProgress) => void;
  /**
   * The signal that aborts the copy, which then fails with `aborted`. The next
   * copy continues where this one stopped.
   */
  signal?: AbortSignal;
}

/** The progress of a copy. */
export interface CopyProgress {
  /** The id of the snapshot that is being copied. */
  snapshot: string;
  /** The number of layers and volumes copied so far, for all snapshots. */
  objects: number;
  /** The total size of the layers and volumes copied so far, in bytes. */
  bytes: number;
  /**
   * The total size of the layers and volumes to copy, in bytes, including those
   * copied so far. Absent until the trees of all snapshots have been read.
   */
  allBytes?: number;
  /** The name of the layer or volume copied last. */
  name: string;
}

/** The result of a copy. */
export interface CopyResult {
  /** The ids of the copied snapshots, oldest first. */
  copied: string[];
  /** The ids of the snapshots that the target already had. */
  present: string[];
  /** The number of copied layers and volumes. */
  objects: number;
  /** The total size of the copied layers and volumes, in bytes. */
  bytes: number;
}

/** The maximum number of objects copied at the same time. */
const MAX_CONCURRENT_COPIES = 3;

/**
 * Copies snapshots from one repository to another, oldest first. A layer or
 * volume that is missing from the target, or has a different size there, is
 * copied and checked against its recorded SHA-256. The commit record is copied
 * last, byte for byte. If the source trusts the record and the target does not,
 * this machine vouches for the record with a note in the target
 * (`store/copied.ts`).
 *
 * @param from The source.
 * @param to The target.
 * @param records The snapshots.
 * @param options The callback for the progress, and the signal.
 * @throws {DeltarError} See `Repository.copyTo`.
 */
export async function copySnapshots(
  from: Store,
  to: Store,
  records: readonly SnapshotRecord[],
  options: CopyOptions,
): Promise<CopyResult> {
  const result: CopyResult = { copied: [], present: [], objects: 0, bytes: 0 };
  const { signal } = options;
  // Nothing in the source has to be cleaned up after an abort, so the signal
  // can end all operations on the source.
  const source = from.until(signal);
  const [here, there] = await Promise.all([
    sizesIn(source.storage),
    sizesIn(untilAborted(to.storage, signal), [MOVES]),
  ]);
  const moves = new Map<string, Move>();
  await using last = new LastRun([...there.keys()].map(idOfObject));
  const isOlder = (a: SnapshotRecord, b: SnapshotRecord) =>
    a.id < b.id ? -1 : 1;
  let allBytes: number | undefined;
  for (const [at, { id }] of records.toSorted(isOlder).entries()) {
    checkAborted(options.signal);
    const onNeeds = (size: number) => {
      if (at === records.length - 1) allBytes = result.bytes + size;
    };
    const onObject = ({ name, size }: ObjectRecord) => {
      const { bytes, objects } = result;
      result.objects = objects + 1;
      result.bytes = bytes + size;
      options.onProgress?.({
        snapshot: id,
        objects: result.objects,
        bytes: result.bytes,
        ...allBytes !== undefined && { allBytes },
        name,
      });
    };
    const isNew = await copySnapshot(source, to, id, { here, there, moves }, {
      last,
      onNeeds,
      onObject,
      signal,
    });
    (isNew ? result.copied : result.present).push(id);
  }
  return result;
}

/**
 * The run of the snapshot that was copied last. It ends only when the run of
 * the next snapshot has begun, so prunes of the target keep the objects that
 * both snapshots need.
 */
class LastRun {
  /**
   * The ids of the runs whose objects in the target are known: either the copy
   * stored an intent that names the run and then listed the target, or the copy
   * itself stored all objects of the run.
   */
  known: ReadonlySet<string> = new Set();
  /** The ids of the runs that have objects in the target. */
  readonly present: Set<string | undefined>;
  #run: Run | undefined;

  /**
   * Creates an instance without a run.
   *
   * @param present The ids in the names of the target's objects. `undefined`
   *   stands for a name without an id.
   */
  constructor(present: Iterable<string | undefined>) {
    this.present = new Set(present);
  }

  /** Begins another run, and then ends the previous run. */
  async next(run: Run): Promise<void> {
    const last = this.#run;
    this.#run = run;
    try {
      await run.begin();
    } finally {
      await last?.[Symbol.asyncDispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run?.[Symbol.asyncDispose]();
  }
}

/** Options for copying a snapshot. */
interface CopySnapshotOptions {
  /** The run of the snapshot that was copied before this one. */
  last: LastRun;
  /**
   * Called before objects are copied, with the total size in bytes of the
   * objects to copy. Not called if the target already has the snapshot.
   */
  onNeeds: (size: number) => void;
  /** Called with each object after it was copied. */
  onObject: (object: ObjectRecord) => void;
  /** The signal that ends the work. */
  signal: AbortSignal | undefined;
}

/**
 * Copies a snapshot. If the target already has the snapshot's record, copies
 * only the labels that were given to the snapshot after it was taken, and
 * vouches for the record.
 *
 * @returns Whether the record was missing from the target.
 */
async function copySnapshot(
  source: Store,
  to: Store,
  id: string,
  { here, there, moves }: {
    here: Map<string, number>;
    there: Map<string, number>;
    moves: Map<string, Move>;
  },
  { last, onNeeds, onObject, signal }: CopySnapshotOptions,
): Promise<boolean> {
  const from = source.storage;
  const name = recordName(id);
  const bytes = await readObject(from, name, { fresh: true });
  const read = await decodeSigned(id, bytes);
  const old = there.has(name) ? await readIfThere(to.storage, name) : undefined;
  if (old !== undefined) {
    if (toHex(sha256(old)) === read.sha256) {
      await copyLabels(source, to.storage, read.record, to.keys?.noteKey);
      await vouch(source, to, to.storage, read);
      return false;
    }
    throw new DeltarError(
      "mismatch",
      "the target has a different snapshot with this id; copy into another repository",
      { object: `${to.storage.location}/${name}` },
    );
  }
  // A prune may have deleted the record after the target was listed.
  there.delete(name);
  const { objects, moved, relied, ids } = await needs(
    { storage: from, sizes: here },
    { storage: to.storage, sizes: there, moves },
    read.record,
  );
  onNeeds(
    objects.filter(({ name, size }) => there.get(name) !== size)
      .reduce((sum, { size }) => sum + size, 0),
  );
  // `reuses` has the ids of the runs that stored the snapshot's objects. Until
  // this run ends, a prune of the target keeps the objects and moves of these
  // runs.
  const run = new Run(to, {
    id: newId(Date.now(), Math.random()),
    reuses: ids,
    acceptsMoves: true,
  });
  await last.next(run);
  const isKnown = (id: string) => last.known.has(id) || !last.present.has(id);
  const unknown = [...relied].filter((name) =>
    !last.known.has(idOfObject(name) ?? "")
  );
  if (unknown.length > 0) {
    const now = await sizesIn(untilAborted(to.storage, signal), [MOVES]);
    checkRelied(to.storage, unknown, { before: there, now });
    there.clear();
    for (const [name, size] of now) there.set(name, size);
  }
  last.known = new Set(unknown.length > 0 ? ids : ids.filter(isKnown));
  for (const id of ids) last.present.add(id);
  for (const volume of moved) {
    // A copied move causes the next prune of the target to delete the old
    // volume. The copy therefore fails if the target has the old volume.
    if (there.has(volume)) throw isOther(to.storage, volume);
    await checkMove(from, to.storage, volume);
  }
  const replaced = objects.filter(({ name, size }) =>
    there.has(name) && there.get(name) !== size
  );
  if (replaced.length > 0) await checkReplaced(to, run.id, replaced);
  await forEachConcurrent(objects, MAX_CONCURRENT_COPIES, async (object) => {
    if (there.get(object.name) === object.size) return;
    const ifAbsent = !there.has(object.name);
    await copyObject(from, run.storage, object, { ifAbsent, signal });
    there.set(object.name, object.size);
    onObject(object);
  });
  for (const volume of moved) {
    await copyMove(from, run.storage, volume);
    there.set(moveName(volume), 0);
  }
  await copyLabels(source, run.storage, read.record, to.keys?.noteKey);
  await vouch(source, to, run.storage, read);
  await run.commitAs(name, bytes, { signal }).catch(unlessExists);
  there.set(name, bytes.length);
  return true;
}

/**
 * Checks that each object of the target may be replaced by the source's object
 * of the same name and a different size. An object of the target may be
 * replaced in two cases:
 *
 * - The target's records and layers name the size and SHA-256 of the source's
 *   object. The target's object has a different size, so it is damaged.
 * - No record, layer or other run of the target needs the object.
 *
 * A malicious source therefore cannot replace an undamaged object that the
 * target needs.
 *
 * @param store The target.
 * @param copying The id of the run that makes this copy.
 * @param objects The objects whose size in the target differs from their size
 *   in the source.
 * @throws {DeltarError} `mismatch` if an object may not be replaced; the error
 * of a record or layer of the target that cannot be read.
 */
async function checkReplaced(
  store: Store,
  copying: string,
  objects: readonly ObjectRecord[],
): Promise<void> {
  const { storage } = store;
  const wanted = new Map(objects.map((object) => [object.name, object]));
  const compare = ({ name, size, sha256 }: ObjectRecord) => {
    const other = wanted.get(name);
    if (other === undefined) return;
    if (other.size !== size || other.sha256 !== sha256) {
      throw isOther(storage, name);
    }
  };
  const { records, removed } = await readRecords(store);
  for (const { record } of removed) {
    if (record !== undefined) records.push(record);
  }
  const seen = new Set<string>();
  for (const layer of records.flatMap(({ layers }) => layers)) {
    compare(layer);
    // A layer that will be replaced is damaged, so it is not read.
    if (seen.has(layer.sha256) || wanted.has(layer.name)) continue;
    seen.add(layer.sha256);
    for await (const part of new LayerReader(storage, layer).parts()) {
      part.objects.forEach(compare);
    }
  }
  for (const { id, reuses } of await readIntents(storage)) {
    if (id === copying) continue;
    for (const name of wanted.keys()) {
      if ([id, ...reuses].includes(idOfObject(name) ?? "")) {
        throw isOther(storage, name);
      }
    }
  }
}

function isOther({ location }: Storage, name: string): DeltarError {
  return new DeltarError(
    "mismatch",
    "the target has a different object with this name; copy into another repository",
    { object: `${location}/${name}` },
  );
}

/**
 * Checks that no prune has deleted or repacked an object of the target on which
 * a copy relies. A prune that starts after the intent of the copy was stored
 * keeps these objects.
 *
 * @param storage The storage of the target.
 * @param relied The names of the objects.
 * @param sizes The sizes of the target's objects in bytes, by name. `before`
 * has the sizes before the intent was stored, and `now` has the current sizes.
 * @throws {DeltarError} `conflict` if an object was deleted or repacked.
 */
function checkRelied(
  { location }: Storage,
  relied: readonly string[],
  { before, now }: Record<"before" | "now", ReadonlyMap<string, number>>,
): void {
  for (const name of relied) {
    const move = moveName(name);
    if (now.has(name) && now.has(move) === before.has(move)) continue;
    throw new DeltarError(
      "conflict",
      "a prune of the target deleted or repacked this object during the copy; " +
        "copy again",
      { object: `${location}/${name}` },
    );
  }
}

/**
 * Returns the sizes in bytes of all records, layers and volumes, by name.
 *
 * @param others Further folders to list.
 */
async function sizesIn(
  storage: Storage,
  others: readonly string[] = [],
): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  const folders = [SNAPSHOTS, TREES, "volumes/", "signatures/", ...others];
  await together(folders.map(async (folder) => {
    for await (const { name, size } of storage.list(folder)) {
      sizes.set(name, size);
    }
  }));
  return sizes;
}

/**
 * The source or target of a copy: the storage, and the sizes of its objects in
 * bytes, by name.
 */
interface Side {
  storage: Storage;
  sizes: ReadonlyMap<string, number>;
}

/**
 * The target of a copy. `moves` has the moves that have been read, by the names
 * of the old volumes.
 */
interface Target extends Side {
  moves: Map<string, Move>;
}

/** The objects that a snapshot needs in the target. */
interface Needs {
  /**
   * The layers and volumes. In place of a repacked volume, the list has the
   * volume that replaced it.
   */
  objects: ObjectRecord[];
  /** The names of the repacked volumes whose moves must be copied. */
  moved: string[];
  /**
   * The names of the layers, volumes and moves that the snapshot needs and the
   * target already has.
   */
  relied: Set<string>;
  /** The ids of the runs that stored the objects and the repacked volumes. */
  ids: string[];
}

/**
 * Returns the objects that a snapshot needs in the target. A prune of either
 * side may have repacked volumes.
 *
 * @param from The source.
 * @param to The target.
 * @param record The snapshot.
 */
async function needs(
  from: Side,
  to: Target,
  record: SnapshotRecord,
): Promise<Needs> {
  const tree = await readTree(from.storage, record);
  // The copy stores objects under names that come from another repository. It
  // checks these names itself, and does not rely on the checks in `readTree`.
  const check = (kind: "layer" | "volume", name: string) =>
    checkPart(kind, name, recordName(record.id));
  const objects = new Map<string, ObjectRecord>();
  const moved: string[] = [];
  const relied = new Set<string>();
  const isThere = (name: string, size: number) => to.sizes.get(name) === size;
  for (const layer of record.layers) {
    check("layer", layer.name);
    objects.set(layer.name, layer);
  }
  const volumes = await neededRanges(
    tree,
    (name) => !to.sizes.has(name) && to.sizes.has(moveName(name)),
  );
  await readMoves(to, volumes.keys());
  for (const [volume, ranges] of volumes) {
    const object = tree.objects.get(volume);
    if (object === undefined) {
      throw new DeltarError(
        "corrupt",
        `no layer lists the volume ${volume}, which the snapshot needs; ` +
          "run `deltar verify`",
        {
          object: record.id,
        },
      );
    }
    check("volume", object.name);
    if (isThere(object.name, object.size)) {
      objects.set(object.name, object);
      continue;
    }
    const kept = findKept(to, object, ranges);
    const onTheWay = (name: string, size: number) => {
      if (from.sizes.has(name) || isThere(name, size)) return true;
      moved.push(name);
      return false;
    };
    const place = kept?.at(-1) ??
      await whereIs(from.storage, object, onTheWay);
    check("volume", place.name);
    objects.set(place.name, place);
    for (const { name } of kept?.slice(1, -1) ?? []) relied.add(moveName(name));
    if (kept !== undefined) relied.add(moveName(volume));
  }
  for (const { name, size } of objects.values()) {
    if (isThere(name, size)) relied.add(name);
  }
  const ids = [...objects.keys(), ...volumes.keys(), ...relied, ...moved]
    .map(idOfObject);
  return {
    objects: [...objects.values()],
    moved,
    relied,
    ids: [...new Set(ids.filter((id) => id !== undefined))],
  };
}

/** A range of a volume, in bytes. */
interface Range {
  offset: number;
  length: number;
}

/**
 * Returns the needed ranges of each volume that a tree needs, by the volume's
 * name. The list of ranges is empty if `isMoved` returns `false` for the name.
 */
async function neededRanges(
  { entries }: Tree,
  isMoved: (name: string) => boolean,
): Promise<Map<string, Range[]>> {
  const volumes = new Map<string, Range[]>();
  const add = ({ volume, offset, length }: ContentReference) => {
    let ranges = volumes.get(volume);
    if (ranges === undefined) volumes.set(volume, ranges = []);
    if (isMoved(volume)) ranges.push({ offset, length });
  };
  for (const { content = [], signature } of entries) {
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    for (const { reference } of content) add(reference);
    if (signature !== undefined) add(signature.reference);
  }
  return volumes;
}

/**
 * Reads the moves that the target has for the needed volumes, and adds them to
 * the moves of `Target`. Damaged moves are ignored.
 */
async function readMoves(
  { storage, sizes, moves }: Target,
  volumes: Iterable<string>,
): Promise<void> {
  let names = [...volumes];
  for (let depth = 0; depth < MAX_MOVES && names.length > 0; depth++) {
    const next: string[] = [];
    const isUnread = (name: string) =>
      !sizes.has(name) && sizes.has(moveName(name)) && !moves.has(name);
    await forEachConcurrent(
      names.filter(isUnread),
      MAX_REQUESTS_AT_ONCE,
      async (name) => {
        const move = await readMove(storage, name).catch(unlessDamaged);
        if (move === undefined) return;
        moves.set(name, move);
        next.push(move.to.name);
      },
    );
    names = next;
  }
}

/**
 * Returns a repacked volume and the volumes that replaced it in the target, one
 * after the other. The target has the last of these volumes, and this volume
 * has all of the given ranges. Returns `undefined` if no volume of the target
 * has all of these ranges.
 */
function findKept(
  { sizes, moves }: Target,
  volume: ObjectRecord,
  ranges: readonly Range[],
): ObjectRecord[] | undefined {
  const places = [volume];
  let left = ranges;
  for (let depth = 0; depth < MAX_MOVES; depth++) {
    const place = places[depth];
    if (sizes.get(place.name) === place.size) return places;
    const move = moves.get(place.name);
    if (move === undefined) return undefined;
    const found = left.flatMap(({ offset, length }) => {
      const to = findMoved(move, offset, length);
      return to === undefined ? [] : { offset: to, length };
    });
    if (found.length < left.length) return undefined;
    left = found;
    places.push(move.to);
  }
  return undefined;
}

function unlessDamaged(error: unknown): undefined {
  if (!isDamage(error)) throw error;
}

/**
 * Copies an object to the target. The object is stored only if its bytes have
 * the recorded size and SHA-256.
 */
async function copyObject(
  from: Storage,
  to: Storage,
  { name, size, sha256 }: ObjectRecord,
  options: PutOptions,
): Promise<void> {
  const { signal } = options;
  const checked = async function* () {
    const sum = createSha256();
    let length = 0;
    for await (const part of from.get(name, { fresh: true, signal })) {
      sum.update(part);
      length += part.length;
      if (length > size) break;
      yield part;
    }
    if (length !== size || toHex(sum.digest()) !== sha256) {
      throw new DeltarError(
        "corrupt",
        "the object's size or SHA-256 differs from the recorded one; run `deltar verify`",
        { object: name },
      );
    }
  };
  await to.put(name, checked(), options).catch(unlessExists);
}

/**
 * Copies the labels that were given to a snapshot after it was taken, if they
 * are trusted. In an encrypted target, this machine signs the copies.
 *
 * @param key The key that signs the labels in the target; `undefined` if the
 * labels are not signed.
 */
async function copyLabels(
  from: Store,
  to: Storage,
  record: SnapshotRecord,
  key: SigningKey | undefined,
): Promise<void> {
  const prefix = `${LABELS.folder}${record.id}.`;
  const names = await namesUnder(from.storage, prefix);
  if (names.length === 0) return;
  const there = new Set(await namesUnder(to, prefix));
  for (const name of names) {
    if (there.has(name) || !isPart("label", name)) continue;
    const bytes = await readIfThere(from.storage, name);
    if (bytes === undefined) continue;
    const { header, signer } = await decodeSnapshotNote(bytes, LABELS, name);
    const trust = await from.trustOfNote({ signer, machine: record.machine });
    if (trust !== "trusted") continue;
    const { snapshot, time, label } = header;
    const fields = { snapshot, time, label };
    const copy = await encodeSnapshotNote(LABELS, name, fields, key);
    await to.put(name, copy, { ifAbsent: true }).catch(unlessExists);
  }
}

/**
 * Vouches for a copied snapshot if the source trusts the record and the target
 * does not. Does nothing if this machine cannot sign, or if its key for the
 * target is write-only.
 *
 * @param storage The storage of the target, to which the note is written.
 */
async function vouch(
  from: Store,
  to: Store,
  storage: Storage,
  read: ReadRecord,
): Promise<void> {
  const { signingKey, keys } = to;
  if (signingKey === undefined || keys?.isWriteOnly) return;
  const isTrusted = keys === undefined
    ? !to.isForeign(read.record)
    : await to.trustOf(read.record) === "trusted";
  if (isTrusted || await from.trustOf(read.record) !== "trusted") return;
  await to.introduce();
  await to.copied.vouch(storage, read, from.id, signingKey);
}

/**
 * Checks that the moves of a volume in the source and the target are the same,
 * if both have a move of the volume.
 *
 * @throws {DeltarError} `mismatch` if the moves are different.
 */
async function checkMove(
  from: Storage,
  to: Storage,
  volume: string,
): Promise<void> {
  const [ours, theirs] = await together([
    readMove(from, volume),
    readMove(to, volume),
  ]);
  if (ours === undefined || theirs === undefined) return;
  if (toHex(encodeMove(ours)) === toHex(encodeMove(theirs))) return;
  throw new DeltarError(
    "mismatch",
    "both repositories were pruned, and the target no longer has the parts of " +
      `the volume ${volume} that the snapshot needs; copy into another repository`,
    { object: `${to.location}/${volume}` },
  );
}

/**
 * Copies the move of a repacked volume.
 *
 * @throws {DeltarError} `conflict` if the source no longer has the move.
 */
async function copyMove(
  from: Storage,
  to: Storage,
  volume: string,
): Promise<void> {
  const move = await readMove(from, volume);
  if (move === undefined) {
    throw new DeltarError(
      "conflict",
      "a prune of the source deleted the move of this volume during the copy; " +
        "copy again",
      { object: `${from.location}/${volume}` },
    );
  }
  // The move is encoded again, so that the copy has only checked fields.
  await to.put(moveName(volume), encodeMove(move), { ifAbsent: true })
    .catch(unlessExists);
}

function unlessExists(error: unknown): void {
  if (error instanceof DeltarError && error.code === "exists") return;
  throw error;
}
