import { toHex } from "../../bytes/hex.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import { codeOf } from "../../bytes/errors.ts";
import type { SigningKey } from "../../ssh/ed25519.ts";
import type { Storage } from "../../storage/storage.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";
import {
  isSealed,
  type Manifest,
  ManifestWriter,
  readManifests,
} from "../runs/manifest.ts";

/**
 * The maximum number of lines of a merged manifest. A prune deletes a manifest
 * when all of its objects are deleted. So objects of about the same age should
 * share a manifest, and manifests should not be too large.
 */
const MAX_LINES = 1000;

/** The repository to rekey. */
export interface RekeyedRepository {
  /** The storage of the encrypted objects. */
  files: Storage;
  /** The id of the repository. */
  id: string;
  /** The trusted key that signs manifests. */
  signer: SigningKey;
  /**
   * Called with the public key of the signer of each manifest, or with
   * `undefined` if the manifest is not signed. Returns whether the signer is
   * trusted.
   */
  isTrusted: (signer: string | undefined) => Promise<boolean>;
}

/**
 * The manifests of a repository while its objects get new headers, which change
 * their SHA-256. Before an object is replaced, a manifest lists it with its new
 * SHA-256. So a manifest lists the current SHA-256 of each object at any time.
 * After all objects are replaced, `settle` removes the outdated SHA-256 sums
 * from the manifests.
 */
export class RekeyedManifests {
  readonly #repository: RekeyedRepository;
  readonly #writer: ManifestWriter;
  readonly #unsigned: ManifestWriter;
  /** The objects in trusted manifests, by name. */
  readonly #trusted = new Map<string, ObjectRecord[]>();
  /** The objects in untrusted manifests, by name. */
  readonly #others = new Map<string, ObjectRecord[]>();
  /** The names of the signed manifests that `list` stored. */
  readonly #stored = new Set<string>();

  /**
   * The SHA-256, size and name of each replaced object, as the text that
   * `keyOf` returns, by name.
   */
  readonly #replaced = new Map<string, string>();
  #isSettled = false;

  /**
   * Creates a view of the manifests without reading them. Call `load` to read
   * them.
   */
  constructor(repository: RekeyedRepository) {
    const { files, id, signer } = repository;
    this.#repository = repository;
    this.#writer = new ManifestWriter(files, id, signer);
    this.#unsigned = new ManifestWriter(files, id, undefined);
  }

  /**
   * Reads the manifests. Ignores damaged manifests.
   *
   * @throws {DeltarError} The error of the storage.
   */
  async load(): Promise<void> {
    this.#trusted.clear();
    this.#others.clear();
    for await (const [manifest, isTrusted] of this.#manifests()) {
      const lines = isTrusted ? this.#trusted : this.#others;
      for (const object of manifest.objects) addTo(lines, object);
    }
  }

  /** Records that an object was replaced. */
  replaced(object: ObjectRecord): void {
    this.#replaced.set(object.name, keyOf(object));
  }

  /**
   * Returns whether a manifest lists an object with its size and SHA-256, or no
   * manifest lists the object. If a trusted manifest lists the object,
   * untrusted manifests are ignored.
   */
  isIntact({ name, size, sha256 }: ObjectRecord): boolean {
    const lines = this.#trusted.get(name) ?? this.#others.get(name);
    return lines === undefined ||
      lines.some((one) => one.size === size && one.sha256 === sha256);
  }

  /**
   * Stores manifests that list objects with their future SHA-256. If only
   * untrusted manifests list an object, it is listed in an unsigned manifest,
   * because no trusted signer vouches for it. An object that no manifest lists
   * is ignored.
   */
  async list(objects: readonly ObjectRecord[]): Promise<void> {
    const sealed = objects.filter(({ name }) => isSealed(name));
    for (
      const [lines, writer] of [
        [this.#trusted, this.#writer],
        [this.#others, this.#unsigned],
      ] as const
    ) {
      const listed = sealed.filter(({ name }) =>
        lines.has(name) && (lines === this.#trusted || !this.#trusted.has(name))
      );
      if (listed.length === 0) continue;
      this.#isSettled = false;
      const name = await writer.put({ objects: listed, removed: [] });
      if (writer === this.#writer) this.#stored.add(name);
    }
  }

  /**
   * Removes outdated lines from the trusted manifests: lines with a SHA-256
   * that an object had before it was replaced. The manifests with such lines
   * are replaced by new, signed manifests without these lines. If `list` has
   * stored several signed manifests, they are merged, too. If no line for an
   * object has its current size and SHA-256, all lines for the object are kept,
   * so that a verification reports the object. Does nothing if `settle` was
   * called before and `list` has stored no manifest since then.
   *
   * @param isAtWork Called with the name of an object. Returns whether the
   * object belongs to an unfinished run. All lines for such an object are kept.
   * @throws {DeltarError} The error of the storage.
   */
  async settle(isAtWork: (name: string) => boolean): Promise<void> {
    if (this.#isSettled) return;
    this.#isSettled = true;
    const manifests: Manifest[] = [];
    const lines = new Map<string, ObjectRecord[]>();
    for await (const [manifest, isTrusted] of this.#manifests()) {
      if (!isTrusted) continue;
      manifests.push(manifest);
      for (const object of manifest.objects) addTo(lines, object);
    }
    const stale = new Set<string>();
    for (const [name, all] of lines) {
      const sums = new Set(all.map(keyOf));
      if (sums.size < 2 || isAtWork(name)) continue;
      const actual = this.#replaced.get(name) ?? await this.#actual(name);
      if (actual === undefined || !sums.has(actual)) continue;
      for (const sum of sums) if (sum !== actual) stale.add(sum);
    }
    const isMerged = this.#stored.size > 1;
    const going = manifests.filter(({ name, objects }) =>
      isMerged && this.#stored.has(name) ||
      objects.some((object) => stale.has(keyOf(object)))
    );
    if (going.length === 0) return;
    const objects = new Map<string, ObjectRecord>();
    const removed = new Set<string>();
    for (const manifest of going) {
      for (const object of manifest.objects) {
        const key = keyOf(object);
        if (!stale.has(key)) objects.set(key, object);
      }
      for (const name of manifest.removed) removed.add(name);
    }
    const rest = [...objects.values()]
      .sort((a, b) => timeText(a.name) < timeText(b.name) ? -1 : 1);
    const names = [...removed];
    while (rest.length + names.length > 0) {
      await this.#writer.put({
        objects: rest.splice(0, MAX_LINES),
        removed: names.splice(0, MAX_LINES),
      });
    }
    for (const { name } of going) await this.#repository.files.delete(name);
  }

  /**
   * Yields each undamaged manifest of the repository, and whether it is
   * trusted.
   */
  async *#manifests(): AsyncGenerator<[Manifest, boolean]> {
    const { files, id, isTrusted } = this.#repository;
    for await (const manifest of readManifests(files, () => {})) {
      if (manifest.repository !== id) continue;
      yield [manifest, await isTrusted(manifest.signer)];
    }
  }

  /**
   * Reads a stored object and returns the result of `keyOf` for it, or
   * `undefined` if the object is missing.
   */
  async #actual(name: string): Promise<string | undefined> {
    const sum = createSha256();
    let size = 0;
    try {
      const file = this.#repository.files.get(name, { fresh: true });
      for await (const part of file) {
        sum.update(part);
        size += part.length;
      }
    } catch (error) {
      if (codeOf(error) === "not-found") return undefined;
      throw error;
    }
    return keyOf({ name, size, sha256: toHex(sum.digest()) });
  }
}

function addTo(lines: Map<string, ObjectRecord[]>, object: ObjectRecord): void {
  const there = lines.get(object.name);
  if (there === undefined) lines.set(object.name, [object]);
  else there.push(object);
}

/**
 * Returns an object's name without its folder. The returned text begins with
 * the start time of the run that stored the object.
 */
function timeText(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

function keyOf({ name, size, sha256 }: ObjectRecord): string {
  return `${sha256} ${size} ${name}`;
}
