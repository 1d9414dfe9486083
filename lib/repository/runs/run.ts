/**
 * A run writes objects that no record names yet, while prunes may be deleting
 * objects that nothing needs. Runs and prunes use no locks and do not wait for
 * each other.
 *
 * A run (`Run`) stores an intent before its first object. The intent names the
 * layers that the run builds on. After storing the intent, the run checks that
 * its parent still exists. A prune works in the opposite order: it removes
 * records first and reads intents afterwards. So one of two things happens:
 * either the run finds that its parent was removed and fails with code
 * `conflict`, or the prune finds the intent and keeps what the intent names.
 *
 * A run increases its heartbeat count every 15 seconds (`heartbeat.ts`). A
 * prune that trusts its clock declares a run dead, and deletes the run's
 * intent, if two conditions are met: the count has not changed for the grace
 * period, or for a day if that is longer, and the count does not change while
 * the prune watches it (`../prune/dead_runs.ts`). A run checks its intent right
 * before and right after it stores its record, and deletes the record if the
 * intent no longer exists.
 *
 * A prune records garbage in a mark (`garbage_mark.ts`). Only a later prune,
 * after the grace period, deletes the garbage. A run that takes over objects of
 * an interrupted run reads the marks after it has stored its intent. It fails
 * with code `conflict` if a mark lists objects of the interrupted run as
 * condemned. "Why nothing is lost" in docs/FORMAT.md explains why this is safe.
 *
 * In an encrypted repository, a run also stores manifests (`manifest.ts`) of
 * the objects that it stored. With manifests, the repository can be verified
 * without a key.
 *
 * @module
 */
import { DeltarError } from "../../bytes/errors.ts";
import { together } from "../../bytes/together.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines } from "../../bytes/listing.ts";
import { isCondemned, isMoved } from "./garbage_mark.ts";
import {
  idOfNote,
  isId,
  isRunObject,
  noteName,
  recordName,
  RUNNING,
} from "../format/names.ts";
import { namesUnder, readEach, readIfThere, timeOf } from "../format/note.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { ManifestWriter } from "./manifest.ts";
import {
  decodeLayers,
  type LayerRecord,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";

/**
 * The intent of a run. A prune keeps the objects of the run, and everything
 * that the intent names.
 */
export interface RunIntent {
  /** The id in the names of the objects that the run writes. */
  id: string;
  /** The start of the run, in milliseconds since 1970. */
  time: number;
  /** The id of the snapshot that the run builds on. */
  parent?: string;
  /**
   * The layers that the run builds on. A prune keeps everything that these
   * layers refer to.
   */
  layers: LayerRecord[];
  /** The ids of interrupted runs whose finished objects this run takes over. */
  reuses: string[];
}

const FORMAT = "deltar-running";
const VERSION = 1;

/** Encodes an intent. */
export function encodeIntent(intent: RunIntent): Uint8Array {
  const time = new Date(intent.time).toISOString();
  return encodeLines(FORMAT, VERSION, { ...intent, time }, []);
}

/**
 * Reads an intent and validates every field.
 *
 * @param bytes The object.
 * @param object The name of the object, for errors.
 * @throws {DeltarError} `corrupt` or `truncated` if the intent is damaged,
 * `limit` if it names too many layers or frames, `unsupported` if its version
 * is newer.
 */
export function decodeIntent(bytes: Uint8Array, object: string): RunIntent {
  const { header } = decodeLines(bytes, FORMAT, VERSION, object);
  const { id, parent, layers, reuses } = header;
  if (
    !isId(id) || object !== noteName(RUNNING, id) ||
    parent !== undefined && !isId(parent) ||
    !Array.isArray(layers) || !Array.isArray(reuses) || !reuses.every(isId)
  ) {
    throw new DeltarError(
      "corrupt",
      "missing or invalid `id`, `parent`, `layers` or `reuses`",
      { object },
    );
  }
  return {
    id,
    time: timeOf(header.time, object),
    ...typeof parent === "string" && { parent },
    layers: decodeLayers(layers, object),
    reuses,
  };
}

/**
 * Reads all intents. Ignores an intent that is deleted before it is read.
 *
 * @param storage The repository's storage.
 * @param listed The names of all objects in `running/`, if the caller has just
 * listed them.
 */
export async function readIntents(
  storage: Storage,
  listed?: readonly string[],
): Promise<RunIntent[]> {
  const intents: RunIntent[] = [];
  const names = (listed ?? await namesUnder(storage, RUNNING))
    .filter((name) => idOfNote(RUNNING, name) !== undefined);
  for await (const { name, bytes } of readEach(storage, names)) {
    intents.push(decodeIntent(bytes, name));
  }
  return intents;
}

/** Options for a run. */
export interface RunOptions {
  /** The id in the names of the run's objects. */
  id: string;
  /** The parent snapshot, with the SHA-256 of its record. */
  parent?: { record: SnapshotRecord; sha256: string };
  /**
   * The layers that a run without a parent needs, and a function that checks
   * them. The function is called after the intent is stored. It throws an error
   * if a prune may have deleted the layers.
   */
  ground?: { layers: readonly LayerRecord[]; check: () => Promise<void> };
  /** The ids of interrupted runs whose finished objects this run takes over. */
  reuses?: readonly string[];
  /**
   * Whether the run can begin after a prune has repacked a volume of the runs
   * in `reuses`. If not, `begin` fails with code `conflict` if there is such a
   * volume. Default: `false`.
   */
  acceptsMoves?: boolean;
}

/**
 * A run. It writes objects that no record refers to yet. Before it stores its
 * first object, it stores an intent and then checks that its parent still
 * exists. A prune removes records first and reads intents afterwards. Therefore
 * either the run finds that its parent was removed, or the prune finds the
 * intent.
 */
export class Run {
  /** The run's id. */
  readonly id: string;
  /**
   * The repository's storage. The first write to it calls `begin` and waits
   * until the intent is stored.
   */
  readonly storage: Storage;
  readonly #inner: Storage;
  readonly #options: RunOptions;
  readonly #name: string;
  readonly #heartbeat: Heartbeat;
  readonly #manifests: ManifestWriter | undefined;
  /** The names of the stored objects that no manifest lists yet. */
  readonly #unlisted = new Set<string>();
  #manifestCount = 0;
  #begun: Promise<void> | undefined;

  /**
   * Creates a run without storing anything.
   *
   * @param store The repository's storage and, if it is encrypted, the writer
   * of its manifests.
   * @param options The id of the run, and what it builds on.
   */
  constructor(
    { storage, manifests }: { storage: Storage; manifests?: ManifestWriter },
    options: RunOptions,
  ) {
    this.#manifests = manifests;
    this.id = options.id;
    this.#inner = storage;
    this.#options = options;
    this.#name = noteName(RUNNING, options.id);
    this.#heartbeat = new Heartbeat(storage, this.#name);
    this.storage = {
      location: storage.location,
      get: (name, options) => storage.get(name, options),
      put: async (name, source, options) => {
        if (!isRunObject(name)) {
          throw new TypeError(
            `a run must not store an object with this name: ${
              JSON.stringify(name)
            }`,
          );
        }
        await this.begin();
        await storage.put(name, source, options);
        this.#unlisted.add(name);
      },
      list: (prefix) => storage.list(prefix),
      delete: async (name) => {
        await storage.delete(name);
        this.#unlisted.delete(name);
        manifests?.deleted(name);
      },
    };
  }

  /**
   * Stores the intent, and then checks what the run builds on. Later calls
   * return the promise of the first call. The first write to `storage` calls
   * this method.
   *
   * @throws {DeltarError} `conflict` if the parent was removed or its record
   * changed, if a prune is deleting or rewriting objects of the runs in
   * `reuses`, or if a prune has repacked a volume of these runs and
   * `acceptsMoves` is not set; also the errors of `ground.check`.
   */
  begin(): Promise<void> {
    return this.#begun ??= this.#begin();
  }

  /**
   * Stores the commit record. If a prune declared the run dead while the record
   * was being stored, deletes the record, because the prune may delete the
   * run's objects.
   *
   * @param bytes The record.
   * @param onStored Called after the record is stored, while the intent is
   * being checked.
   * @throws {DeltarError} `conflict` if the run was declared dead.
   */
  async commit(
    bytes: Uint8Array,
    onStored: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    await this.begin();
    const name = recordName(this.id);
    await this.commitAs(name, bytes, { onStored });
  }

  /**
   * Stores a record with the given name, as `commit` does. The caller must have
   * called `begin`.
   *
   * @param name The name of the record.
   * @param bytes The record.
   * @param options `signal` ends the writing of the record with an error of
   * code `aborted`. `replaces` allows replacing a stored record. `onStored` is
   * called after the record is stored, while the intent is being checked. If
   * the run was declared dead, `onDead` is called before the record is deleted.
   * @throws {DeltarError} `conflict` if the run was declared dead; `exists` if
   * there is a record with this name, unless `replaces` is set.
   */
  async commitAs(
    name: string,
    bytes: Uint8Array,
    { signal, replaces = false, onStored, onDead }: {
      signal?: AbortSignal;
      replaces?: boolean;
      onStored?: () => Promise<void>;
      onDead?: () => Promise<void>;
    } = {},
  ): Promise<void> {
    await this.check();
    await this.storage.put(name, bytes, { ifAbsent: !replaces, signal });
    try {
      await together([this.check(), onStored?.()]);
    } catch (error) {
      if (isConflict(error)) {
        await onDead?.();
        await this.storage.delete(name);
      }
      throw error;
    }
  }

  /**
   * Stores a manifest of the objects that the run has stored and that no
   * manifest lists yet. Does nothing if the repository is not encrypted or
   * there are no such objects.
   */
  async list(): Promise<void> {
    const names = [...this.#unlisted];
    this.#unlisted.clear();
    const count = this.#manifestCount;
    try {
      if (await this.#manifests?.list(this.id, count, names)) {
        this.#manifestCount++;
      }
    } catch (error) {
      for (const name of names) this.#unlisted.add(name);
      throw error;
    }
  }

  /**
   * Checks that the intent still exists.
   *
   * @throws {DeltarError} `conflict` if a prune declared the run dead.
   */
  async check(): Promise<void> {
    if (await readIfThere(this.#inner, this.#name) !== undefined) return;
    throw new DeltarError(
      "conflict",
      "the run was inactive for too long: a prune considered it dead and " +
        "may delete its objects; start the run again",
      { object: this.#name },
    );
  }

  /**
   * Stores the last manifest, stops the heartbeats and deletes the intent.
   * Errors are ignored. If the manifest could not be stored, a verification
   * without a key reports the objects as not listed. If the intent could not be
   * deleted, a later prune deletes it.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#begun === undefined) return;
    await this.#begun.catch(() => {});
    await this.list().catch(() => {});
    await this.#heartbeat.stop().catch(() => {});
    await this.#inner.delete(this.#name).catch(() => {});
  }

  async #begin(): Promise<void> {
    const { id, parent, ground, reuses = [], acceptsMoves } = this.#options;
    const intent = {
      id,
      time: Date.now(),
      ...parent && { parent: parent.record.id },
      layers: [...parent?.record.layers ?? ground?.layers ?? []],
      reuses: [...reuses],
    };
    await this.#inner.put(this.#name, encodeIntent(intent), { ifAbsent: true });
    this.#heartbeat.start();
    if (parent !== undefined) await checkParent(this.#inner, parent);
    await ground?.check();
    if (reuses.length === 0) return;
    const isGoing = await isCondemned(this.#inner, reuses) ||
      !acceptsMoves && await isMoved(this.#inner, reuses);
    if (isGoing) {
      throw parentLost(
        this.#name,
        "a prune is deleting or rewriting objects that the run reuses, or " +
          "has rewritten them",
      );
    }
  }
}

/**
 * Checks that a snapshot still exists with the same record.
 *
 * @param storage The repository's storage.
 * @param parent The record of the snapshot, and the SHA-256 that its object
 * must have.
 * @throws {DeltarError} `conflict` if the snapshot was removed or its record
 * changed.
 */
export async function checkParent(
  storage: Storage,
  parent: { record: SnapshotRecord; sha256: string },
): Promise<void> {
  const name = recordName(parent.record.id);
  const bytes = await readIfThere(storage, name);
  if (bytes === undefined || toHex(sha256(bytes)) !== parent.sha256) {
    throw parentLost(
      name,
      "the parent snapshot was removed or its record changed during the run",
    );
  }
}

function parentLost(object: string, what: string): DeltarError {
  return new DeltarError("conflict", `${what}; start the run again`, {
    object,
  });
}

/**
 * Returns whether an error was caused by another run or prune on the same
 * repository. If so, the failed operation may succeed when it is started again.
 */
export function isConflict(error: unknown): boolean {
  return error instanceof DeltarError && error.code === "conflict";
}
