import {
  codeOf,
  type DamageHandler,
  DeltarError,
  isDamage,
} from "../../bytes/errors.ts";
import type { Line } from "../../bytes/listing.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import type { SigningKey } from "../../ssh/mod.ts";
import { publicText, wireOf } from "../../ssh/ed25519.ts";
import type { Storage } from "../../storage/storage.ts";
import { parseTime } from "../format/moment.ts";
import { SIGNERS } from "../format/names.ts";
import { namesUnder } from "../format/note.ts";
import { putSigned, readSigned } from "./signed_object.ts";

const FORMAT = "deltar-signer";
/**
 * The number of hexadecimal digits of a key's SHA-256 in the name of an object.
 */
const NAME_DIGITS = 16;

/**
 * A machine whose signatures on records are trusted, or were trusted before.
 */
export interface Signer {
  /** The public key: `ssh-ed25519 AAAA…`. */
  publicKey: string;
  /** The id and, if known, the host name of the machine with the key. */
  machine: { id: string; host?: string };
  /**
   * Whether the machine has a write-only key. If so, the signatures of the
   * machine are trusted only for its own snapshots, so that somebody who steals
   * its keys cannot forge snapshots of other machines.
   */
  writeOnly?: boolean;
  /** The time at which the key was added, in milliseconds since 1970. */
  added: number;
  /**
   * The time at which the key was revoked, in milliseconds since 1970; absent
   * if it was not revoked. No signature of a revoked key is trusted, not even
   * on a record with an earlier time, because a thief can sign records with any
   * time.
   */
  revoked?: number;
}

/**
 * The trust in the signatures of a key. `unknown` means that the key is neither
 * the admin key nor the key of a signer.
 */
export type Trust = "trusted" | "unknown" | "revoked";

/**
 * The machines whose signatures on records are trusted, or were trusted before.
 * Each signer is stored in a separate object, which the admin key signs. So if
 * two machines add or change signers at the same time, both changes are kept.
 */
export class Signers {
  readonly #storage: Storage;
  readonly #adminPublicKey: string;
  readonly #admin: SigningKey | undefined;
  /** The signers that were looked up, by public key. */
  readonly #known = new Map<string, Promise<Signer | undefined>>();

  /**
   * Creates a view of the signers of a repository without reading anything.
   *
   * @param storage The repository's storage, which returns decrypted objects.
   * @param adminPublicKey The public admin key, which must have signed each
   *   signer.
   * @param admin The admin key, which is needed to change signers; `undefined`
   *   if the caller's key is write-only.
   */
  constructor(
    storage: Storage,
    adminPublicKey: string,
    admin: SigningKey | undefined,
  ) {
    this.#storage = storage;
    this.#adminPublicKey = adminPublicKey;
    this.#admin = admin;
  }

  /**
   * Returns all signers, including revoked ones, the oldest first.
   *
   * @param onDamage Called with the error of each object that cannot be read or
   *   is not signed by the admin key. By default, the error is thrown.
   * @throws {DeltarError} `key` if an object is not encrypted for the caller,
   *   which is always the case if the caller's key is write-only; also any
   *   error that `onDamage` throws.
   */
  async list(onDamage?: DamageHandler): Promise<Signer[]> {
    const signers: Signer[] = [];
    for (const name of await namesUnder(this.#storage, SIGNERS)) {
      try {
        signers.push(await this.#read(name));
      } catch (error) {
        if (codeOf(error) === "not-found") continue;
        if (onDamage === undefined || !isDamage(error)) throw error;
        onDamage(error);
      }
    }
    return signers.sort((a, b) => a.added - b.added);
  }

  /**
   * Returns the trust in the signatures of a key. The signatures of the admin
   * key are always trusted. Each signer is read only once, unless this instance
   * changes it. A damaged signer is treated as missing.
   *
   * @param publicKey The public key: `ssh-ed25519 AAAA…`.
   * @throws {DeltarError} `key` if the signer is not encrypted for the caller.
   */
  async trust(publicKey: string): Promise<Trust> {
    if (publicKey === this.#adminPublicKey) return "trusted";
    const signer = await this.#find(publicKey);
    if (signer === undefined) return "unknown";
    return signer.revoked === undefined ? "trusted" : "revoked";
  }

  /**
   * Returns whether a trusted key may sign the snapshots of a machine. A
   * machine with a write-only key may sign only its own snapshots.
   *
   * @param publicKey The public key: `ssh-ed25519 AAAA…`.
   * @param machine The id of the machine that a record names; `undefined` if
   *   the record names no machine.
   * @throws {DeltarError} `key` if the signer is not encrypted for the caller.
   */
  async maySignFor(
    publicKey: string,
    machine: string | undefined,
  ): Promise<boolean> {
    if (publicKey === this.#adminPublicKey) return true;
    const signer = await this.#find(publicKey);
    return signer !== undefined &&
      (!signer.writeOnly || signer.machine.id === machine);
  }

  /**
   * Adds a signer. If the key is already trusted, the stored signer is replaced
   * only if its `writeOnly` differs.
   *
   * @throws {DeltarError} `key` if the caller has no admin key; `exists` if the
   *   key was revoked; `unsupported` or `corrupt` if the key is not a valid
   *   Ed25519 key.
   */
  async add(
    { publicKey, machine, writeOnly }: Pick<
      Signer,
      "publicKey" | "machine" | "writeOnly"
    >,
  ): Promise<void> {
    const admin = this.#needAdmin();
    const key = publicText(wireOf(publicKey));
    const { id, host } = machine;
    const signer: Signer = {
      publicKey: key,
      machine: { id, ...host !== undefined && { host } },
      ...writeOnly && { writeOnly },
      added: Date.now(),
    };
    this.#known.delete(key);
    const name = nameOf(key);
    const fields = fieldsOf(signer);
    try {
      await putSigned(this.#storage, name, FORMAT, fields, admin, {
        ifAbsent: true,
      });
    } catch (error) {
      if (codeOf(error) !== "exists") throw error;
      const { revoked, writeOnly: before, added } = await this.#read(name);
      if (revoked === undefined) {
        if (!before === !writeOnly) return;
        const changed = fieldsOf({ ...signer, added });
        return await putSigned(this.#storage, name, FORMAT, changed, admin);
      }
      throw new DeltarError(
        "exists",
        "the signing key was revoked; use another signing key",
        { object: name, cause: error },
      );
    }
  }

  /**
   * Revokes the key of a signer permanently.
   *
   * @param publicKey The public key: `ssh-ed25519 AAAA…`.
   * @param time The time of the revocation, in milliseconds since 1970.
   *   Default: now.
   * @throws {DeltarError} `key` if the caller has no admin key; `not-found` if
   *   there is no such signer; `unsupported` or `corrupt` if the key is not a
   *   valid Ed25519 key.
   */
  async revoke(publicKey: string, time: number = Date.now()): Promise<void> {
    const admin = this.#needAdmin();
    const name = nameOf(publicText(wireOf(publicKey)));
    let signer: Signer;
    try {
      signer = await this.#read(name);
    } catch (cause) {
      if (codeOf(cause) !== "not-found") throw cause;
      throw new DeltarError(
        "not-found",
        `no signer of the repository has the key ${publicKey}`,
        { cause },
      );
    }
    if (signer.revoked !== undefined) return;
    this.#known.delete(signer.publicKey);
    const fields = fieldsOf({ ...signer, revoked: time });
    await putSigned(this.#storage, name, FORMAT, fields, admin);
  }

  #find(publicKey: string): Promise<Signer | undefined> {
    let found = this.#known.get(publicKey);
    if (found === undefined) {
      found = this.#lookUp(publicKey);
      this.#known.set(publicKey, found);
      found.catch(() => this.#known.delete(publicKey));
    }
    return found;
  }

  async #lookUp(publicKey: string): Promise<Signer | undefined> {
    try {
      const signer = await this.#read(nameOf(publicKey));
      // The name contains only a part of the key's SHA-256, so the signer may
      // have another key.
      return signer.publicKey === publicKey ? signer : undefined;
    } catch (error) {
      if (codeOf(error) === "not-found" || isDamage(error)) return undefined;
      throw error;
    }
  }

  async #read(name: string): Promise<Signer> {
    const { publicKey, machine, writeOnly, added, revoked } = await readSigned(
      this.#storage,
      name,
      FORMAT,
      this.#adminPublicKey,
    );
    const { id, host } = (machine ?? {}) as Line;
    const addedAt = parseTime(added);
    const revokedAt = parseTime(revoked);
    if (
      typeof publicKey !== "string" || nameOf(publicKey) !== name ||
      typeof id !== "string" || addedAt === undefined ||
      writeOnly !== undefined && typeof writeOnly !== "boolean" ||
      revoked !== undefined && revokedAt === undefined
    ) {
      throw new DeltarError(
        "corrupt",
        "missing or invalid fields of a signer",
        { object: name },
      );
    }
    return {
      publicKey,
      machine: { id, ...typeof host === "string" && { host } },
      ...writeOnly && { writeOnly },
      added: addedAt,
      ...revokedAt !== undefined && { revoked: revokedAt },
    };
  }

  #needAdmin(): SigningKey {
    if (this.#admin !== undefined) return this.#admin;
    throw new DeltarError(
      "key",
      "a write-only key cannot change the signers; use a full key",
      { object: this.#storage.location },
    );
  }
}

/** Returns the name of the object of a signer. */
function nameOf(publicKey: string): string {
  return `${SIGNERS}${keySum(publicKey)}.json`;
}

/**
 * Returns the first 16 hexadecimal digits of the SHA-256 of a public key, for
 * the names of objects.
 *
 * @param publicKey The public key: `ssh-ed25519 AAAA…`.
 */
export function keySum(publicKey: string): string {
  const sum = toHex(sha256(new TextEncoder().encode(publicKey)));
  return sum.slice(0, NAME_DIGITS);
}

function fieldsOf(
  { publicKey, machine, writeOnly, added, revoked }: Signer,
): Line {
  return {
    publicKey,
    machine,
    ...writeOnly && { writeOnly },
    added: new Date(added).toISOString(),
    ...revoked !== undefined && { revoked: new Date(revoked).toISOString() },
  };
}
