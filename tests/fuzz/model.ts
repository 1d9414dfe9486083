import { Buffer } from "node:buffer";
import * as fs from "node:fs";
import { join } from "node:path";
import { linesOf, listingOf, pack, sumOf, unpack } from "./listing.ts";
import { type JsonObject, type Pool, textsIn } from "./values.ts";

/** Objects by name. */
export type Objects = Map<string, Uint8Array>;

/** Returns the objects in a folder. */
export function objectsIn(folder: string): Objects {
  const objects: Objects = new Map();
  for (const name of fs.readdirSync(folder, { recursive: true }) as string[]) {
    const place = join(folder, name);
    if (fs.lstatSync(place).isFile()) {
      objects.set(name.replaceAll("\\", "/"), fs.readFileSync(place));
    }
  }
  return objects;
}

/** Returns whether an object is a compressed listing. */
function isPacked(name: string): boolean {
  return /^(?:trees|checkpoints)\//.test(name);
}

/**
 * A repository whose parts can be changed. When its objects are written, all
 * checksums are corrected: those of listings, and those by which records name
 * layers, layers name volumes, and records name their parents. So a reader
 * reads a changed object instead of only refusing it.
 */
export class Model {
  /** The lines of every listing, without the last one. */
  readonly listings: Map<string, JsonObject[]> = new Map();
  /** All other objects. */
  readonly raw: Objects = new Map();
  /** Texts that mutations can use. */
  readonly pool: Pool;
  /** The directory whose snapshots are taken. */
  directory?: string;
  /** The names of the changed listings. */
  readonly changed: Set<string> = new Set();
  readonly #original: Objects;

  /** Divides a repository into its parts. Damaged objects stay as they are. */
  constructor(objects: Objects, pool?: Pool) {
    this.#original = objects;
    for (const [name, bytes] of objects) {
      try {
        if (!/json(?:\.zst|\.gz)?$/.test(name)) {
          throw new Error("not a listing");
        }
        const plain = isPacked(name) ? unpack(name, bytes) : bytes;
        this.listings.set(name, linesOf(plain));
      } catch {
        this.raw.set(name, bytes);
      }
    }
    this.pool = pool ?? {
      texts: [
        ...textsIn([...this.listings.values()].flat()),
        ...objects.keys(),
      ],
    };
  }

  /** Returns a copy that can be changed. */
  copy(): Model {
    return new Model(this.#original, this.pool);
  }

  /** Returns the names of the objects with a prefix. */
  names(prefix = ""): string[] {
    return [...this.listings.keys(), ...this.raw.keys()]
      .filter((name) => name.startsWith(prefix)).sort();
  }

  /** Returns the lines of a listing, and records that it is changed. */
  change(name: string): JsonObject[] {
    this.changed.add(name);
    return this.listings.get(name)!;
  }

  /**
   * Returns all objects.
   *
   * @param isSealed Whether the checksums of changed objects are corrected in
   * the objects that name them.
   */
  objects(isSealed = true): Objects {
    const objects: Objects = new Map(this.raw);
    const put = (name: string) => {
      const before = this.#original.get(name);
      if (before !== undefined && !this.changed.has(name)) {
        objects.set(name, before);
        return before;
      }
      const plain = listingOf(this.listings.get(name)!);
      const bytes = isPacked(name) ? pack(name, plain) : plain;
      objects.set(name, bytes);
      return bytes;
    };
    const isNew = (name: string) =>
      this.raw.has(name) && this.raw.get(name) !== this.#original.get(name);
    const layers = this.names("trees/").filter((n) => this.listings.has(n));
    if (isSealed) {
      // Updates the volumes in the layers that name them.
      for (const layer of layers) {
        for (const { object } of this.listings.get(layer)!) {
          const record = object as JsonObject;
          if (typeof record?.name !== "string" || !isNew(record.name)) continue;
          const bytes = this.raw.get(record.name)!;
          record.size = bytes.length;
          record.sha256 = sumOf(bytes);
          this.changed.add(layer);
        }
      }
    }
    for (const name of this.listings.keys()) {
      if (!name.startsWith("snapshots/")) put(name);
    }
    const sums = new Map<string, string>();
    for (const name of this.names("snapshots/")) {
      const lines = this.listings.get(name);
      if (lines === undefined) continue;
      if (isSealed) this.#seal(name, lines[0], objects, sums);
      const bytes = put(name);
      sums.set(String(lines[0]?.id), sumOf(bytes));
    }
    return objects;
  }

  /** Makes a record name the current versions of its layers and its parent. */
  #seal(
    name: string,
    record: JsonObject,
    objects: Objects,
    sums: ReadonlyMap<string, string>,
  ): void {
    const layers = record?.layers;
    if (Array.isArray(layers)) {
      for (const layer of layers as JsonObject[]) {
        if (typeof layer?.name !== "string") continue;
        if (!this.changed.has(layer.name)) continue;
        const bytes = objects.get(layer.name);
        const lines = this.listings.get(layer.name);
        if (bytes === undefined || lines === undefined) continue;
        const paths = lines.flatMap(({ path, gone }) => path ?? gone ?? []);
        layer.size = bytes.length;
        layer.sha256 = sumOf(bytes);
        layer.entries = paths.length;
        layer.frames = [{
          length: bytes.length,
          sha256: sumOf(bytes),
          ...typeof paths[0] === "string" && { first: paths[0] },
        }];
        delete layer.filter;
        this.changed.add(name);
      }
    }
    const parent = sums.get(String(record?.parent));
    const was = record?.parentSha256;
    if (parent !== undefined && was !== undefined && was !== parent) {
      record.parentSha256 = parent;
      this.changed.add(name);
    }
  }
}

/**
 * Returns the names of all objects that a restore of a snapshot may read: its
 * record, its layers, the objects that these name, and all moves.
 */
export function neededBy(model: Model, record: string): Set<string> {
  const needed = new Set([record, "deltar.json"]);
  const layers = model.listings.get(record)?.[0]?.layers as JsonObject[];
  for (const { name } of layers ?? []) {
    needed.add(String(name));
    for (const line of model.listings.get(String(name)) ?? []) {
      const { object, content, signature } = line;
      if (object) needed.add(String((object as JsonObject).name));
      for (const piece of [content ?? [], signature ?? []].flat()) {
        needed.add(String((piece as JsonObject)?.volume));
      }
    }
  }
  for (const move of model.names("moves/")) {
    needed.add(move);
    const { to } = model.listings.get(move)?.[0] ?? {};
    needed.add(String((to as JsonObject)?.name));
  }
  return needed;
}

/**
 * Returns whether an object has the same bytes in both repositories, or is in
 * neither.
 */
export function isSame(a: Objects, b: Objects, name: string): boolean {
  const [one, other] = [a.get(name), b.get(name)];
  if (one === undefined || other === undefined) return one === other;
  return one === other || Buffer.from(one).equals(other);
}
