/**
 * Rekeying: after a rotation, the objects that are encrypted for an older
 * identity get new headers for the newest identity. An age file consists of a
 * header with the file key, and a payload that is encrypted with this key.
 * `../../age/rewrap.ts` makes a new header with the length of the old one. The
 * payload is copied without being decrypted.
 *
 * Each object is replaced in one step, and the key files have both the old and
 * the new identity. So every full key can decrypt every object at any time.
 * Before an object is replaced, a manifest lists its new SHA-256
 * (`rekeyed_manifests.ts`). When no object needs the older identities any
 * longer, they are retired (`../store/keys.ts`).
 *
 * Replacing an object could bring back an object that another process has just
 * deleted. So a rekey holds the lease of prunes while it replaces objects, and
 * announces a change of the keys (`../store/key_changes.ts`) while it replaces
 * holders and signers. It does not replace the objects of unfinished runs,
 * which are running or were interrupted, because these runs list the SHA-256 of
 * their objects in their own manifests.
 *
 * @module
 */
import {
  needsRewrap,
  rewrapHeader,
  type RewrapKeys,
} from "../../age/rewrap.ts";
import { readHeader } from "../../age/header.ts";
import { ByteReader } from "../../bytes/byte_reader.ts";
import { checkAborted, type SignalOptions } from "../../bytes/abort.ts";
import { codeOf, DeltarError, isDamage } from "../../bytes/errors.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256, sha256 } from "../../bytes/sha256.ts";
import { chunks, collectAtMost, concat } from "../../bytes/source.ts";
import { AGE_SUFFIX, withoutAge } from "../../storage/names.ts";
import type { Storage, StoredObject } from "../../storage/storage.ts";
import { untilAborted } from "../../storage/until_aborted.ts";
import {
  CHANGES,
  CHECKPOINTS,
  DAMAGED,
  HOLDERS,
  idOfNote,
  idOfObject,
  KEYS,
  LEASES,
  newId,
  RECIPIENTS,
  RUNNING,
  SIGNERS,
} from "../format/names.ts";
import { namesUnder } from "../format/note.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";
import { DEFAULT_PATIENCE_MS } from "../prune/defaults.ts";
import { Lease } from "../prune/lease.ts";
import type { RepositoryKeys } from "../store/keys.ts";
import type { Store } from "../store/store.ts";
import { RekeyedManifests } from "./rekeyed_manifests.ts";

/** Options for rekeying. */
export interface RekeyOptions extends SignalOptions {
  /**
   * Called with the plan before anything is changed. Returns whether to
   * continue. By default, the rekey always continues.
   */
  onPlan?: (plan: RekeyPlan) => boolean | Promise<boolean>;
  /**
   * Called after each object that was examined or replaced, with the progress
   * so far.
   */
  onProgress?: (progress: RekeyProgress) => void;
  /**
   * The time for which a prune, rekey or purge without a heartbeat is watched
   * before it is considered dead, in milliseconds. Default: 45 seconds, which
   * is three heartbeat intervals.
   */
  patience?: number;
}

/** The progress of a rekey. */
export interface RekeyProgress {
  /** The current phase: reading all headers, or replacing objects. */
  phase: "reading" | "writing";
  /**
   * The number of objects that have been examined or replaced in this phase.
   */
  done: number;
  /** The number of objects to replace; 0 in the phase `reading`. */
  all: number;
  /**
   * The total size of the objects that have been replaced so far, in bytes; 0
   * in the phase `reading`.
   */
  bytes: number;
}

/** The changes that a rekey would make. */
export interface RekeyPlan {
  /**
   * The number of objects that are encrypted for an older identity and are to
   * be replaced.
   */
  objects: number;
  /**
   * The total size of the objects to replace, in bytes. Each object is stored
   * again completely, not only its header.
   */
  bytes: number;
  /**
   * The names of the objects that are encrypted for an older identity but are
   * not replaced, because they belong to a run that is running or was
   * interrupted.
   */
  atWork: string[];
  /**
   * The objects that cannot be rekeyed because they are damaged, each with a
   * description of the damage.
   */
  damage: { object: string; message: string }[];
}

/** The result of a rekey. */
export interface RekeyResult extends RekeyPlan {
  /**
   * The number of identities that were retired because no object needs them any
   * longer. It is 0 if `atWork` or `damage` is not empty.
   */
  retired: number;
}

/** The maximum number of headers that are requested at the same time. */
const MAX_HEADERS_AT_ONCE = 8;
/** The maximum number of objects that are stored at the same time. */
const MAX_WRITES = 3;
/** The number of bytes that are fetched to read a header. */
const HEADER_FETCH_BYTES = 512;
/** The maximum total size of objects that are held in memory, in bytes. */
const MAX_BATCH_BYTES = 16 << 20;
/** The maximum number of objects in one manifest of new SHA-256 sums. */
const MAX_BATCH_OBJECTS = 500;
/** The counts of an empty plan. */
const NOTHING = { objects: 0, bytes: 0 };

/** Plans a rekey. See `Repository.planRekey`. */
export async function planRekey(
  store: Store,
  options: RekeyOptions,
): Promise<RekeyPlan> {
  const keys = keysOf(store);
  const pair = await keys.rewrapKeys();
  return pair === undefined
    ? { ...NOTHING, atWork: [], damage: [] }
    : await new Rekey(store, keys, pair, options).plan();
}

/** Rekeys a repository. See `Repository.rekey`. */
export async function rekey(
  store: Store,
  options: RekeyOptions,
): Promise<RekeyResult> {
  const keys = keysOf(store);
  const pair = await keys.rewrapKeys();
  return pair === undefined
    ? { ...NOTHING, atWork: [], damage: [], retired: 0 }
    : await new Rekey(store, keys, pair, options).run();
}

function keysOf({ keys, storage }: Store): RepositoryKeys {
  if (keys !== undefined) return keys;
  throw new DeltarError(
    "unsupported",
    "the repository is not encrypted, so it has no keys",
    { object: storage.location },
  );
}

/** An object with a new header, ready to be stored. */
interface Rewrapped {
  /** The name, size and new SHA-256 of the object. */
  record: ObjectRecord;
  /** The header that the object had when it was read. */
  header: Uint8Array;
  /** Stores the object. */
  store: () => Promise<void>;
}

/** A rekey of one repository. */
class Rekey {
  readonly #store: Store;
  readonly #keys: RepositoryKeys;
  readonly #pair: RewrapKeys;
  readonly #options: RekeyOptions;
  /** The storage of the encrypted objects. */
  readonly #files: Storage;
  /** The names of the objects that need no older identity. */
  readonly #current = new Set<string>();
  readonly #damage = new Map<string, string>();
  #done = 0;
  #bytes = 0;
  #all = 0;

  constructor(
    store: Store,
    keys: RepositoryKeys,
    pair: RewrapKeys,
    options: RekeyOptions,
  ) {
    this.#store = store;
    this.#keys = keys;
    this.#pair = pair;
    this.#options = options;
    this.#files = untilAborted(keys.files, options.signal);
  }

  async plan(): Promise<RekeyPlan> {
    return await this.#planOf(await this.#findOld());
  }

  async run(): Promise<RekeyResult> {
    const { onPlan, signal, patience = DEFAULT_PATIENCE_MS } = this.#options;
    const old = await this.#findOld();
    if (onPlan !== undefined && !await onPlan(await this.#planOf(old))) {
      throw new DeltarError(
        "aborted",
        "the rekey was stopped, because `onPlan` returned false",
      );
    }
    await using lease = await Lease.take(
      this.#keys.decrypted(),
      newId(Date.now(), Math.random()),
      { patience, signal },
    );
    const manifests = await this.#manifests();
    const check = () => lease.checkAgain();
    await this.#replaceOld(old, manifests, check, isAdministered);
    let left: string[] = [];
    const retired = await this.#keys.retire(async () => {
      // At this point, no other process changes holders or signers. Other
      // processes may have stored objects for an older identity since the first
      // search, so these objects are replaced, too.
      const rest = await this.#findOld(this.#current);
      await this.#replaceOld(rest, manifests, check, () => false);
      left = [...rest.keys()].filter((name) =>
        !this.#current.has(name) && !this.#damage.has(name)
      );
      return left.length === 0 && this.#damage.size === 0;
    });
    return {
      objects: this.#done,
      bytes: this.#bytes,
      atWork: left,
      damage: this.#damaged(),
      retired,
    };
  }

  async #planOf(old: ReadonlyMap<string, number>): Promise<RekeyPlan> {
    const running = await this.#running();
    const plan: RekeyPlan = { ...NOTHING, atWork: [], damage: this.#damaged() };
    for (const [name, size] of old) {
      if (isAtWork(name, running)) plan.atWork.push(name);
      else {
        plan.objects++;
        plan.bytes += size;
      }
    }
    return plan;
  }

  /**
   * Finds the objects that are encrypted for an older identity, and returns
   * their sizes in bytes, by name. Adds the damaged objects to `#damage`, and
   * the names of objects that need no older identity to `#current`.
   *
   * @param known The names of objects that need not be examined.
   */
  async #findOld(
    known: ReadonlySet<string> = new Set(),
  ): Promise<Map<string, number>> {
    const { signal, onProgress } = this.#options;
    const objects: StoredObject[] = [];
    for await (const object of this.#files.list()) {
      if (isRekeyed(object.name) && !known.has(object.name)) {
        objects.push(object);
      }
    }
    objects.sort((a, b) => a.name < b.name ? -1 : 1);
    const old = new Map<string, number>();
    let done = 0;
    await forEachConcurrent(
      objects,
      MAX_HEADERS_AT_ONCE,
      async ({ name, size }) => {
        checkAborted(signal);
        try {
          const header = await this.#header(name);
          if (await needsRewrap(header, this.#pair, name)) old.set(name, size);
          else this.#current.add(name);
        } catch (error) {
          this.#failed(name, error);
        }
        onProgress?.({ phase: "reading", done: ++done, all: 0, bytes: 0 });
      },
    );
    return old;
  }

  async #header(name: string): Promise<Uint8Array> {
    const range = { offset: 0, length: HEADER_FETCH_BYTES, clamp: true };
    const start = this.#files.get(name, { ...range, fresh: true });
    const reader = new ByteReader(start, { object: name });
    try {
      return await readHeader(reader);
    } finally {
      await reader.cancel();
    }
  }

  /**
   * Replaces the objects that `#findOld` found, except those of runs that are
   * running or were interrupted.
   *
   * @param isSpared Called with the name of each object. Returns whether the
   * object must not be replaced yet.
   */
  async #replaceOld(
    old: ReadonlyMap<string, number>,
    manifests: RekeyedManifests,
    check: () => Promise<void>,
    isSpared: (name: string) => boolean,
  ): Promise<void> {
    // The order matters: the objects are listed before the intents are read,
    // and the manifests are read last. So if an object was listed and its run
    // no longer has an intent, the manifests of the run are read here.
    const running = await this.#running();
    await manifests.load();
    const going = [...old].filter(([name]) =>
      !isAtWork(name, running) && !isSpared(name)
    );
    this.#all += going.length;
    await this.#replace(going, manifests, check);
    await manifests.settle((name) => isAtWork(name, running));
  }

  /**
   * Stores manifests that list the objects with their new SHA-256, and then
   * replaces the objects.
   */
  async #replace(
    objects: readonly (readonly [string, number])[],
    manifests: RekeyedManifests,
    check: () => Promise<void>,
  ): Promise<void> {
    const { signal } = this.#options;
    for (const batch of batches(objects)) {
      const ready: Rewrapped[] = [];
      for (const [name, size] of batch) {
        checkAborted(signal);
        try {
          ready.push(
            size > MAX_BATCH_BYTES
              ? await this.#rewrapLarge(name, manifests)
              : await this.#rewrapSmall(name, manifests),
          );
        } catch (error) {
          this.#failed(name, error);
        }
      }
      if (ready.length === 0) continue;
      await manifests.list(ready.map(({ record }) => record));
      await forEachConcurrent(ready, MAX_WRITES, async (one) => {
        checkAborted(signal);
        // The batch may have waited for a long time. An object that another
        // process has deleted or replaced since then must not be stored again.
        await check();
        if (!await this.#isUnchanged(one)) return;
        const { record, store } = one;
        await store();
        manifests.replaced(record);
        this.#current.add(record.name);
        this.#done++;
        this.#bytes += record.size;
        this.#options.onProgress?.({
          phase: "writing",
          done: this.#done,
          all: this.#all,
          bytes: this.#bytes,
        });
      });
    }
  }

  /** Returns whether an object still exists with the header that was read. */
  async #isUnchanged({ record: { name }, header }: Rewrapped) {
    try {
      return toHex(await this.#header(name)) === toHex(header);
    } catch (error) {
      this.#failed(name, error);
      return false;
    }
  }

  /**
   * Reads an object into memory. Returns the object with a new header, ready to
   * be stored.
   */
  async #rewrapSmall(
    name: string,
    manifests: RekeyedManifests,
  ): Promise<Rewrapped> {
    const source = this.#files.get(name, { fresh: true });
    const old = await collectAtMost(source, MAX_BATCH_BYTES, name);
    checkIntact(recordOf(name, old), manifests);
    const header = await readHeader(
      new ByteReader(chunks(old), { object: name }),
    );
    const made = await rewrapHeader(header, this.#pair, name);
    const bytes = concat([made, old.subarray(header.length)]);
    return {
      record: recordOf(name, bytes),
      header,
      store: () => this.#files.put(name, bytes),
    };
  }

  /**
   * Reads an object to compute its SHA-256 with the new header. The returned
   * `store` reads the object again.
   */
  async #rewrapLarge(
    name: string,
    manifests: RekeyedManifests,
  ): Promise<Rewrapped> {
    const open = async () => {
      const source = this.#files.get(name, { fresh: true });
      const reader = new ByteReader(source, { object: name });
      return { reader, header: await readHeader(reader) };
    };
    const { reader, header } = await open();
    const made = await rewrapHeader(header, this.#pair, name);
    const [before, after] = [createSha256(), createSha256()];
    before.update(header);
    after.update(made);
    let size = header.length;
    for await (const part of reader.rest()) {
      before.update(part);
      after.update(part);
      size += part.length;
    }
    const old = { name, size, sha256: toHex(before.digest()) };
    checkIntact(old, manifests);
    const again = async function* () {
      const { reader, header } = await open();
      const sum = createSha256();
      sum.update(header);
      yield made;
      for await (const part of reader.rest()) {
        sum.update(part);
        yield part;
      }
      if (toHex(sum.digest()) === old.sha256) return;
      throw new DeltarError(
        "conflict",
        "the object was changed by another process during the rekey; start " +
          "the rekey again",
        { object: name },
      );
    };
    return {
      record: { name, size, sha256: toHex(after.digest()) },
      header,
      store: () => this.#files.put(name, again()),
    };
  }

  /**
   * Records that an object is damaged. An object that was deleted since it was
   * listed, or that a repair copied to `damaged/`, is added to `#current`
   * instead, because it needs no identity. An error that does not mean damage
   * is thrown again.
   */
  #failed(name: string, error: unknown): void {
    const isUnreadable = isDamage(error) || codeOf(error) === "key" ||
      codeOf(error) === "unsupported";
    if (!(error instanceof DeltarError) || !isUnreadable) throw error;
    if (error.code === "not-found" || name.startsWith(DAMAGED)) {
      this.#current.add(name);
    } else this.#damage.set(name, error.message);
  }

  #damaged(): RekeyPlan["damage"] {
    return [...this.#damage]
      .map(([object, message]) => ({ object, message }));
  }

  /** Returns the ids of the runs that are running or were interrupted. */
  async #running(): Promise<Set<string>> {
    const names = await namesUnder(this.#files, RUNNING);
    return new Set(
      names.map((name) => idOfNote(RUNNING, withoutAge(name)))
        .filter((id) => id !== undefined),
    );
  }

  async #manifests(): Promise<RekeyedManifests> {
    const store = this.#store;
    const { signers, admin } = this.#keys;
    const own = store.machine?.key;
    const isOwnTrusted = own !== undefined &&
      await signers.trust(own.publicKey) === "trusted";
    const signer = isOwnTrusted ? own : admin;
    if (signer === undefined) {
      throw new TypeError("the full key has no admin key");
    }
    return new RekeyedManifests({
      files: this.#files,
      id: store.id,
      signer,
      isTrusted: async (key) => await store.trustOfSigner(key) === "trusted",
    });
  }
}

/**
 * Throws an error if manifests list an object, but only with a different size
 * or SHA-256.
 */
function checkIntact(object: ObjectRecord, manifests: RekeyedManifests): void {
  if (manifests.isIntact(object)) return;
  throw new DeltarError(
    "corrupt",
    "the object's size or SHA-256 differs from the one in the manifest",
    { object: object.name },
  );
}

function recordOf(name: string, bytes: Uint8Array): ObjectRecord {
  return { name, size: bytes.length, sha256: toHex(sha256(bytes)) };
}

/**
 * Yields objects in batches that fit into memory. An object of more than
 * `MAX_BATCH_BYTES` is yielded alone.
 */
function* batches(
  objects: readonly (readonly [string, number])[],
): Generator<(readonly [string, number])[]> {
  let batch: (readonly [string, number])[] = [];
  let bytes = 0;
  for (const object of objects) {
    const [, size] = object;
    const isFull = batch.length >= MAX_BATCH_OBJECTS ||
      bytes + size > MAX_BATCH_BYTES;
    if (isFull && batch.length > 0) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(object);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/**
 * Returns whether a rekey examines an object. It examines all encrypted objects
 * except keys, notes that announce changes of the keys, and `recipients.json`,
 * which `RepositoryKeys.retire` replaces.
 */
function isRekeyed(name: string): boolean {
  return name.endsWith(AGE_SUFFIX) && !name.startsWith(KEYS) &&
    name !== RECIPIENTS + AGE_SUFFIX && !name.startsWith(CHANGES);
}

/**
 * Returns whether an object describes a holder or signer. Only a process that
 * changes the keys stores such objects.
 */
function isAdministered(name: string): boolean {
  return name.startsWith(HOLDERS) || name.startsWith(SIGNERS);
}

/**
 * Returns whether an object belongs to a run that is running or was
 * interrupted. Intents and leases always belong to such a run.
 *
 * @param running The ids of the runs that are running or were interrupted.
 */
function isAtWork(name: string, running: ReadonlySet<string>): boolean {
  if (name.startsWith(RUNNING) || name.startsWith(LEASES)) return true;
  const id = idOfObject(name);
  return id !== undefined && running.has(id) &&
    (isOfRun(name) || name.startsWith(CHECKPOINTS));
}

/**
 * Returns whether the name of an object contains the id of the run that stored
 * the object.
 */
function isOfRun(name: string): boolean {
  return /^(?:snapshots|trees|volumes|signatures)\//.test(name);
}
