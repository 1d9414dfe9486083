import { checkAborted } from "../../bytes/abort.ts";
import { codeOf } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import { isNoted, NOTED } from "../format/names.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";
import {
  allNoteManifests,
  manifestsOfNote,
  readNoteManifests,
  type Refuse,
} from "../runs/manifest.ts";

/** Options for comparing keys and notes with their manifests. */
export interface NotedOptions {
  /**
   * Called with each manifest. Returns the reason why the manifest is ignored;
   * `undefined` if the manifest is used.
   */
  refuse: Refuse;
  /** Whether to compare the SHA-256 in addition to the size. */
  data: boolean;
  /**
   * Called with the name of each damaged key or note and of each damaged or
   * ignored manifest, and with the reason.
   */
  fail: (object: string, message: string) => void;
  /** Called after each key or note is compared, with its size in bytes. */
  onCompared?: (size: number) => void;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/**
 * Compares the keys and notes of an encrypted repository with their manifests.
 *
 * @param storage The storage of the encrypted objects.
 * @param options The condition for ignoring a manifest, whether to compare the
 * SHA-256, callbacks and the signal.
 * @returns The names of the keys and notes that have no manifest, because an
 * earlier version of deltar stored them or somebody deleted the manifest.
 */
export async function verifyNoted(
  storage: Storage,
  { refuse, data, fail, onCompared, signal }: NotedOptions,
): Promise<string[]> {
  const uncovered: string[] = [];
  const sizes = new Map<string, number>();
  for (const folder of NOTED) {
    for await (const { name, size } of storage.list(folder)) {
      if (isNoted(name)) sizes.set(name, size);
    }
  }
  // Manifests are stored before their objects, so this list includes the
  // manifests of all objects listed above.
  const manifests = await allNoteManifests(storage);
  for (const file of new Set([...sizes.keys(), ...manifests.keys()])) {
    checkAborted(signal);
    const size = sizes.get(file);
    let names = manifests.get(file) ?? [];
    let stored = size === undefined
      ? undefined
      : data
      ? await storedAs(storage, file)
      : { size };
    let faults = await compare(storage, file, names, stored, refuse);
    if (faults.length > 0 || names.length === 0) {
      // Another process might have replaced or deleted the object in the
      // meantime, so the object and its manifests are read again.
      names = await manifestsOfNote(storage, file);
      stored = await storedAs(storage, file);
      faults = await compare(storage, file, names, stored, refuse);
    }
    for (const [object, message] of faults) fail(object, message);
    if (stored === undefined) continue;
    if (names.length === 0) uncovered.push(file);
    else onCompared?.(stored.size);
  }
  return uncovered;
}

/** Returns the faults of a key or note and of its manifests. */
async function compare(
  storage: Storage,
  file: string,
  names: readonly string[],
  stored: Stored | undefined,
  refuse: Refuse,
): Promise<[object: string, message: string][]> {
  const faults: [string, string][] = [];
  let isRefused = false;
  const manifests = await readNoteManifests(
    storage,
    names,
    async (manifest) => {
      const refusal = await refuse(manifest);
      isRefused ||= refusal !== undefined;
      return refusal;
    },
    (object, message) => faults.push([object, message]),
  );
  const objects = manifests.flatMap((manifest) => manifest.objects);
  const fits = ({ size, sha256 }: ObjectRecord) =>
    size === stored?.size && sha256 === (stored.sha256 ?? sha256);
  if (stored === undefined || objects.some(fits)) return faults;
  if (objects.length > 0) {
    faults.push([
      file,
      "the object's size or SHA-256 differs from the one in the manifest",
    ]);
  } else if (isRefused) {
    // The object is reported only if a manifest was ignored. Otherwise the
    // object has no manifest, or only damaged ones, which are reported instead.
    faults.push([file, "no trusted manifest lists the object"]);
  }
  return faults;
}

/** The size of a stored object in bytes and, if it was read, its SHA-256. */
interface Stored {
  size: number;
  sha256?: string;
}

/**
 * Reads a stored object, and returns its size and SHA-256; `undefined` if the
 * object does not exist.
 */
async function storedAs(
  storage: Storage,
  file: string,
): Promise<Stored | undefined> {
  const sum = createSha256();
  let size = 0;
  try {
    for await (const part of storage.get(file, { fresh: true })) {
      sum.update(part);
      size += part.length;
    }
  } catch (error) {
    if (codeOf(error) === "not-found") return undefined;
    throw error;
  }
  return { size, sha256: toHex(sum.digest()) };
}
