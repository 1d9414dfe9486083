import { codeOf, isDamage } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import { collect } from "../../bytes/source.ts";
import type { SigningKey } from "../../ssh/ed25519.ts";
import type { PutOptions, Storage } from "../../storage/storage.ts";
import { isNoted, newId, noteManifestName } from "../format/names.ts";
import { readIfThere } from "../format/note.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";
import {
  allNoteManifests,
  decodeManifest,
  encodeManifest,
  manifestsOfNote,
} from "../runs/manifest.ts";

/** The maximum number of names that are tried for a manifest. */
const MAX_NAMES = 8;

/**
 * Returns a storage of encrypted objects that stores a manifest before each key
 * file and note, so that key files and notes can be verified without a key.
 *
 * A writer that is killed may leave the manifest of an object that it did not
 * store or replace. So an object is considered undamaged if any of its
 * manifests contains its SHA-256. After an object is replaced, its older
 * manifests are deleted. After it is deleted, all of its manifests are deleted.
 *
 * @param storage The storage of the encrypted objects.
 * @param repository The id of the repository.
 * @param key The key that signs the manifests; `undefined` to sign nothing.
 */
export function withNoteManifests(
  storage: Storage,
  repository: string,
  key: SigningKey | undefined,
): Storage {
  /** Stores the manifest of an object under a name that is not in use. */
  const putManifest = async (
    object: ObjectRecord,
    options: PutOptions | undefined,
  ) => {
    for (let tries = 1;; tries++) {
      const id = newId(Date.now(), Math.random());
      const name = noteManifestName(object.name, id);
      const manifest = await encodeManifest(
        { name, repository, objects: [object], removed: [] },
        key,
      );
      try {
        await storage.put(name, manifest, { ...options, ifAbsent: true });
        return { name, manifest };
      } catch (error) {
        if (codeOf(error) !== "exists" || tries === MAX_NAMES) throw error;
      }
    }
  };
  const putListed = async (
    file: string,
    bytes: Uint8Array,
    options: PutOptions | undefined,
  ) => {
    const object = {
      name: file,
      size: bytes.length,
      sha256: toHex(sha256(bytes)),
    };
    const { name, manifest } = await putManifest(object, options);
    try {
      await storage.put(file, bytes, options);
    } catch (error) {
      if (codeOf(error) === "exists") {
        await storage.delete(name).catch(() => {});
      }
      throw error;
    }
    if (options?.ifAbsent) return;
    const all = await manifestsOfNote(storage, file);
    // Another writer may have replaced the object at the same time and deleted
    // this manifest as an older one. It is not known which writer stored the
    // object last, so this manifest is stored again.
    if (!all.includes(name)) {
      return await storage.put(name, manifest, options);
    }
    for (const other of all) {
      if (other !== name) await storage.delete(other);
    }
  };
  return {
    location: storage.location,
    localPath: storage.localPath,
    get: (name, options) => storage.get(name, options),
    put: async (name, source, options) =>
      isNoted(name)
        ? await putListed(name, await collect(source), options)
        : await storage.put(name, source, options),
    list: (prefix) => storage.list(prefix),
    delete: async (name) => {
      await storage.delete(name);
      if (!isNoted(name)) return;
      for (const manifest of await manifestsOfNote(storage, name)) {
        await storage.delete(manifest);
      }
    },
    tidy: storage.tidy?.bind(storage),
    prepare: storage.prepare?.bind(storage),
    clearAbandoned: storage.clearAbandoned?.bind(storage),
    belongsToOthers: storage.belongsToOthers?.bind(storage),
  };
}

/**
 * Deletes the manifests that were stored for another repository in the same
 * storage, and manifests that are damaged. The creation of the other repository
 * was interrupted, or failed because the new repository was created first.
 *
 * @param storage The storage of the encrypted objects of a new repository.
 * @param repository The id of the new repository.
 */
export async function deleteOtherManifests(
  storage: Storage,
  repository: string,
): Promise<void> {
  for (const name of [...(await allNoteManifests(storage)).values()].flat()) {
    if (await repositoryOf(storage, name) === repository) continue;
    await storage.delete(name);
  }
}

/**
 * Returns the id of the repository that a manifest names; `undefined` if the
 * manifest is missing or damaged.
 */
async function repositoryOf(
  storage: Storage,
  name: string,
): Promise<string | undefined> {
  try {
    const bytes = await readIfThere(storage, name);
    return bytes && (await decodeManifest(bytes, name)).repository;
  } catch (error) {
    if (isDamage(error)) return undefined;
    throw error;
  }
}
