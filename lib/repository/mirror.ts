import { checkAborted, type SignalOptions } from "../bytes/abort.ts";
import { codeOf, DeltarError, isDamage } from "../bytes/errors.ts";
import { forEachConcurrent } from "../bytes/for_each_concurrent.ts";
import { toHex } from "../bytes/hex.ts";
import { createSha256, sha256 } from "../bytes/sha256.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import type { Storage, StoredObject } from "../storage/storage.ts";
import { untilAborted } from "../storage/until_aborted.ts";
import {
  KEYS,
  MANIFESTS,
  MOVES,
  RECIPIENTS,
  SETTINGS,
  SNAPSHOTS,
} from "./format/names.ts";
import { readIfThere } from "./format/note.ts";
import { readSettings } from "./format/settings.ts";
import { AGE_SUFFIX } from "../storage/names.ts";
import type { ObjectRecord } from "./format/snapshot_record.ts";
import {
  allNoteManifests,
  isSealed,
  readLists,
  readNoteManifests,
  refusal,
  type Refuse,
} from "./runs/manifest.ts";

/** Options for mirroring a repository. */
export interface MirrorOptions extends SignalOptions {
  /**
   * The public keys (`ssh-ed25519 AAAA…`) of the signers whose manifests are
   * trusted. Encrypted records, layers, volumes and moves that no trusted
   * manifest lists are not copied. By default, all manifests are trusted, and
   * objects that no manifest lists are also copied.
   */
  signers?: readonly string[];
  /**
   * Called after each object is copied, with the object's name, and with the
   * number and total size in bytes of the objects copied so far.
   */
  onProgress?: (
    progress: { objects: number; bytes: number; name: string },
  ) => void;
}

/** The result of mirroring a repository. */
export interface MirrorResult {
  /** The number of copied objects. */
  objects: number;
  /** The total size of the copied objects, in bytes. */
  bytes: number;
  /** The number of objects not copied because the mirror already had them. */
  present: number;
  /**
   * The objects that were not copied because they are damaged, and the
   * manifests that were not copied because they are damaged or not trusted.
   * `message` is the reason.
   */
  damage: { object: string; message: string }[];
  /**
   * The names of encrypted objects that were not copied because no trusted
   * manifest lists them. The list is empty if `signers` is not given.
   */
  unlisted: string[];
}

/** The maximum number of objects copied at the same time. */
const MAX_CONCURRENT_COPIES = 3;

/**
 * The pattern of the names of objects that are not mirrored: objects that
 * coordinate runs, and the copies that a repair or mirror keeps of the objects
 * that it replaces.
 */
const COORDINATION =
  /^(?:running|garbage|lease|checkpoints|damaged|replaced)\//;

/**
 * The pattern of the names of objects whose bytes can change while their size
 * stays the same.
 */
const REPLACED = /^(?:(?:keys|holders|signers|removed)\/|recipients\.json)/;

/**
 * The pattern of the names of objects that might be needed to open a
 * repository. Without a key, `mirror` cannot tell whether the new version of
 * such an object is damaged. So `mirror` keeps a copy of the old version.
 */
const VITAL = /^(?:(?:keys|holders|signers)\/|recipients\.json)/;

/** The pattern of the names of objects that snapshots need. */
const OF_SNAPSHOTS = /^(?:trees|volumes|signatures|moves)\//;

/** The maximum number of times that the source is listed. */
const MAX_LISTS = 6;

/** The folder in which a mirror keeps the objects that it has replaced. */
const KEPT = "replaced/";

/**
 * The number of hexadecimal digits of the SHA-256 in the name of a kept object.
 */
const SUM_DIGITS = 16;

/**
 * Copies the objects of a repository, byte for byte, to a storage that is empty
 * or already a mirror of the repository. No key is needed.
 *
 * - Records are copied after the objects that they need, so the snapshots in a
 *   mirror are always complete. The source is listed again before its records
 *   are copied, and new objects are copied, too, because a prune of the source
 *   may have repacked volumes.
 * - If the repository is encrypted, each object that a manifest lists is
 *   compared with its size and SHA-256 in the manifest while the object is
 *   copied. Damaged objects are not copied.
 * - If the mirror has an object of the same name and size, the object is not
 *   copied again, unless the manifests of the repository and of the mirror list
 *   different SHA-256 sums for it, for example after a rekey. The bytes of key
 *   files, holders, signers and removed records can change while their size
 *   stays the same, so these objects are always compared. Notes are compared
 *   after a rotation or rekey.
 * - A key file, a holder, a signer or `recipients.json` that no manifest lists
 *   is replaced in the mirror only by a complete age file. The old object is
 *   kept as `replaced/NAME.SUM`, where `SUM` is the first 16 digits of its
 *   SHA-256.
 * - Intents, leases, marks, checkpoints and the objects in `damaged/` and
 *   `replaced/` are not copied.
 * - The mirror keeps objects that the source no longer has.
 *
 * @param from The storage of the repository.
 * @param to The storage of the mirror, to which nothing else may write.
 * @param options The trusted signers, the callback and the signal.
 * @returns The numbers of copied and present objects, and the objects that were
 *   not copied.
 * @throws {DeltarError} `mismatch` if the target is a different repository or a
 *   mirror of one, or is neither a repository nor empty; `not-found` if the
 *   source is not a repository; `conflict` if prunes of the source delete or
 *   repack objects again and again during the copy; `aborted` if the signal
 *   ends the copy; also the errors of the storages.
 *
 * @example
 * ```ts
 * import { MemoryStorage, Repository } from "@deltar/deltar";
 * import { mirror } from "@deltar/deltar/repository";
 * import assert from "node:assert/strict";
 *
 * const [from, to] = [new MemoryStorage(), new MemoryStorage()];
 * const { id } = await Repository.create(from);
 * const { objects, damage } = await mirror(from, to);
 * assert.equal(objects, 1);
 * assert.deepEqual(damage, []);
 * assert.equal((await Repository.open(to)).id, id);
 * ```
 */
export async function mirror(
  from: Storage,
  to: Storage,
  { signers, onProgress, signal }: MirrorOptions = {},
): Promise<MirrorResult> {
  const source = untilAborted(from, signal);
  const target = untilAborted(to, signal);
  const result: MirrorResult = {
    objects: 0,
    bytes: 0,
    present: 0,
    damage: [],
    unlisted: [],
  };
  const { id, encryption } = await readSettings(source);
  await checkTarget(target, id);
  const refused = new Set<string>();
  const readManifests = async () =>
    encryption === undefined
      ? new Map<string, ObjectRecord[]>()
      : await readExpected(
        source,
        refusal({ repository: id, signers }),
        (object, message) => {
          if (refused.has(object)) return;
          refused.add(object);
          result.damage.push({ object, message });
        },
      );
  let listed = await readManifests();
  const isRekeyed = encryption !== undefined &&
    !await isSame(source, target, RECIPIENTS + AGE_SUFFIX);
  const mirrored = encryption === undefined
    ? new Map<string, Set<string>>()
    : await sumsOf(target, id);
  const there = new Map<string, number>();
  for await (const { name, size } of target.list()) there.set(name, size);
  /**
   * Returns whether an object of the mirror can differ from the object of the
   * same name and size in the source.
   */
  const isReplaced = (name: string) =>
    REPLACED.test(name) ||
    isRekeyed && name.endsWith(AGE_SUFFIX) && !isSealed(name);
  /**
   * Returns whether the mirror's copy of a listed object can still be the one
   * from before a rekey. If a call of `mirror` after a rekey was interrupted,
   * the mirror has the manifests from before and after the rekey, and still has
   * the old list of recipients. In that case, the mirror's manifests list more
   * SHA-256 sums for the object than the manifests of the source.
   */
  const isNew = (name: string) => {
    if (!isSealed(name)) return false;
    const sums = listed.get(name)?.map(({ sha256 }) => sha256) ?? [];
    const there = mirrored.get(name) ?? new Set();
    return sums.some((sum) => !there.has(sum)) ||
      isRekeyed && sums.length > 0 && there.size > new Set(sums).size;
  };
  /**
   * The names of the objects that `findNew` has returned or has counted as
   * present in the mirror.
   */
  const known = new Set<string>();
  /**
   * Lists the source. Returns, for each step of `stepOf`, the names of the
   * objects to copy that earlier calls did not return.
   */
  const findNew = async () => {
    const objects: StoredObject[] = [];
    for await (const object of source.list()) {
      checkAborted(signal);
      const { name } = object;
      const isKnown = known.has(name) || refused.has(name);
      if (!isKnown && !COORDINATION.test(name)) objects.push(object);
    }
    // The new objects may be listed in new manifests.
    const isManifest = ({ name }: StoredObject) => name.startsWith(MANIFESTS);
    if (known.size > 0 && objects.some(isManifest)) {
      listed = await readManifests();
    }
    const steps: string[][] = [[], [], [], [], [], []];
    result.unlisted = [];
    for (const { name, size } of objects) {
      checkAborted(signal);
      if (refused.has(name)) continue;
      const isUnlisted = signers !== undefined && isSealed(name) &&
        !listed.has(name);
      if (isUnlisted) {
        result.unlisted.push(name);
        continue;
      }
      known.add(name);
      if (
        there.get(name) === size && !isNew(name) &&
        (!isReplaced(name) || await isSame(source, target, name))
      ) result.present++;
      else steps[stepOf(name)].push(name);
    }
    return steps;
  };
  /** Copies objects. Returns the names of those that no longer exist. */
  const copyAll = async (names: readonly string[]) => {
    const gone: string[] = [];
    await forEachConcurrent(names, MAX_CONCURRENT_COPIES, async (name) => {
      checkAborted(signal);
      const isListed = listed.has(name);
      if (!isListed && VITAL.test(name) && there.has(name)) {
        await keepOld(target, name);
      }
      const size = await copyOne(
        source,
        target,
        name,
        listed.get(name),
        result,
      );
      if (size === undefined) return;
      if (size === GONE) {
        gone.push(name);
        return;
      }
      result.objects++;
      result.bytes += size;
      onProgress?.({ objects: result.objects, bytes: result.bytes, name });
    });
    return gone;
  };
  // A prune of the source can repack a volume while the source is listed and
  // copied. So the source is listed again until a list has no new moves or
  // records, and no object of a snapshot was deleted before it was copied. Then
  // the records are copied. New records in the last of `MAX_LISTS` lists are
  // not copied.
  const last: string[][] = [[], []];
  for (let round = 0;; round++) {
    const steps = await findNew();
    if (round === 0 && to.prepare !== undefined && there.size === 0) {
      to.prepare();
    }
    const gone: string[] = [];
    for (const names of steps.slice(0, RECORD_STEP)) {
      gone.push(...await copyAll(names));
    }
    const [records, recipients] = steps.slice(RECORD_STEP);
    const lost = gone.find((name) => OF_SNAPSHOTS.test(name));
    const moved = steps.flat().find((name) => name.startsWith(MOVES));
    const isComplete = lost === undefined && moved === undefined;
    if (round > 0 && isComplete && records.length === 0) break;
    if (round === MAX_LISTS - 1) {
      if (isComplete) break;
      throw new DeltarError(
        "conflict",
        "prunes of the source deleted or repacked objects throughout the " +
          "copy, so no new record was copied; copy again",
        { object: lost ?? moved },
      );
    }
    last[0].push(...records);
    last[1].push(...recipients);
  }
  for (const names of last) await copyAll(names);
  return result;
}

/**
 * Returns the sizes, in bytes, and SHA-256 sums that trusted manifests list for
 * each object, by the object's name. A key or note has an empty array if all of
 * its manifests are damaged or not trusted.
 */
async function readExpected(
  storage: Storage,
  refuse: Refuse,
  fail: (object: string, message: string) => void,
): Promise<Map<string, ObjectRecord[]>> {
  const { listed } = await readLists(storage, refuse, fail);
  for (const [file, names] of await allNoteManifests(storage)) {
    const manifests = await readNoteManifests(storage, names, refuse, fail);
    listed.set(file, manifests.flatMap(({ objects }) => objects));
  }
  return listed;
}

/**
 * Returns the SHA-256 sums that the manifests of a mirror list for each object,
 * by the object's name.
 */
async function sumsOf(
  target: Storage,
  repository: string,
): Promise<Map<string, Set<string>>> {
  const refuse = refusal({ repository, signers: undefined });
  const { listed } = await readLists(target, refuse, () => {});
  return new Map(
    [...listed].map(([name, objects]) => [
      name,
      new Set(objects.map(({ sha256 }) => sha256)),
    ]),
  );
}

/**
 * Returns whether a small object has the same content in two storages, or is in
 * neither.
 */
async function isSame(a: Storage, b: Storage, name: string): Promise<boolean> {
  const [one, other] = await Promise.all(
    [a, b].map((storage) => readIfThere(storage, name)),
  );
  if (one === undefined || other === undefined) return one === other;
  return toHex(sha256(one)) === toHex(sha256(other));
}

/**
 * Returns the bytes of an age file, and checks while they are read that the
 * file has a header and is complete.
 */
async function whole(file: ByteSource, name: string): Promise<ByteSource> {
  // The ciphers are loaded only for encrypted repositories.
  const { wholeFile } = await import("../age/header.ts");
  return wholeFile(file, name);
}

/** Stores a copy of an object of the mirror before the object is replaced. */
async function keepOld(mirror: Storage, name: string): Promise<void> {
  const bytes = await readIfThere(mirror, name);
  if (bytes === undefined) return;
  const sum = toHex(sha256(bytes)).slice(0, SUM_DIGITS);
  await mirror.put(`${KEPT}${name}.${sum}`, bytes);
}

/** The result of `copyOne` for an object that no longer exists. */
const GONE = "gone";

/**
 * Copies an object, provided that the object still exists and, if `expected` is
 * given, has the size and SHA-256 of one of the expected objects. Damage to the
 * object is added to `damage`.
 *
 * @returns The size of the object in bytes; `GONE` if it no longer exists;
 * `undefined` if it is damaged.
 */
async function copyOne(
  from: Storage,
  to: Storage,
  name: string,
  expected: readonly ObjectRecord[] | undefined,
  { damage }: MirrorResult,
): Promise<number | typeof GONE | undefined> {
  const sum = createSha256();
  let size = 0;
  const checked = async function* () {
    const file = from.get(name);
    const isAge = VITAL.test(name) && name.endsWith(AGE_SUFFIX);
    for await (const part of chunks(isAge ? await whole(file, name) : file)) {
      sum.update(part);
      size += part.length;
      yield part;
    }
    if (expected === undefined) return;
    const sha256 = toHex(sum.digest());
    const isListed = expected
      .some((one) => one.size === size && one.sha256 === sha256);
    if (isListed) return;
    throw new DeltarError(
      "corrupt",
      "the object's size or SHA-256 differs from the one in the manifest",
      { object: name },
    );
  };
  try {
    await to.put(name, checked());
    return size;
  } catch (error) {
    // A prune of the source might have deleted the object after it was listed.
    if (codeOf(error) === "not-found") return GONE;
    if (!isDamage(error)) throw error;
    damage.push({ object: name, message: error.message });
    return undefined;
  }
}

/** The step of `stepOf` in which records are copied. */
const RECORD_STEP = 4;

/**
 * Returns the step in which an object is copied: 0 for the settings, 1 for
 * manifests, 2 for key files, 3 for other objects, 4 for records, and 5 for the
 * list of recipients. This list comes last, so that the mirror has a new list
 * only if all other objects were copied.
 */
function stepOf(name: string): number {
  if (name === SETTINGS) return 0;
  if (name.startsWith(MANIFESTS)) return 1;
  if (name.startsWith(KEYS)) return 2;
  if (name.startsWith(SNAPSHOTS)) return RECORD_STEP;
  return name === RECIPIENTS + AGE_SUFFIX ? 5 : 3;
}

/**
 * Checks that a target is empty or a mirror of the repository.
 *
 * @throws {DeltarError} `mismatch` if the target is a different repository or a
 * mirror of one, or is neither a repository nor empty.
 */
async function checkTarget(target: Storage, id: string): Promise<void> {
  let other: string | undefined;
  try {
    other = (await readSettings(target)).id;
  } catch (error) {
    if (codeOf(error) !== "not-found") throw error;
  }
  if (other === id) return;
  let isEmpty = true;
  for await (const _ of target.list()) {
    isEmpty = false;
    break;
  }
  if (other === undefined && isEmpty) return;
  throw new DeltarError(
    "mismatch",
    other === undefined
      ? "the target is not empty and not a repository; choose an empty location"
      : "the target is a different repository, or a mirror of one; choose an " +
        "empty location",
    { object: target.location },
  );
}
