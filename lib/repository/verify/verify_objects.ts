import { codeOf, type DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import { type DamageKind, type Findings, messageOf } from "./findings.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";
import { MAX_MOVES, readMove, whereIs } from "../content/follow_moves.ts";

/** The maximum number of objects that are read at the same time. */
const MAX_OBJECTS_AT_ONCE = 3;

/**
 * A check of volumes. Each volume is checked once, even if many layers list it.
 */
export class ObjectCheck {
  /** The number of objects that were checked. */
  objects = 0;
  /** The total recorded size of the checked objects, in bytes. */
  bytes = 0;
  readonly #storage: Storage;
  readonly #sizes: Map<string, number>;
  readonly #findings: Findings;
  readonly #data: boolean;
  readonly #seen = new Map<string, string>();
  /**
   * The new volumes to which content was moved, by the names of the old
   * volumes.
   */
  readonly #places = new Map<string, ObjectRecord>();

  /**
   * Creates a check.
   *
   * @param storage The repository's storage.
   * @param sizes The sizes of the stored objects in bytes, by name. The volumes
   * to which a prune moves content during the check are added to this map.
   * @param findings The collection to which damage is added.
   * @param data Whether to read all bytes and compare the SHA-256.
   */
  constructor(
    storage: Storage,
    sizes: Map<string, number>,
    findings: Findings,
    data: boolean,
  ) {
    this.#storage = storage;
    this.#sizes = sizes;
    this.#findings = findings;
    this.#data = data;
  }

  /**
   * Returns whether a volume is missing, and its content was not moved to an
   * existing volume.
   */
  isMissing(name: string): boolean {
    return !this.#sizes.has(this.placeOf(name));
  }

  /**
   * Returns the name of the volume that now has the needed content of a volume:
   * the same name or, if the content was moved, the name of the new volume.
   */
  placeOf(name: string): string {
    return this.#places.get(name)?.name ?? name;
  }

  /**
   * Checks only the size of a layer. The content is checked when the layer is
   * read.
   */
  checkSize(object: ObjectRecord, kind: DamageKind): void {
    const fault = this.#sizeFault(object);
    if (fault !== undefined) this.#findings.object(object.name, kind, fault);
  }

  /**
   * Checks the objects that have not been checked yet.
   *
   * @param objects The references to the objects.
   * @param signal The signal that ends the work with an error of code
   * `aborted`.
   * @param onRead Called after each part of an object is read, with the name of
   * the object and the size of the part in bytes. Called once more after the
   * object is checked, with the name and 0.
   */
  async check(
    objects: Iterable<ObjectRecord>,
    signal: AbortSignal | undefined,
    onRead: (name: string, bytes: number) => void,
  ): Promise<void> {
    const fresh = [...objects].filter((object) => this.#isNew(object));
    await forEachConcurrent(fresh, MAX_OBJECTS_AT_ONCE, async (object) => {
      const fault = await this.#findPlace(object) ??
        await this.#placeFault(object, signal, onRead);
      if (fault !== undefined) {
        this.#findings.object(object.name, kindOf(object.name), fault);
      }
      this.objects++;
      this.bytes += object.size;
      onRead(object.name, 0);
    });
  }

  /**
   * Looks for the volume to which the content of a missing volume was moved. If
   * there is one, keeps it in `#places`. Returns a message if a move cannot be
   * read; otherwise `undefined`.
   */
  async #findPlace(object: ObjectRecord): Promise<string | undefined> {
    if (this.#sizes.has(object.name)) return undefined;
    try {
      const place = await whereIs(
        this.#storage,
        object,
        (name) => this.#sizes.has(name),
      );
      if (place !== object) this.#places.set(object.name, place);
      return undefined;
    } catch (error) {
      return moveFault(error);
    }
  }

  /**
   * Returns the fault of a volume, or of the volume that replaced it;
   * `undefined` if there is no fault.
   */
  async #placeFault(
    object: ObjectRecord,
    signal: AbortSignal | undefined,
    onRead: (name: string, bytes: number) => void,
  ): Promise<string | DeltarError | undefined> {
    let place = this.#places.get(object.name) ?? object;
    const check = async () =>
      this.#sizeFault(place) ??
        (this.#data ? await this.#dataFault(place, signal, onRead) : undefined);
    let fault = await check();
    // A prune may have repacked the volume after the objects were listed.
    for (let moves = 0; moves < MAX_MOVES; moves++) {
      if (codeOf(fault) !== "not-found") break;
      try {
        const move = await readMove(this.#storage, place.name);
        if (move === undefined) break;
        place = move.to;
      } catch (error) {
        return codeOf(error) === "io" ? error as DeltarError : moveFault(error);
      }
      this.#places.set(object.name, place);
      if (!this.#sizes.has(place.name)) {
        this.#sizes.set(place.name, place.size);
      }
      fault = await check();
    }
    if (fault === undefined || place === object) return fault;
    if (codeOf(fault) === "io") return fault;
    const what = typeof fault === "string" ? fault : messageOf(fault);
    return `the content was moved to ${place.name}: ${what}`;
  }

  #isNew({ name, sha256 }: ObjectRecord): boolean {
    const known = this.#seen.get(name);
    if (known === undefined) this.#seen.set(name, sha256);
    else if (known !== sha256) {
      const message =
        "snapshots record different SHA-256 checksums for the object";
      this.#findings.object(name, kindOf(name), message);
    }
    return known === undefined;
  }

  #sizeFault({ name, size }: ObjectRecord): string | undefined {
    const found = this.#sizes.get(name);
    if (found === undefined) return "the object is missing";
    if (found === size) return undefined;
    return `the object has ${found} bytes, but ${size} bytes are recorded`;
  }

  async #dataFault(
    { name, sha256 }: ObjectRecord,
    signal: AbortSignal | undefined,
    onRead: (name: string, bytes: number) => void,
  ): Promise<string | DeltarError | undefined> {
    const sum = createSha256();
    try {
      for await (const part of this.#storage.get(name, { signal })) {
        sum.update(part);
        onRead(name, part.length);
      }
    } catch (error) {
      return error as DeltarError;
    }
    if (toHex(sum.digest()) === sha256) return undefined;
    return "the object's SHA-256 differs from the recorded one";
  }
}

/** Returns the fault of a missing volume whose move cannot be read. */
function moveFault(error: unknown): string {
  const message = messageOf(error);
  const { object: move } = error as DeltarError;
  const what = move === undefined ? message : `${move}: ${message}`;
  return `the object is missing, and its move cannot be read: ${what}`;
}

/** Returns the kind of damage to report for a volume with the given name. */
export function kindOf(name: string): DamageKind {
  return name.startsWith("signatures/") ? "signature" : "content";
}
