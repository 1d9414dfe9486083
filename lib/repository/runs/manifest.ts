/**
 * Manifests list the stored objects of an encrypted repository. The manifests
 * themselves are not encrypted. A machine with a signing key signs its
 * manifests. With manifests, a user without a key can verify and mirror the
 * repository. The operator of a storage learns from manifests only which
 * objects were stored by the same machine.
 *
 * Each run stores manifests of the objects that it stored. Before deltar
 * deletes an object that a manifest may list, it stores another manifest that
 * lists the object in its field `removed`.
 *
 * Keys and notes are stored outside of runs, and can be replaced or deleted at
 * any time. Each key and note has a separate manifest, which is stored before
 * the key or note (`../store/noted_storage.ts`).
 *
 * `../verify/verify_sealed.ts` compares the objects with the manifests, and
 * `ManifestWriter.tidy` deletes or merges obsolete manifests.
 *
 * @module
 */
import { DeltarError, isDamage } from "../../bytes/errors.ts";
import { isCount } from "../../bytes/is_count.ts";
import { decodeLines, encodeLines, type Line } from "../../bytes/listing.ts";
import { mapAhead } from "../../bytes/map_ahead.ts";
import type { SigningKey } from "../../ssh/ed25519.ts";
import { MAX_REQUESTS_AT_ONCE } from "../../storage/max_requests.ts";
import { AGE_SUFFIX } from "../../storage/names.ts";
import type { Storage } from "../../storage/storage.ts";
import {
  idOfManifest,
  isListed,
  LISTED,
  manifestName,
  MANIFESTS,
  manifestsOf,
  newId,
  NOTED,
  partsOfNoteManifest,
  timeOfId,
} from "../format/names.ts";
import { namesUnder, readIfThere } from "../format/note.ts";
import { signerOf, signListing } from "../format/signed_listing.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";

/** The content and name of a manifest, and its signer. */
export interface Manifest {
  /** The name of the manifest. */
  name: string;
  /** The id of the repository. */
  repository: string;
  /** The stored objects, with the size and SHA-256 of their encrypted bytes. */
  objects: ObjectRecord[];
  /** The names of objects that were deleted or about to be deleted. */
  removed: string[];
  /** The public key of the signer. Absent if the manifest is not signed. */
  signer?: string;
}

const FORMAT = "deltar-manifest";
const VERSION = 1;

/**
 * The minimum age, in milliseconds, of a manifest that is deleted because its
 * key or note is missing. An interrupted writer leaves such a manifest behind.
 */
const MIN_LEFT_MS = 24 * 60 * 60_000;

/**
 * Reads a manifest and validates every field. The caller decides whether the
 * signer is trusted.
 *
 * @param bytes The object.
 * @param name The name of the object, for errors.
 * @throws {DeltarError} `corrupt` or `truncated` if the manifest is damaged or
 * was changed after it was signed; `limit` if its first line has too many JSON
 * objects or arrays; `unsupported` if its version is newer.
 */
export async function decodeManifest(
  bytes: Uint8Array,
  name: string,
): Promise<Manifest> {
  const { header, lines } = decodeLines(bytes, FORMAT, VERSION, name);
  const signer = await signerOf(bytes, name);
  const fail = (offset: number) =>
    new DeltarError("corrupt", "invalid line in a manifest", {
      object: name,
      offset,
    });
  const { repository } = header;
  if (typeof repository !== "string") throw fail(0);
  if (header.name !== name) {
    throw new DeltarError(
      "corrupt",
      `the manifest has the name of another manifest: ${header.name}`,
      { object: name },
    );
  }
  const manifest: Manifest = {
    name,
    repository,
    objects: [],
    removed: [],
    ...signer !== undefined && { signer },
  };
  const note = partsOfNoteManifest(name);
  for (const [line, offset] of lines) {
    if ("signature" in line) continue;
    const object = line.name;
    const isExpected = typeof object === "string" &&
      (note === undefined ? isSealed(object) : object === note.file);
    if (!isExpected) throw fail(offset);
    if (line.removed === true) manifest.removed.push(object);
    else manifest.objects.push(objectIn(line, object, () => fail(offset)));
  }
  return manifest;
}

function objectIn(
  { size, sha256 }: Line,
  name: string,
  fail: () => DeltarError,
): ObjectRecord {
  if (
    !isCount(size) || typeof sha256 !== "string" ||
    !/^[0-9a-f]{64}$/.test(sha256)
  ) throw fail();
  return { name, size, sha256 };
}

/**
 * Returns whether a name is that of an encrypted record, layer, volume or move.
 * The manifests of runs list these objects.
 */
export function isSealed(name: string): boolean {
  return name.endsWith(AGE_SUFFIX) &&
    isListed(name.slice(0, -AGE_SUFFIX.length));
}

/**
 * Encodes a manifest, and signs it if a key is given.
 *
 * @param manifest The manifest. Its `signer` is ignored.
 * @param key The key that signs the manifest; `undefined` for no signature.
 */
export async function encodeManifest(
  { name, repository, objects, removed }: Manifest,
  key: SigningKey | undefined,
): Promise<Uint8Array> {
  const lines: Line[] = [
    ...objects.map(({ name, size, sha256 }) => ({ name, size, sha256 })),
    ...removed.map((name) => ({ name, removed: true })),
  ];
  const bytes = encodeLines(FORMAT, VERSION, { name, repository }, lines);
  return key === undefined ? bytes : await signListing(bytes, key);
}

/**
 * Returns the names of the manifests of a key or note.
 *
 * @param storage The storage of the encrypted objects.
 * @param file The name of the key or note, as it is stored.
 */
export async function manifestsOfNote(
  storage: Storage,
  file: string,
): Promise<string[]> {
  // The prefix also matches manifests of other keys and notes whose names begin
  // with the name of this one.
  return (await namesUnder(storage, manifestsOf(file)))
    .filter((name) => partsOfNoteManifest(name)?.file === file);
}

/**
 * Returns the names of the manifests of all keys and notes, by the stored names
 * of the keys and notes.
 *
 * @param storage The storage of the encrypted objects.
 */
export async function allNoteManifests(
  storage: Storage,
): Promise<Map<string, string[]>> {
  const all = new Map<string, string[]>();
  for (const name of await namesUnder(storage, MANIFESTS)) {
    const { file } = partsOfNoteManifest(name) ?? {};
    if (file === undefined) continue;
    const names = all.get(file);
    if (names === undefined) all.set(file, [name]);
    else names.push(name);
  }
  return all;
}

/**
 * Reads the manifests of a key or note.
 *
 * @param storage The storage of the encrypted objects.
 * @param names The names of the manifests.
 * @param refuse Called with each manifest. Returns the reason for ignoring the
 * manifest, or `undefined` to accept it.
 * @param fail Called with the name of each manifest that is damaged or ignored,
 * and with the reason as text.
 * @returns The accepted manifests.
 */
export async function readNoteManifests(
  storage: Storage,
  names: Iterable<string>,
  refuse: Refuse,
  fail: (object: string, message: string) => void,
): Promise<Manifest[]> {
  const counting: Manifest[] = [];
  for (const name of names) {
    try {
      const bytes = await readIfThere(storage, name);
      if (bytes === undefined) continue;
      const manifest = await decodeManifest(bytes, name);
      const refusal = await refuse(manifest);
      if (refusal === undefined) counting.push(manifest);
      else fail(name, refusal);
    } catch (error) {
      if (!isDamage(error)) throw error;
      fail(name, error.message);
    }
  }
  return counting;
}

/**
 * Returns a function that returns the reason for ignoring a manifest, or
 * `undefined` to accept it.
 *
 * @param expected `repository` is the id of the repository, or `undefined` to
 * accept manifests of all repositories. `signers` are the trusted public keys,
 * or `undefined` to accept unsigned manifests and those of all signers.
 */
export function refusal(
  { repository, signers }: {
    repository: string | undefined;
    signers: readonly string[] | undefined;
  },
): (manifest: Manifest) => string | undefined {
  return ({ repository: other, signer = "" }) => {
    if (repository !== undefined && other !== repository) {
      return "the manifest belongs to another repository";
    }
    if (signers === undefined || signers.includes(signer)) return undefined;
    return signer === ""
      ? "the manifest is not signed"
      : `the manifest is signed by a key that is not trusted: ${signer}`;
  };
}

/**
 * Yields the manifests of a repository, except for those of keys and notes.
 *
 * @param storage The storage of the encrypted objects.
 * @param onDamage Called with the error of each manifest that is damaged.
 */
export async function* readManifests(
  storage: Storage,
  onDamage: (error: DeltarError) => void,
): AsyncGenerator<Manifest> {
  const names = (await namesUnder(storage, MANIFESTS))
    .filter((name) => idOfManifest(name) !== undefined);
  const read = async (name: string) => {
    try {
      const bytes = await readIfThere(storage, name);
      return bytes && await decodeManifest(bytes, name);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return error;
    }
  };
  const limits = { most: MAX_REQUESTS_AT_ONCE };
  for await (const one of mapAhead(names, limits, read)) {
    if (one instanceof DeltarError) onDamage(one);
    else if (one !== undefined) yield one;
  }
}

/**
 * Called with a manifest. Returns the reason for ignoring the manifest, as
 * text, or `undefined` to accept it.
 */
export type Refuse = (
  manifest: Manifest,
) => Promise<string | undefined> | string | undefined;

/** The result of `readLists`. */
export interface Lists {
  /**
   * The stored objects, by name. An object that was stored several times has
   * several records, and its size and SHA-256 must match one of them.
   */
  listed: Map<string, ObjectRecord[]>;
  /**
   * The names of the objects that may be missing, because they were removed.
   */
  removed: Set<string>;
  /**
   * The number of manifests of each signer, by public key. Ignored manifests
   * are also counted. Unsigned manifests are counted under `""`.
   */
  manifests: Record<string, number>;
}

/**
 * Reads the manifests of a repository, except for those of keys and notes.
 *
 * @param storage The storage of the encrypted objects.
 * @param refuse Called with each manifest. Returns the reason for ignoring the
 * manifest, or `undefined` to accept it.
 * @param fail Called with the name of each manifest that is damaged or ignored,
 * and with the reason as text.
 * @returns The objects that the accepted manifests list, and the number of
 * manifests of each signer.
 */
export async function readLists(
  storage: Storage,
  refuse: Refuse,
  fail: (object: string, message: string) => void,
): Promise<Lists> {
  const lists: Lists = {
    listed: new Map(),
    removed: new Set(),
    manifests: {},
  };
  const manifests = readManifests(
    storage,
    ({ object = storage.location, message }) => fail(object, message),
  );
  for await (const manifest of manifests) {
    const { name, signer = "" } = manifest;
    lists.manifests[signer] = (lists.manifests[signer] ?? 0) + 1;
    const refusal = await refuse(manifest);
    if (refusal !== undefined) {
      fail(name, refusal);
      continue;
    }
    for (const object of manifest.objects) {
      const sums = lists.listed.get(object.name);
      if (sums === undefined) lists.listed.set(object.name, [object]);
      else sums.push(object);
    }
    for (const name of manifest.removed) lists.removed.add(name);
  }
  return lists;
}

/** A writer of the manifests of an encrypted repository. */
export class ManifestWriter {
  readonly #storage: Storage;
  readonly #repository: string;
  readonly #key: SigningKey | undefined;
  /** The objects that were stored and that no manifest lists yet. */
  readonly #stored = new Map<string, ObjectRecord>();

  /**
   * Creates a writer.
   *
   * @param storage The storage of the encrypted objects.
   * @param repository The id of the repository.
   * @param key The key that signs the manifests; `undefined` for no signatures.
   */
  constructor(
    storage: Storage,
    repository: string,
    key: SigningKey | undefined,
  ) {
    this.#storage = storage;
    this.#repository = repository;
    this.#key = key;
  }

  /** Records that an encrypted object was stored. */
  stored(object: ObjectRecord): void {
    if (isSealed(object.name)) this.#stored.set(object.name, object);
  }

  /** Forgets an object that was deleted before a manifest listed it. */
  deleted(name: string): void {
    this.#stored.delete(name + AGE_SUFFIX);
  }

  /**
   * Stores a manifest of objects that were stored and that no manifest lists
   * yet.
   *
   * @param id The id of the run.
   * @param number The number of manifests that the run has stored so far.
   * @param names The names of the objects, without `.age`.
   * @returns Whether a manifest was stored.
   */
  async list(
    id: string,
    number: number,
    names: Iterable<string>,
  ): Promise<boolean> {
    const objects: ObjectRecord[] = [];
    for (const name of names) {
      const object = this.#stored.get(name + AGE_SUFFIX);
      if (object !== undefined) objects.push(object);
    }
    if (objects.length === 0) return false;
    await this.put({ objects, removed: [] }, manifestName(id, number));
    for (const { name } of objects) this.#stored.delete(name);
    return true;
  }

  /**
   * Stores a manifest that lists objects as removed, before they are deleted.
   *
   * @param names The names of the objects, without `.age`.
   */
  async removing(names: Iterable<string>): Promise<void> {
    const removed = [...names].filter(isListed).map((name) =>
      name + AGE_SUFFIX
    );
    if (removed.length === 0) return;
    await this.put({ objects: [], removed });
  }

  /**
   * Returns the trusted manifests that list an object as removed.
   *
   * @param name The name of the object, without `.age`.
   * @param isTrusted Called with the signer of each manifest. Returns whether
   * the signer is trusted.
   */
  async removalsOf(
    name: string,
    isTrusted: (signer: string | undefined) => Promise<boolean>,
  ): Promise<Manifest[]> {
    const found: Manifest[] = [];
    for await (const one of readManifests(this.#storage, () => {})) {
      const isOurs = one.repository === this.#repository &&
        one.removed.includes(name + AGE_SUFFIX);
      if (isOurs && await isTrusted(one.signer)) found.push(one);
    }
    return found;
  }

  /**
   * Replaces manifests with manifests that no longer list an object as removed.
   * Call this method after the object has been stored again. A manifest that
   * lists nothing else is deleted.
   *
   * @param name The name of the object, without `.age`.
   * @param manifests The manifests from `removalsOf`.
   */
  async withdrawRemovals(
    name: string,
    manifests: readonly Manifest[],
  ): Promise<void> {
    for (const { name: old, objects, removed } of manifests) {
      const left = removed.filter((one) => one !== name + AGE_SUFFIX);
      if (objects.length + left.length > 0) {
        await this.put({ objects, removed: left });
      }
      await this.#storage.delete(old);
    }
  }

  /**
   * Deletes and merges manifests after objects were deleted:
   *
   * - Manifests are deleted if all objects that they list as stored have been
   *   removed.
   * - Manifests that list objects only as removed are merged into one manifest.
   *   This manifest lists the removed objects that the remaining manifests
   *   still list as stored.
   * - Manifests of missing keys and notes are deleted if the manifests are at
   *   least a day old.
   *
   * @param isTrusted Called with the signer of each manifest. Returns whether
   * the signer is trusted. A manifest is kept if it is not trusted, is damaged
   * or belongs to another repository, so that a verification reports it.
   */
  async tidy(
    isTrusted: (signer: string | undefined) => Promise<boolean>,
  ): Promise<void> {
    await this.#tidyNotes();
    const manifests: Manifest[] = [];
    for await (const one of readManifests(this.#storage, () => {})) {
      const isOurs = one.repository === this.#repository;
      if (isOurs && await isTrusted(one.signer)) manifests.push(one);
    }
    const removed = new Set(manifests.flatMap((one) => one.removed));
    // The record of a snapshot that was brought back exists again, so it must
    // not be listed as removed.
    for (const name of await this.#present(LISTED)) removed.delete(name);
    const isObsolete = ({ objects }: Manifest) =>
      objects.every(({ name }) => removed.has(name));
    const going = manifests.filter(isObsolete);
    const markers = going.filter((one) => one.removed.length > 0);
    const staying = new Set(
      manifests.filter((one) => !isObsolete(one))
        .flatMap(({ objects }) => objects.map(({ name }) => name)),
    );
    const still = [...removed].filter((name) => staying.has(name));
    const isTidy = going.length === 1 && markers.length === 1 &&
      still.length > 0 && still.length === markers[0].removed.length;
    if (isTidy) return;
    if (still.length > 0) {
      await this.put({ objects: [], removed: still });
    }
    // The manifests that list objects as removed are deleted last. If the
    // deletion is interrupted, every missing object that a manifest lists is
    // still listed as removed.
    const ordered = [
      ...going.filter((one) => !markers.includes(one)),
      ...markers,
    ];
    for (const { name } of ordered) await this.#storage.delete(name);
  }

  /** Deletes manifests left behind by interrupted writers of keys and notes. */
  async #tidyNotes(): Promise<void> {
    const all = await allNoteManifests(this.#storage);
    for (const name of await this.#present(NOTED)) all.delete(name);
    const now = Date.now();
    for (const name of [...all.values()].flat()) {
      const time = timeOfId(partsOfNoteManifest(name)?.id ?? "");
      // A writer stores the manifest right before the key or note. So the
      // writer of a recent manifest may still be running.
      if (time === undefined || now - time < MIN_LEFT_MS) continue;
      await this.#storage.delete(name);
    }
  }

  /** Returns the names of all objects in the given folders. */
  async #present(folders: readonly string[]): Promise<string[]> {
    const names: string[] = [];
    for (const folder of folders) {
      names.push(...await namesUnder(this.#storage, folder));
    }
    return names;
  }

  /**
   * Stores a manifest.
   *
   * @param lists The stored and the removed objects that the manifest lists.
   * @param name The name of the manifest. Default: a new name that does not
   * contain the id of a run.
   * @returns The name of the manifest.
   */
  async put(
    lists: Pick<Manifest, "objects" | "removed">,
    name: string = manifestName(newId(Date.now(), Math.random()), 0),
  ): Promise<string> {
    const manifest = { name, repository: this.#repository, ...lists };
    await this.#storage.put(
      name,
      await encodeManifest(manifest, this.#key),
      { ifAbsent: true },
    );
    return name;
  }
}
