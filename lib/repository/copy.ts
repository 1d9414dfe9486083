import { checkAborted } from "../bytes/abort.ts";
import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { overlap } from "../bytes/overlap.ts";
import { createSha256, sha256 } from "../bytes/sha256.ts";
import { collect } from "../bytes/source.ts";
import type { PutOptions, Storage } from "../storage/storage.ts";
import { whereIs } from "./content/follow_moves.ts";
import {
  idOfObject,
  moveName,
  newId,
  recordName,
  SNAPSHOTS,
  TREES,
} from "./layout.ts";
import { namesUnder, readIfThere } from "./note.ts";
import { readRecord } from "./read_record.ts";
import type { Repository } from "./repository.ts";
import { Run } from "./snapshot/running.ts";
import { LABELS } from "./snapshot_note.ts";
import type { ObjectRecord, SnapshotRecord } from "./snapshot_record.ts";
import { readTree } from "./layers/tree_reader.ts";

/** How to copy snapshots. */
export interface CopyOptions {
  /** Told after each object how far it is. */
  onProgress?: (progress: CopyProgress) => void;
  /**
   * Ends the work with an error of code `aborted`; a next copy goes on from
   * there.
   */
  signal?: AbortSignal;
}

/** How far a copy is. */
export interface CopyProgress {
  /** The snapshot being copied. */
  snapshot: string;
  /** Objects copied so far, of all snapshots. */
  objects: number;
  /** Bytes copied so far. */
  bytes: number;
  /** The object that was just copied. */
  name: string;
}

/** What a copy did. */
export interface CopyResult {
  /** The ids of the snapshots that were copied, the oldest first. */
  copied: string[];
  /** The ids of those that were there already. */
  present: string[];
  /** How many objects were copied. */
  objects: number;
  /** How many bytes they have. */
  bytes: number;
}

/** How many objects are under way at once. */
const COPYING = 3;

/**
 * Copies snapshots from one repository to another, the oldest first: each
 * object that is not there under its name, held against its recorded SHA-256
 * as it goes by, and the commit record last, byte for byte.
 */
export async function copySnapshots(
  from: Repository,
  to: Repository,
  records: readonly SnapshotRecord[],
  options: CopyOptions,
): Promise<CopyResult> {
  const result: CopyResult = { copied: [], present: [], objects: 0, bytes: 0 };
  const [here, there] = await Promise.all([
    sizesIn(from.storage),
    sizesIn(to.storage),
  ]);
  const isOlder = (a: SnapshotRecord, b: SnapshotRecord) =>
    a.id < b.id ? -1 : 1;
  for (const { id } of records.toSorted(isOlder)) {
    checkAborted(options.signal);
    const onObject = ({ name, size }: ObjectRecord) => {
      const { bytes, objects } = result;
      result.objects = objects + 1;
      result.bytes = bytes + size;
      options.onProgress?.({
        snapshot: id,
        objects: result.objects,
        bytes: result.bytes,
        name,
      });
    };
    const { signal } = options;
    const sizes = { here, there };
    const isNew = await copySnapshot(from, to, id, sizes, onObject, signal);
    (isNew ? result.copied : result.present).push(id);
  }
  return result;
}

/** Copies a snapshot; gives whether it was not there. */
async function copySnapshot(
  from: Repository,
  to: Repository,
  id: string,
  { here, there }: Record<"here" | "there", Map<string, number>>,
  onObject: (object: ObjectRecord) => void,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const name = recordName(id);
  const bytes = await collect(from.storage.get(name, { fresh: true }));
  if (there.has(name)) {
    const old = await collect(to.storage.get(name, { fresh: true }));
    if (toHex(sha256(old)) === toHex(sha256(bytes))) {
      await copyLabels(from.storage, to.storage, id);
      return false;
    }
    throw new DeltarError(
      "mismatch",
      "another snapshot of this id is there; copy into another repository",
      { object: `${to.storage.location}/${name}` },
    );
  }
  const { record } = await readRecord(from.storage, id);
  const { objects, moved } = await needs(from.storage, record, here, there);
  const ids = objects.map((object) => idOfObject(object.name));
  // A prune there spares what this relies on while it is under way.
  const run = new Run(to.storage, {
    id: newId(Date.now(), Math.random()),
    reuses: [...new Set(ids.filter((id) => id !== undefined))],
  });
  try {
    await run.begin();
    await overlap(objects, COPYING, async (object) => {
      if (there.get(object.name) === object.size) return;
      // One of another length is damaged, and replaced.
      const ifAbsent = !there.has(object.name);
      await copyObject(from.storage, run.storage, object, { ifAbsent, signal });
      there.set(object.name, object.size);
      onObject(object);
    });
    for (const name of moved) await copyNote(from.storage, run.storage, name);
    await copyLabels(from.storage, run.storage, id);
    await run.check();
    await run.storage.put(name, bytes, { ifAbsent: true, signal })
      .catch(unlessExists);
    there.set(name, bytes.length);
  } finally {
    await run.end();
  }
  return true;
}

/** The lengths of all that snapshots are made of. */
async function sizesIn(storage: Storage): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const folder of [SNAPSHOTS, TREES, "volumes/", "signatures/"]) {
    for await (const { name, size } of storage.list(folder)) {
      sizes.set(name, size);
    }
  }
  return sizes;
}

/** The objects that a snapshot needs, where they are now. */
async function needs(
  storage: Storage,
  record: SnapshotRecord,
  here: ReadonlyMap<string, number>,
  there: ReadonlyMap<string, number>,
): Promise<{ objects: ObjectRecord[]; moved: string[] }> {
  const tree = await readTree(storage, record);
  const volumes = new Set<string>();
  for (const { content = [], signature } of tree.entries) {
    for (const { reference } of content) volumes.add(reference.volume);
    if (signature !== undefined) volumes.add(signature.reference.volume);
  }
  const objects = new Map<string, ObjectRecord>();
  const moved: string[] = [];
  for (const layer of record.layers) objects.set(layer.name, layer);
  for (const volume of volumes) {
    const object = tree.objects.get(volume);
    if (object === undefined) {
      throw new DeltarError("corrupt", "no layer names a volume of its files", {
        object: record.id,
      });
    }
    if (there.get(object.name) === object.size) {
      objects.set(object.name, object);
      continue;
    }
    const onTheWay = (name: string) => {
      if (!here.has(name)) moved.push(moveName(name));
      return here.has(name);
    };
    const place = await whereIs(storage, object, onTheWay);
    objects.set(place.name, place);
  }
  return { objects: [...objects.values()], moved };
}

/** Copies an object, which appears only if it is what was recorded. */
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
      yield part;
    }
    if (length !== size || toHex(sum.digest()) !== sha256) {
      throw new DeltarError(
        "corrupt",
        "it is not what was recorded; see `deltar verify`",
        { object: name },
      );
    }
  };
  await to.put(name, checked(), options).catch(unlessExists);
}

/** Copies the labels that a snapshot was given after it was made. */
async function copyLabels(
  from: Storage,
  to: Storage,
  id: string,
): Promise<void> {
  const prefix = `${LABELS.folder}${id}.`;
  const names = await namesUnder(from, prefix);
  if (names.length === 0) return;
  const there = new Set(await namesUnder(to, prefix));
  for (const name of names) {
    if (!there.has(name)) await copyNote(from, to, name);
  }
}

async function copyNote(
  from: Storage,
  to: Storage,
  name: string,
): Promise<void> {
  const bytes = await readIfThere(from, name);
  if (bytes === undefined) return;
  await to.put(name, bytes, { ifAbsent: true }).catch(unlessExists);
}

function unlessExists(error: unknown): void {
  if (error instanceof DeltarError && error.code === "exists") return;
  throw error;
}
