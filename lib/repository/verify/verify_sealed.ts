import { DeltarError, isDamage } from "../../bytes/errors.ts";
import type { SignalOptions } from "../../bytes/abort.ts";
import { checkListing } from "../../bytes/listing.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import { LISTED, SETTINGS } from "../format/names.ts";
import { readObject } from "../format/note.ts";
import { readSettings } from "../format/settings.ts";
import { isSealed, readLists, refusal } from "../runs/manifest.ts";
import { verifyNoted } from "./verify_noted.ts";

/** Options for verifying an encrypted repository without a key. */
export interface VerifySealedOptions extends SignalOptions {
  /**
   * Whether to read all objects and compare their SHA-256, in addition to names
   * and sizes. Default: `false`.
   */
  data?: boolean;
  /**
   * The public keys (`ssh-ed25519 AAAA…`) of the signers whose manifests are
   * trusted. By default, every manifest is trusted, so only accidental damage
   * is found.
   */
  signers?: readonly string[];
  /**
   * Called after each object, with the number and total size in bytes of the
   * objects compared so far.
   */
  onProgress?: (progress: { objects: number; bytes: number }) => void;
}

/** The result of verifying an encrypted repository without a key. */
export interface VerifySealedResult {
  /** The number of objects that were compared with the manifests. */
  objects: number;
  /** The total size of the compared objects, in bytes. */
  bytes: number;
  /**
   * The objects that are missing or damaged, and the manifests that are damaged
   * or not trusted, each with the reason.
   */
  damage: { object: string; message: string }[];
  /**
   * The names of encrypted objects that no trusted manifest lists. They were
   * stored by a run that is still running or was interrupted, or they are
   * forged.
   */
  unlisted: string[];
  /**
   * The names of the keys and notes that have no manifest, because an earlier
   * version of deltar stored them or somebody deleted the manifest. These keys
   * and notes were not compared.
   */
  uncovered: string[];
  /**
   * The number of manifests of each signer, by public key. Manifests that are
   * not trusted are also counted. Unsigned manifests are counted under `""`.
   */
  manifests: Record<string, number>;
}

/**
 * Verifies an encrypted repository without a key. Nothing is changed.
 *
 * - Each record, layer, volume and move that a manifest lists must exist with
 *   the listed size and, with `data`, the listed SHA-256. An object may be
 *   missing if a manifest lists it as removed.
 * - Each key and each note, such as a label, must have the size and, with
 *   `data`, the SHA-256 in one of its own manifests. A missing key or note is
 *   not a fault, because keys and notes can be deleted at any time.
 * - The settings and all manifests must be undamaged.
 *
 * These changes by somebody who can write to the storage are not detected:
 *
 * - A key or note is deleted, with or without its manifests.
 * - A key or note is changed after its manifests were deleted (see
 *   `uncovered`).
 * - An object and its manifests are replaced by older versions.
 *
 * @param storage The storage of the repository.
 * @param options Whether to read all data, the trusted signers, the callback
 *   and the signal.
 * @returns The damage, and the numbers of objects and manifests that were
 *   checked.
 * @throws {DeltarError} `unsupported` if the repository is not encrypted;
 *   `not-found` if the storage is not a repository; `aborted` if the signal
 *   fired; the error of the storage.
 *
 * @example
 * ```ts
 * import { MemoryStorage, Repository } from "@deltar/deltar";
 * import { newIdentity, recipientOf } from "@deltar/deltar/age";
 * import { verifySealed } from "@deltar/deltar/repository";
 * import assert from "node:assert/strict";
 *
 * const storage = new MemoryStorage();
 * const to = await recipientOf(await newIdentity());
 * await Repository.create(storage, { encrypt: { name: "me", to } });
 * const { damage, unlisted } = await verifySealed(storage, { data: true });
 * assert.deepEqual(damage, []);
 * assert.deepEqual(unlisted, []);
 * ```
 */
export async function verifySealed(
  storage: Storage,
  { data = false, signers, onProgress, signal }: VerifySealedOptions = {},
): Promise<VerifySealedResult> {
  const reading = untilAborted(storage, signal);
  const result: VerifySealedResult = {
    objects: 0,
    bytes: 0,
    damage: [],
    unlisted: [],
    uncovered: [],
    manifests: {},
  };
  const fail = (object: string, message: string) =>
    result.damage.push({ object, message });
  const id = await repositoryId(reading, fail);
  const refuse = refusal({ repository: id, signers });
  const lists = await readLists(reading, refuse, fail);
  const { listed, removed } = lists;
  result.manifests = lists.manifests;
  for (const folder of LISTED) {
    for await (const { name, size } of reading.list(folder)) {
      if (!isSealed(name)) continue;
      const expected = listed.get(name);
      listed.delete(name);
      if (expected === undefined) {
        result.unlisted.push(name);
        continue;
      }
      const sums = expected.filter((one) => one.size === size)
        .map(({ sha256 }) => sha256);
      if (sums.length === 0) {
        fail(
          name,
          `the object has ${size} bytes, but ${expected[0].size} bytes are ` +
            "recorded in the manifest",
        );
      } else if (data && !sums.includes(await sumOf(reading, name))) {
        fail(name, "the object's SHA-256 differs from the one in the manifest");
      }
      result.objects++;
      result.bytes += size;
      onProgress?.(result);
    }
  }
  for (const name of listed.keys()) {
    if (!removed.has(name)) fail(name, "the object is missing");
  }
  const signed = new Map<string, string>();
  result.uncovered = await verifyNoted(reading, {
    refuse: (manifest) => {
      signed.set(manifest.name, manifest.signer ?? "");
      return refuse(manifest);
    },
    data,
    fail,
    onCompared: (size) => {
      result.objects++;
      result.bytes += size;
      onProgress?.(result);
    },
    signal,
  });
  for (const signer of signed.values()) {
    result.manifests[signer] = (result.manifests[signer] ?? 0) + 1;
  }
  return result;
}

/**
 * Returns the id of the repository. If the settings are damaged, calls `fail`
 * and returns `undefined`.
 *
 * @throws {DeltarError} `unsupported` if the repository is not encrypted;
 * `not-found` if there are no settings.
 */
async function repositoryId(
  storage: Storage,
  fail: (object: string, message: string) => void,
): Promise<string | undefined> {
  try {
    const { id, encryption } = await readSettings(storage);
    checkListing(await readObject(storage, SETTINGS), SETTINGS);
    if (encryption !== undefined) return id;
  } catch (error) {
    const isLost = isDamage(error) && error.code !== "not-found";
    if (!isLost) throw error;
    fail(SETTINGS, error.message);
    return undefined;
  }
  throw new DeltarError(
    "unsupported",
    "the repository is not encrypted and has no manifests; omit the option " +
      "`--without-key`",
    { object: storage.location },
  );
}

async function sumOf(storage: Storage, name: string): Promise<string> {
  const sum = createSha256();
  for await (const part of storage.get(name)) sum.update(part);
  return toHex(sum.digest());
}
