import { isDamage } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { canHaveLinks, type Skipped } from "../../tree/entry.ts";
import type { Damage } from "../verify/findings.ts";
import { idOfRecord, SNAPSHOTS } from "../format/names.ts";
import { namesUnder } from "../format/note.ts";
import {
  type ObjectRecord,
  type ReadRecord,
  readRecord,
  type SnapshotCounts,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";
import type { ReplacedSnapshot } from "./repair.ts";
import { countTree, EntryTally } from "../snapshot/snapshot_counts.ts";
import { SnapshotWriter } from "../snapshot/snapshot_writer.ts";
import { signatureFor, type Store } from "../store/store.ts";
import { partsOf, SiblingIds } from "./sibling_ids.ts";
import { type SalvagedTree, salvageTree } from "./salvage.ts";
import type { StoreAgain } from "./store_again.ts";
import type { TreeEntry, TreeFileEntry } from "../layers/tree_layer.ts";
import { streamEntries } from "../layers/tree_reader.ts";
import { FileCheck } from "../verify/verify_files.ts";
import { changedLines } from "../layers/write_tree.ts";

/** The plan for the entries of a snapshot that is to be replaced. */
interface Plan {
  /** The entries that stay as they are. */
  kept: TreeEntry[];
  /**
   * The files to store again. If `content` is `false`, only the signature is
   * stored again.
   */
  again: { entry: TreeFileEntry; content: boolean }[];
  /** The files and hard links that are lost. */
  lost: Skipped[];
}

/**
 * Creates the replacement for a snapshot that cannot be read completely. The
 * replacement has all entries that can be read, and lists the lost files as
 * skipped. Its id contains the same time as the id of the original.
 *
 * @param store The repository.
 * @param read The record of the snapshot.
 * @param damage The damage that `verify` found in the repository.
 * @param again The writer that stores the readable content of damaged volumes
 * again.
 * @param options Whether to only make the plan, and the signal.
 * @returns The snapshot and its replacement; `undefined` if no entry of the
 * snapshot can be read.
 */
export async function replaceSnapshot(
  store: Store,
  { record, sha256 }: ReadRecord,
  damage: readonly Damage[],
  again: StoreAgain,
  { dryRun, signal }: { dryRun: boolean; signal?: AbortSignal },
): Promise<ReplacedSnapshot | undefined> {
  const reading = untilAborted(store.storage, signal);
  const tree = await salvageTree(reading, record);
  const plan = await makePlan(reading, tree, damage);
  if (plan.kept.length + plan.again.length === 0 && tree.lost.length > 0) {
    return undefined;
  }
  const replaced: ReplacedSnapshot = {
    id: record.id,
    lost: plan.lost.map(({ path }) => path),
    unknown: tree.lost,
    storedAgain: plan.again.length,
  };
  if (dryRun) return replaced;
  const id = await standIn(store, record, plan, damage, signal) ??
    await write(store, { record, sha256 }, tree, plan, again, signal);
  return { ...replaced, by: id };
}

async function makePlan(
  storage: Storage,
  tree: SalvagedTree,
  damage: readonly Damage[],
): Promise<Plan> {
  const plan: Plan = { kept: [], again: [], lost: [] };
  const suspect = new Set(damage.map(({ object }) => object));
  const check = new FileCheck(storage);
  const gone = new Set<string>();
  for (const entry of tree.entries.values()) {
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    const { path } = entry;
    const lose = (detail: string) => {
      gone.add(path);
      plan.lost.push({ path, reason: "lost", detail });
    };
    if (entry.kind === "hardlink" && !isLinked(tree, entry.target, gone)) {
      lose(`hard link to ${entry.target}, which is lost`);
    } else if (entry.kind !== "file") plan.kept.push(entry);
    else {
      const { content, signature } = entry;
      // If the tree itself is damaged, the verification did not check its
      // files, so all of them are checked here.
      const isSuspect = content
        .some(({ reference }) => suspect.has(reference.volume));
      const fault = isSuspect || tree.lost.length > 0
        ? await check.check(entry, undefined, () => {})
        : undefined;
      if (fault !== undefined && !isDamage(fault)) throw fault;
      const volume = signature?.reference.volume;
      if (fault !== undefined) lose(fault.message);
      else if (isSuspect) plan.again.push({ entry, content: true });
      else if (volume !== undefined && suspect.has(volume)) {
        plan.again.push({ entry, content: false });
      } else plan.kept.push(entry);
    }
  }
  return plan;
}

/** Returns whether the target of a hard link exists and can be restored. */
function isLinked(
  tree: SalvagedTree,
  path: string,
  gone: Set<string>,
): boolean {
  const linked = tree.entries.get(path);
  return linked !== undefined && canHaveLinks(linked.kind) && !gone.has(path);
}

async function write(
  store: Store,
  parent: ReadRecord,
  tree: SalvagedTree,
  plan: Plan,
  again: StoreAgain,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { record } = parent;
  const ids = await SiblingIds.read(store.storage);
  const id = ids.next(record.id);
  await using writer = new SnapshotWriter(store, { id, parent, signal });
  const stored = await again.store(writer, plan.again);
  const entries = new Map(
    [...plan.kept, ...stored].map((entry) => [entry.path, entry]),
  );
  const objects = new Map(tree.objects);
  for (const object of again.objects) objects.set(object.name, object);
  const reading = untilAborted(store.storage, signal);
  await nameUnnamed(reading, entries.values(), objects);
  const layers = await writer.writeTree({
    layers: [],
    skippedBefore: [],
    changed: changedLines(entries),
    size: entries.size,
    objects: [...objects.values()],
    skipped: [...tree.skipped, ...plan.lost],
  });
  const {
    parent: _,
    parentSha256: __,
    signer: ___,
    repository: ____,
    ...rest
  } = record;
  await writer.commit({
    ...rest,
    ...await signatureFor(store, record),
    id,
    repairs: record.id,
    layers,
    counts: countsOf(entries, record.counts, plan.lost.length),
  });
  return id;
}

/**
 * Adds to `objects`, with their current sizes and SHA-256, the volumes that
 * entries refer to but that no readable frame of a layer lists.
 */
async function nameUnnamed(
  storage: Storage,
  entries: Iterable<TreeEntry>,
  objects: Map<string, ObjectRecord>,
): Promise<void> {
  for (const { content = [], signature } of entries) {
    for (const { reference } of [...content, ...signature ? [signature] : []]) {
      const name = reference.volume;
      if (objects.has(name)) continue;
      const sum = createSha256();
      let size = 0;
      for await (const part of storage.get(name)) {
        sum.update(part);
        size += part.length;
      }
      objects.set(name, { name, size, sha256: toHex(sum.digest()) });
    }
  }
}

function countsOf(
  entries: ReadonlyMap<string, TreeEntry>,
  before: SnapshotCounts,
  lost: number,
): SnapshotCounts {
  const tally = new EntryTally();
  for (const entry of entries.values()) tally.add(entry);
  const { special: _, ...others } = before;
  return { ...others, ...countTree(tally), faults: before.faults + lost };
}

/**
 * Returns the id of the replacement that an earlier, interrupted repair stored;
 * `undefined` if there is none. The replacement must be undamaged, have every
 * entry of the plan, and be trusted if the snapshot is trusted. So a record
 * that only claims to replace the snapshot is not used.
 */
async function standIn(
  store: Store,
  record: SnapshotRecord,
  plan: Plan,
  damage: readonly Damage[],
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const { id } = record;
  const storage = untilAborted(store.storage, signal);
  const isTrusted = await store.trustOf(record) === "trusted";
  const { stem } = partsOf(id);
  for (const name of await namesUnder(storage, `${SNAPSHOTS}${stem}`)) {
    const other = idOfRecord(name);
    if (other === undefined || other === id) continue;
    if (damage.some(({ needing }) => needing.includes(other))) continue;
    try {
      const read = await readRecord(storage, other);
      if (read.record.repairs !== id) continue;
      if (isTrusted && await store.trustOf(read.record) !== "trusted") continue;
      if (await hasPlanned(storage, read.record, plan)) return other;
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return undefined;
}

/**
 * Returns whether a snapshot has every entry that a plan keeps or stores again.
 */
async function hasPlanned(
  storage: Storage,
  { layers }: SnapshotRecord,
  { kept, again }: Plan,
): Promise<boolean> {
  const missing = new Map(
    [...kept, ...again.map(({ entry }) => entry)]
      .map((entry) => [entry.path, entry]),
  );
  for await (const entries of streamEntries(storage, layers)) {
    for (const entry of entries) {
      const planned = missing.get(entry.path);
      if (planned === undefined) continue;
      if (!isSame(planned, entry)) return false;
      missing.delete(entry.path);
    }
  }
  return missing.size === 0;
}

function isSame(one: TreeEntry, other: TreeEntry): boolean {
  return one.kind === other.kind && one.sha256 === other.sha256 &&
    one.target === other.target && one.mode === other.mode &&
    one.mtime === other.mtime && one.uid === other.uid &&
    one.gid === other.gid;
}
