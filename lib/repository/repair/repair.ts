/**
 * Repairing what `verify` finds.
 *
 * Records and notes with a flipped bit are put right by their own sums
 * (`mend_bit.ts`). A snapshot that cannot be read whole is replaced by one
 * without what is lost (`replace_snapshot.ts`): `salvage.ts` reads what is left
 * of its tree, and `store_again.ts` stores content again that lies in damaged
 * volumes. What is replaced is copied to `damaged/` first.
 *
 * @module
 */
import { checkAborted } from "../../bytes/abort.ts";
import { DeltarError, isDamage } from "../../bytes/errors.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import type { Damage } from "../verify/findings.ts";
import { DAMAGED, idOfRecord, recordName, SETTINGS } from "../format/names.ts";
import { mendBit } from "./mend_bit.ts";
import { namesUnder, readIfThere } from "../format/note.ts";
import { type ReadRecord, readRecord } from "../format/snapshot_record.ts";
import { replaceSnapshot } from "./replace_snapshot.ts";
import type { Store } from "../store/store.ts";
import type { LostRange } from "./salvage.ts";
import { encodeSettings, guessSettings } from "../format/settings.ts";
import { StoreAgain } from "./store_again.ts";
import { type VerifyProgress, verifyRepository } from "../verify/verify.ts";

/** Options for repairing. */
export interface RepairOptions {
  /** Only find out what would be done. Default: false. */
  dryRun?: boolean;
  /** Called with the progress of the verification that comes first. */
  onProgress?: (progress: VerifyProgress) => void;
  /** Ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** A snapshot that cannot be read whole, and its replacement. */
export interface ReplacedSnapshot {
  /** Its id. */
  id: string;
  /** The id of the snapshot with all that can be read; absent on a dry run. */
  by?: string;
  /** The files that are lost. */
  lost: string[];
  /** Paths of which it is not known any more what they were. */
  unknown: LostRange[];
  /**
   * The number of files that were stored again because they lay beside damage.
   */
  storedAgain: number;
}

/** The result of a repair, or of its plan. */
export interface RepairResult {
  /** The damage that was found. */
  damage: Damage[];
  /** Objects that were put right. */
  mended: string[];
  /** Objects that were moved to `damaged/`: nothing is thrown away. */
  setAside: string[];
  /** Snapshots that another one stands in for now. */
  replaced: ReplacedSnapshot[];
  /** Snapshots of which nothing can be read any more. */
  lost: string[];
}

/**
 * Rebuilds what can be rebuilt, and sets aside what cannot be read any more, so
 * that all else works. Nothing is changed in place: what is replaced is first
 * copied to `damaged/`. It may be killed at any time and run again.
 *
 * @throws {DeltarError} `io` if an object could not be read for another reason
 * than being damaged or absent: then nothing is judged.
 */
export async function repairRepository(
  store: Store,
  options: RepairOptions,
): Promise<RepairResult> {
  const { dryRun = false, onProgress, signal } = options;
  const { storage } = store;
  const reading = untilAborted(storage, signal);
  const { damage } = await verifyRepository(reading, {
    data: true,
    onProgress,
    signal,
  });
  const unreadable = damage.find((one) => one.unreadable);
  if (unreadable !== undefined) {
    throw new DeltarError(
      "io",
      `it could not be read (${unreadable.message}), which is not the same as ` +
        "being damaged; see to the disk or the network, or copy the repository " +
        "to where all that is left can be read, and repair it there",
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
      await repairListing(storage, object, result, dryRun);
    } else if (kind === "record") {
      await repairRecord(storage, object, result, dryRun);
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
    await setAside(storage, recordName(id), result, dryRun);
  }
  return result;
}

/** Snapshots that need an object which is damaged, the oldest first. */
function harmedSnapshots(damage: readonly Damage[]): string[] {
  const ids = damage
    .filter(({ kind }) => !["settings", "note", "record"].includes(kind))
    .flatMap(({ needing }) => needing);
  return [...new Set(ids)].sort();
}

/** Settings and notes: mended by their own sum, made again, or removed. */
async function repairListing(
  storage: Storage,
  name: string,
  result: RepairResult,
  dryRun: boolean,
): Promise<void> {
  const bytes = await readIfThere(storage, name);
  let mended = bytes && mendBit(bytes);
  if (mended === undefined && name === SETTINGS) {
    const { codec } = await guessSettings(storage) ?? { codec: "zstd" };
    mended = encodeSettings({ id: crypto.randomUUID(), codec });
  }
  if (bytes !== undefined) await setAside(storage, name, result, dryRun);
  if (mended !== undefined) {
    await putBack(storage, name, mended, result, dryRun);
  }
}

/** A record: put right by its own sum, or set aside. */
async function repairRecord(
  storage: Storage,
  name: string,
  result: RepairResult,
  dryRun: boolean,
): Promise<void> {
  const id = idOfRecord(name);
  if (id === undefined) {
    throw new TypeError(`not the name of a record: ${name}`);
  }
  const bytes = await readIfThere(storage, name);
  // Gone meanwhile, or whole: then only the chain of parents is broken.
  if (bytes === undefined || await isWhole(storage, id)) return;
  const mended = mendBit(bytes);
  await setAside(storage, name, result, dryRun);
  if (mended === undefined) result.lost.push(id);
  else await putBack(storage, name, mended, result, dryRun);
}

/**
 * Stores an object that was put right, once the damaged one is out of the way.
 */
async function putBack(
  storage: Storage,
  name: string,
  mended: Uint8Array,
  result: RepairResult,
  dryRun: boolean,
): Promise<void> {
  result.mended.push(name);
  if (!dryRun) await storage.put(name, mended, { ifAbsent: true });
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

/** Moves an object to where nothing looks for it: first there, then away. */
async function setAside(
  storage: Storage,
  name: string,
  result: RepairResult,
  dryRun: boolean,
): Promise<void> {
  result.setAside.push(name);
  if (dryRun) return;
  const bytes = await readIfThere(storage, name);
  if (bytes === undefined) return;
  let copy = `${DAMAGED}${name}`;
  const taken = new Set(await namesUnder(storage, copy));
  for (let n = 2; taken.has(copy); n++) copy = `${DAMAGED}${name}.${n}`;
  await storage.put(copy, bytes, { ifAbsent: true });
  await storage.delete(name);
}
