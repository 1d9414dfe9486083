/**
 * Runs: work that writes objects which no record names yet, beside prunes that
 * delete objects which nothing needs. Neither waits for the other, and there is
 * no lock.
 *
 * A run (`Run`) puts an intent before its first object. The intent names the
 * layers that the run builds on. Only then does the run check that its parent
 * is still a snapshot. A prune works in the opposite order: it removes records
 * first and reads intents afterwards. Whatever the order of two such steps, one
 * side sees the other: either the run finds its parent gone and begins again
 * (`conflict`), or the prune finds the intent and keeps what it names.
 *
 * A run that lasts counts heartbeats (`heartbeat.ts`). A prune that sees the
 * same count for longer than the grace, and watches it stand still, deletes the
 * intent. A run checks its intent right before and right after it stores its
 * record, and takes the record back if the intent is gone.
 *
 * Prunes write what they find into marks (`garbage_mark.ts`) and delete it at
 * the earliest in a later run, after the grace. A run that takes over objects
 * of an interrupted one looks at the marks after its intent is put, and takes
 * over nothing that is condemned. "Why nothing is lost" in docs/FORMAT.md has
 * the whole argument.
 *
 * @module
 */
import { DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import { decodeLines, encodeLines } from "../../bytes/listing.ts";
import { isCondemned } from "./garbage_mark.ts";
import {
  idOfNote,
  isId,
  isRunObject,
  noteName,
  recordName,
  RUNNING,
} from "../format/names.ts";
import { namesUnder, readIfThere, timeOf } from "../format/note.ts";
import { Heartbeat } from "./heartbeat.ts";
import {
  decodeLayers,
  type LayerRecord,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";

/** The declaration of running work, by which a prune spares what it needs. */
export interface RunIntent {
  /** The id that the objects carry which it writes. */
  id: string;
  /** When it was begun, in milliseconds since 1970. */
  time: number;
  /** The snapshot that it builds on. */
  parent?: string;
  /** The layers of that snapshot: all that is reached from them is needed. */
  layers: LayerRecord[];
  /** Ids of interrupted runs whose finished objects it takes over. */
  reuses: string[];
}

const FORMAT = "deltar-running";
const VERSION = 1;

/** An intent as its object's bytes. */
export function encodeIntent(intent: RunIntent): Uint8Array {
  const time = new Date(intent.time).toISOString();
  return encodeLines(FORMAT, VERSION, { ...intent, time }, []);
}

/**
 * Reads an intent.
 *
 * @throws {DeltarError} `corrupt`, `truncated` or `unsupported`.
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
      "an intent without a valid id, parent, layers or reuses",
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

/** All intents; one that ends while they are read is left out. */
export async function readIntents(storage: Storage): Promise<RunIntent[]> {
  const intents: RunIntent[] = [];
  for (const name of await namesUnder(storage, RUNNING)) {
    if (idOfNote(RUNNING, name) === undefined) continue;
    const bytes = await readIfThere(storage, name);
    if (bytes !== undefined) intents.push(decodeIntent(bytes, name));
  }
  return intents;
}

/** Options for a run: the snapshots that it builds on. */
export interface RunOptions {
  /** The id that its objects will carry. */
  id: string;
  /** The snapshot it is made against, with the SHA-256 of its record. */
  parent?: { record: SnapshotRecord; sha256: string };
  /**
   * Instead of a parent: layers that it needs, and what looks, once the intent
   * is put, whether they are still kept.
   */
  ground?: { layers: readonly LayerRecord[]; check: () => Promise<void> };
  /** Ids of interrupted runs whose finished objects it takes over. */
  reuses?: readonly string[];
}

/**
 * A run that writes objects which no record leads to yet. Before its first
 * object is stored it puts an intent, and only then looks whether its parent
 * is still a snapshot; a prune removes records first and reads intents after
 * that. So one of the two sees the other, whatever their order.
 */
export class Run {
  /** The run's id. */
  readonly id: string;
  /** The repository's storage; the intent is put before anything else is. */
  readonly storage: Storage;
  readonly #inner: Storage;
  readonly #options: RunOptions;
  readonly #name: string;
  readonly #heartbeat: Heartbeat;
  #begun: Promise<void> | undefined;

  /** A run that has done nothing yet. */
  constructor(storage: Storage, options: RunOptions) {
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
          throw new TypeError(`no run stores ${JSON.stringify(name)}`);
        }
        await this.begin();
        await storage.put(name, source, options);
      },
      list: (prefix) => storage.list(prefix),
      delete: (name) => storage.delete(name),
    };
  }

  /**
   * Puts the intent, unless that is done; `storage` does it at its first put.
   *
   * @throws {DeltarError} `conflict` if the parent was removed meanwhile, or
   * what is to be taken over is being collected.
   */
  begin(): Promise<void> {
    return this.#begun ??= this.#begin();
  }

  /**
   * Stores the commit record, and takes it back if the run was given up for
   * dead in the meantime, as its objects may be collected then.
   *
   * @throws {DeltarError} `conflict` if it was.
   */
  async commit(bytes: Uint8Array): Promise<void> {
    await this.begin();
    await this.check();
    const name = recordName(this.id);
    await this.#inner.put(name, bytes, { ifAbsent: true });
    try {
      await this.check();
    } catch (error) {
      if (isConflict(error)) {
        await this.#inner.delete(name);
      }
      throw error;
    }
  }

  /**
   * Whether the intent still stands.
   *
   * @throws {DeltarError} `conflict` if a prune gave the run up for dead.
   */
  async check(): Promise<void> {
    if (await readIfThere(this.#inner, this.#name) !== undefined) return;
    throw new DeltarError(
      "conflict",
      "this run stood still for so long that it was taken for dead and what " +
        "it stored may be removed; run it again",
      { object: this.#name },
    );
  }

  /** Ends the run, be it done or given up. What fails here harms nobody. */
  async end(): Promise<void> {
    if (this.#begun === undefined) return;
    await this.#begun.catch(() => {});
    await this.#heartbeat.stop().catch(() => {});
    await this.#inner.delete(this.#name).catch(() => {});
  }

  async #begin(): Promise<void> {
    const { id, parent, ground, reuses = [] } = this.#options;
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
    if (reuses.length > 0 && await isCondemned(this.#inner, reuses)) {
      throw parentLost(this.#name, "what it takes over is being collected");
    }
  }
}

/** Looks whether a snapshot is still there, with the same record. */
export async function checkParent(
  storage: Storage,
  parent: { record: SnapshotRecord; sha256: string },
): Promise<void> {
  const name = recordName(parent.record.id);
  const bytes = await readIfThere(storage, name);
  if (bytes === undefined || toHex(sha256(bytes)) !== parent.sha256) {
    throw parentLost(name, "the snapshot to build on was removed meanwhile");
  }
}

function parentLost(object: string, what: string): DeltarError {
  return new DeltarError("conflict", `${what}; run it again`, { object });
}

/**
 * Returns whether work failed since other work on the repository was in its way;
 * begun again, it may succeed.
 */
export function isConflict(error: unknown): boolean {
  return error instanceof DeltarError && error.code === "conflict";
}
