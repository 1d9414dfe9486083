/**
 * Repairing the damage that `verify` finds.
 *
 * Small settings, records and notes with one flipped bit are corrected with the
 * help of their own checksums (`mend_bit.ts`). A snapshot that cannot be read
 * completely is replaced by a snapshot without the lost files
 * (`replace_snapshot.ts`): `salvage.ts` reads the undamaged part of its tree,
 * and `store_again.ts` stores the readable content of damaged volumes again.
 * Settings, records and notes are copied to `damaged/` before they are
 * corrected or deleted. Damaged layers and volumes stay where they are.
 *
 * @module
 */
import { checkAborted } from "../../bytes/abort.ts";
import { DeltarError, isDamage } from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import type { Damage } from "../verify/findings.ts";
import {
  DAMAGED,
  idOfRecord,
  newId,
  recordName,
  SETTINGS,
} from "../format/names.ts";
import { mendBit } from "./mend_bit.ts";
import { namesUnder, readIfThere } from "../format/note.ts";
import { type ReadRecord, readRecord } from "../format/snapshot_record.ts";
import { replaceSnapshot } from "./replace_snapshot.ts";
import type { Store } from "../store/store.ts";
import type { LostRange } from "./salvage.ts";
import { encodeSettings, guessSettings, LOST_ID } from "../format/settings.ts";
import { StoreAgain } from "./store_again.ts";
import { type VerifyProgress, verifyRepository } from "../verify/verify.ts";

/** Options for repairing. */
export interface RepairOptions {
  /** Whether to only report what would be done. Default: `false`. */
  dryRun?: boolean;
  /** Called during the verification that runs first, with its progress. */
  onProgress?: (progress: VerifyProgress) => void;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** A snapshot that cannot be read completely, and its replacement. */
export interface ReplacedSnapshot {
  /** The id of the snapshot. */
  id: string;
  /**
   * The id of the replacement, which has all entries that can be read. Absent
   * on a dry run.
   */
  by?: string;
  /** The paths of the files and hard links that are lost. */
  lost: string[];
  /** The ranges of paths whose entries are lost. */
  unknown: LostRange[];
  /**
   * The number of files whose content or signature is stored again because it
   * was in a damaged volume.
   */
  storedAgain: number;
}

/**
 * The result of a repair or, on a dry run, the result that a repair would have.
 */
export interface RepairResult {
  /** The damage that was found. */
  damage: Damage[];
  /**
   * The names of the objects that were corrected, and of the settings if they
   * were created again.
   */
  mended: string[];
  /**
   * The names of the objects that were copied or moved to `damaged/`: damaged
   * settings, records and notes, and the records of replaced or lost snapshots.
   */
  setAside: string[];
  /** The snapshots that were replaced. */
  replaced: ReplacedSnapshot[];
  /**
   * The ids of the snapshots that cannot be replaced, because they have no
   * readable entry or because their record cannot be corrected.
   */
  lost: string[];
}

/**
 * Corrects damaged settings, records and notes if possible, and keeps their
 * damaged bytes in `damaged/`. Replaces snapshots that cannot be read
 * completely, so that their undamaged parts can be used. A repair can be killed
 * at any time and run again.
 *
 * @throws {DeltarError} `io` if the verification that runs first could not read
 * an object that might be undamaged, for example because the disk failed.
 * Nothing is changed in this case.
 * @throws {DeltarError} `aborted` if the signal ends the work; the error of the
 * storage if the storage fails during the repair.
 */
export async function repairRepository(
  store: Store,
  options: RepairOptions,
): Promise<RepairResult> {
  const { dryRun = false, onProgress, signal } = options;
  const { storage } = store;
  const reading = untilAborted(storage, signal);
  const { damage } = await verifyRepository(store.until(signal), {
    data: true,
    onProgress,
    signal,
  });
  const unreadable = damage.find((one) => one.unreadable);
  if (unreadable !== undefined) {
    throw new DeltarError(
      "io",
      `the object could not be read (${unreadable.message}), but it might ` +
        "be undamaged. Check the disk or the network and repair again, or " +
        "copy all readable objects to another storage and repair the copy.",
      { object: unreadable.object },
    );
  }
  const result: RepairResult = {
    damage,
    mended: [],
    setAside: [],
    replaced: [],
    lost: [],
  };
  for (const { object, kind } of damage) {
    checkAborted(signal);
    if (kind === "settings" || kind === "note") {
      await repairListing(store, object, result, dryRun);
    } else if (kind === "record") {
      await repairRecord(store, object, result, dryRun);
    }
  }
  const again = new StoreAgain(reading);
  for (const id of harmedSnapshots(damage)) {
    let read: ReadRecord;
    try {
      read = await readRecord(reading, id);
    } catch (error) {
      if (!isDamage(error)) throw error;
      continue;
    }
    const replaced = await replaceSnapshot(
      store,
      read,
      damage,
      again,
      { dryRun, signal },
    );
    if (replaced === undefined) result.lost.push(id);
    else result.replaced.push(replaced);
    await setAside(store, recordName(id), result, dryRun);
  }
  return result;
}

/**
 * Returns the ids of the snapshots that need a damaged or missing layer or
 * volume, oldest first.
 */
function harmedSnapshots(damage: readonly Damage[]): string[] {
  const ids = damage
    .filter(({ kind }) => !["settings", "note", "key", "record"].includes(kind))
    .flatMap(({ needing }) => needing);
  return [...new Set(ids)].sort();
}

/**
 * Repairs settings or a note: copies the damaged object to `damaged/` and
 * replaces it with a corrected one. Settings that cannot be corrected are
 * created again. A note that cannot be corrected is moved to `damaged/`.
 */
async function repairListing(
  store: Store,
  name: string,
  result: RepairResult,
  dryRun: boolean,
): Promise<void> {
  const { storage, keys } = store;
  const bytes = await readDamaged(store, name);
  let mended = bytes && mendBit(bytes);
  if (mended === undefined && name === SETTINGS) {
    const { codec } = await guessSettings(storage) ?? { codec: "zstd" };
    mended = encodeSettings({
      id: await idOf(store),
      codec,
      ...keys && {
        encryption: { kind: "age" as const, recipient: keys.sum() },
      },
    });
  }
  if (mended !== undefined) {
    await putBack(store, name, mended, result, dryRun);
  } else if (bytes !== undefined) {
    await setAside(store, name, result, dryRun);
  }
}

/**
 * Returns the id of a repository with lost settings: the id with which the
 * repository was opened or, if it is unknown, the id of the repository in the
 * newest record that names it. If no record names it, returns a new id.
 */
async function idOf(store: Store): Promise<string> {
  if (store.id !== LOST_ID) return store.id;
  const records = await store.records({ onDamage: () => {} });
  return records.findLast((record) => record.repository !== undefined)
    ?.repository ?? crypto.randomUUID();
}

/**
 * Repairs a damaged record: copies the record to `damaged/`, and then corrects
 * it with the help of its own checksum. A record that cannot be corrected is
 * deleted.
 */
async function repairRecord(
  store: Store,
  name: string,
  result: RepairResult,
  dryRun: boolean,
): Promise<void> {
  const id = idOfRecord(name);
  if (id === undefined) {
    throw new TypeError(`not the name of a record: ${name}`);
  }
  const { storage } = store;
  const bytes = await readDamaged(store, name);
  // Nothing is corrected if the record was removed during the repair, or if it
  // is undamaged and was reported only because its SHA-256 differs from the
  // `parentSha256` in another record.
  if (bytes === undefined || await isWhole(storage, id)) return;
  const mended = mendBit(bytes);
  if (mended === undefined) {
    await setAside(store, name, result, dryRun);
    result.lost.push(id);
  } else await putBack(store, name, mended, result, dryRun);
}

/**
 * Copies a damaged object to `damaged/` and replaces it with the corrected
 * object. The damaged object is not deleted first, so that the next repair can
 * correct it if this repair is interrupted. Missing settings are stored again.
 * Any other object that is missing was deleted by another process during the
 * repair, and is not stored again.
 */
async function putBack(
  store: Store,
  name: string,
  mended: Uint8Array,
  result: RepairResult,
  dryRun: boolean,
): Promise<void> {
  const isThere = await keepCopy(store, name, result, dryRun);
  if (!isThere && name !== SETTINGS) return;
  result.mended.push(name);
  if (dryRun) return;
  await store.storage.put(name, mended, { ifAbsent: !isThere });
  await store.manifests?.list(newId(Date.now(), Math.random()), 0, [name]);
}

async function isWhole(storage: Storage, id: string): Promise<boolean> {
  try {
    await readRecord(storage, id);
    return true;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}

/**
 * Returns the bytes of a damaged object. The array is empty if the object
 * cannot be decrypted. Returns `undefined` if the object does not exist.
 */
async function readDamaged(
  { storage, keys }: Store,
  name: string,
): Promise<Uint8Array | undefined> {
  try {
    return await readIfThere(storage, name);
  } catch (error) {
    if (keys === undefined || !isDamage(error)) throw error;
    return new Uint8Array(0);
  }
}

/** Moves an object to `damaged/`: copies it, then deletes the original. */
async function setAside(
  store: Store,
  name: string,
  result: RepairResult,
  dryRun: boolean,
): Promise<void> {
  const isThere = await keepCopy(store, name, result, dryRun);
  if (!isThere || dryRun) return;
  await store.manifests?.removing([name]);
  await store.storage.delete(name);
}

/**
 * Copies an object to `damaged/`.
 *
 * @returns Whether the object exists.
 */
async function keepCopy(
  { storage, keys }: Store,
  name: string,
  result: RepairResult,
  dryRun: boolean,
): Promise<boolean> {
  let store: (copy: string) => Promise<void>;
  try {
    const bytes = await readIfThere(storage, name);
    if (bytes === undefined) return false;
    store = (copy) => storage.put(copy, bytes, { ifAbsent: true });
  } catch (error) {
    if (keys === undefined || !isDamage(error)) throw error;
    store = (copy) => keys.copyFile(name, copy);
  }
  result.setAside.push(name);
  if (dryRun) return true;
  let copy = `${DAMAGED}${name}`;
  const taken = new Set(await namesUnder(storage, copy));
  for (let n = 2; taken.has(copy); n++) copy = `${DAMAGED}${name}.${n}`;
  await store(copy);
  return true;
}
