import type { DeltarError } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { forEachConcurrent } from "../../bytes/for_each_concurrent.ts";
import { createSha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import { type DamageKind, type Findings, messageOf } from "./findings.ts";
import type { ObjectRecord } from "../format/snapshot_record.ts";
import { whereIs } from "../content/follow_moves.ts";

/** The number of objects that are read at once. */
const AT_ONCE = 3;

/** Looks at volumes: each once, however many layers name it. */
export class ObjectCheck {
  /** The number of objects that were checked. */
  objects = 0;
  /** Their bytes, as recorded. */
  bytes = 0;
  readonly #storage: Storage;
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #findings: Findings;
  readonly #data: boolean;
  readonly #seen = new Map<string, string>();
  /** Where volumes are that were moved, by the name they had. */
  readonly #places = new Map<string, ObjectRecord>();

  /**
   * Makes a check.
   *
   * @param sizes What the storage lists: sizes by name.
   * @param data Whether all bytes are read.
   */
  constructor(
    storage: Storage,
    sizes: ReadonlyMap<string, number>,
    findings: Findings,
    data: boolean,
  ) {
    this.#storage = storage;
    this.#sizes = sizes;
    this.#findings = findings;
    this.#data = data;
  }

  /** Whether an object is not there at all. */
  isMissing(name: string): boolean {
    return !this.#sizes.has(this.placeOf(name));
  }

  /** The name of the object that holds what is left of a volume. */
  placeOf(name: string): string {
    return this.#places.get(name)?.name ?? name;
  }

  /** Looks at an object's size alone: what it should hold is read elsewhere. */
  checkSize(object: ObjectRecord, kind: DamageKind): void {
    const fault = this.#sizeFault(object);
    if (fault !== undefined) this.#findings.object(object.name, kind, fault);
  }

  /** Looks at objects that were not looked at before. */
  async check(
    objects: Iterable<ObjectRecord>,
    signal: AbortSignal | undefined,
    onRead: (name: string, bytes: number) => void,
  ): Promise<void> {
    const fresh = [...objects].filter((object) => this.#isNew(object));
    await forEachConcurrent(fresh, AT_ONCE, async (object) => {
      const fault = await this.#findPlace(object) ??
        this.#sizeFault(this.#places.get(object.name) ?? object) ??
        (this.#data
          ? await this.#dataFault(
            this.#places.get(object.name) ?? object,
            signal,
            onRead,
          )
          : undefined);
      if (fault !== undefined) {
        this.#findings.object(object.name, kindOf(object.name), fault);
      }
      this.objects++;
      this.bytes += object.size;
      onRead(object.name, 0);
    });
  }

  /** Finds out where a volume went that is not there; says what fails. */
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
      return `it is missing; ${messageOf(error)}`;
    }
  }

  #isNew({ name, sha256 }: ObjectRecord): boolean {
    const known = this.#seen.get(name);
    if (known === undefined) this.#seen.set(name, sha256);
    else if (known !== sha256) {
      const message = "snapshots name it with different SHA-256";
      this.#findings.object(name, kindOf(name), message);
    }
    return known === undefined;
  }

  #sizeFault({ name, size }: ObjectRecord): string | undefined {
    const found = this.#sizes.get(name);
    if (found === undefined) return "it is missing";
    if (found === size) return undefined;
    return `it has ${found} bytes and should have ${size}`;
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
    return "its SHA-256 is not the recorded one";
  }
}

/** Returns the kind of a volume by its name. */
export function kindOf(name: string): DamageKind {
  return name.startsWith("signatures/") ? "signature" : "content";
}
