import { isDamage } from "../../bytes/errors.ts";
import type { SigningKey } from "../../ssh/ed25519.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines } from "../../bytes/listing.ts";
import { COPIED, idOfObject, isPart } from "../format/names.ts";
import { namesUnder, readIfThere } from "../format/note.ts";
import { signerOf, signListing } from "../format/signed_listing.ts";
import {
  encodeRecord,
  type ReadRecord,
  readRecord,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";
import { keySum } from "./signers.ts";

const FORMAT = "deltar-copied";
const VERSION = 1;

/**
 * The notes in which a machine that copied snapshots into a repository vouches
 * for these snapshots. The record of a snapshot is copied byte for byte.
 * Therefore, the copy is signed for the repository from which it comes, often
 * by a machine that is not a signer of the target repository. A note has the
 * SHA-256 of the record and the id of the target repository, and is signed by
 * the machine that copied the snapshot.
 */
export class CopiedNotes {
  readonly #storage: Storage;
  readonly #repository: string;
  /** The names of the notes, by snapshot id. */
  #names: Promise<Map<string, string[]>> | undefined;

  /**
   * Creates a view of the notes without reading anything.
   *
   * @param storage The repository's storage, which returns decrypted objects.
   * @param repository The id of the repository.
   */
  constructor(storage: Storage, repository: string) {
    this.#storage = storage;
    this.#repository = repository;
  }

  /**
   * Stores the note about a snapshot. Does nothing if the note is already
   * stored.
   *
   * @param to The storage to write to, such as the storage of a run.
   * @param read The record of the snapshot, and its SHA-256.
   * @param from The id of the repository that the snapshot comes from.
   * @param key The key of the machine that copied the snapshot.
   */
  async vouch(
    to: Storage,
    { record: { id }, sha256 }: ReadRecord,
    from: string,
    key: SigningKey,
  ): Promise<void> {
    const name = `${COPIED}${id}.${keySum(key.publicKey)}.json`;
    const names = await this.#all();
    const about = names.get(id) ?? [];
    const isMine = (signer: string) =>
      Promise.resolve(signer === key.publicKey);
    const isStored = about.includes(name) &&
      await this.#vouches(name, id, sha256, isMine);
    if (isStored) return;
    const fields = {
      snapshot: id,
      sha256,
      repository: this.#repository,
      from,
      time: new Date().toISOString(),
    };
    const bytes = encodeLines(FORMAT, VERSION, fields, []);
    await to.put(name, await signListing(bytes, key));
    if (!about.includes(name)) names.set(id, [...about, name]);
  }

  /**
   * Returns whether at least one stored note vouches for a record and comes
   * from a signer that is allowed to vouch.
   *
   * @param record The record. Its label may be the current label instead of the
   * stored one.
   * @param mayVouch Called with the public key of the signer of a note. Returns
   * whether this signer is allowed to vouch for records.
   * @throws {DeltarError} The errors of the storage.
   */
  async isVouched(
    record: SnapshotRecord,
    mayVouch: (signer: string) => Promise<boolean>,
  ): Promise<boolean> {
    const names = (await this.#all()).get(record.id) ?? [];
    if (names.length === 0) return false;
    try {
      // The record is read again to compute its SHA-256. A hostile storage
      // could return another record this time, so the two are compared.
      const again = await readRecord(this.#storage, record.id);
      if (!isSame(again.record, record)) return false;
      for (const name of names) {
        if (await this.#vouches(name, record.id, again.sha256, mayVouch)) {
          return true;
        }
      }
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
    return false;
  }

  /**
   * Returns whether a note vouches for a record and comes from a signer that is
   * allowed to vouch.
   */
  async #vouches(
    name: string,
    id: string,
    sha256: string,
    mayVouch: (signer: string) => Promise<boolean>,
  ): Promise<boolean> {
    try {
      const bytes = await readIfThere(this.#storage, name);
      if (bytes === undefined) return false;
      const { header } = decodeLines(bytes, FORMAT, VERSION, name);
      const signer = await signerOf(bytes, name);
      return signer !== undefined && header.snapshot === id &&
        header.sha256 === sha256 && header.repository === this.#repository &&
        await mayVouch(signer);
    } catch (error) {
      if (!isDamage(error)) throw error;
      return false;
    }
  }

  #all(): Promise<Map<string, string[]>> {
    const all = this.#names ??= this.#list();
    all.catch(() => this.#names = undefined);
    return all;
  }

  async #list(): Promise<Map<string, string[]>> {
    const names = await namesUnder(this.#storage, COPIED);
    return Map.groupBy(
      names.filter((name) => isPart("copied", name)),
      (name) => idOfObject(name) ?? "",
    );
  }
}

/** Returns whether two records are the same, except for their labels. */
function isSame(a: SnapshotRecord, b: SnapshotRecord): boolean {
  const [one, other] = [a, b].map(({ label: _, ...rest }) =>
    new TextDecoder().decode(encodeRecord(rest))
  );
  return a.signer === b.signer && one === other;
}
