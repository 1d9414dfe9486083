import { comparePaths } from "../../tree/path.ts";
import { existing } from "../../bytes/existing.ts";
import { codeOf, DeltarError } from "../../bytes/errors.ts";

/** The kind of a damaged object. */
export type DamageKind =
  | "settings"
  | "record"
  | "layer"
  | "content"
  | "signature"
  | "note"
  | "key";

/** A file or hard link that is affected by damage. */
export interface HarmedFile {
  /** The path below the directory. */
  path: string;
  /**
   * The ids of the snapshots in which the file cannot be read, oldest first.
   */
  snapshots: string[];
}

/** A damaged or missing object, and the effects of the damage. */
export interface Damage {
  /** The object's name. */
  object: string;
  /** The kind of the object. It determines which repairs are possible. */
  kind: DamageKind;
  /** The fault, as text. */
  message: string;
  /**
   * The ids of the snapshots that cannot be read at all because of the damage.
   */
  lost: string[];
  /** The ids of the snapshots that are known to need the object. */
  needing: string[];
  /**
   * Whether reading the object failed with an error of code `io`. In this case,
   * the object might be undamaged.
   */
  unreadable: boolean;
  /**
   * The files and hard links that cannot be read because of the damage.
   * Snapshots that cannot be read at all are not considered.
   */
  files: HarmedFile[];
}

/** The damage that was found, by object. */
export class Findings {
  readonly #byObject = new Map<string, Damage>();
  readonly #harmed = new Map<string, Map<string, HarmedFile>>();

  /**
   * Records that an object is damaged. If damage to the object is already
   * recorded, it is kept, and `kind` and `fault` are ignored.
   *
   * @param object The name of the object.
   * @param kind The kind of the object.
   * @param fault The fault as text, or the error that was thrown while the
   * object was read. The error is thrown again if it is not a `DeltarError`, or
   * if its code is `aborted`.
   * @returns The damage. `lose`, `need` and `harm` add snapshots and files to
   * it.
   */
  object(
    object: string,
    kind: DamageKind,
    fault: unknown,
  ): Damage {
    let damage = this.#byObject.get(object);
    if (damage === undefined) {
      const message = typeof fault === "string" ? fault : messageOf(fault);
      const unreadable = codeOf(fault) === "io";
      damage = {
        object,
        kind,
        message,
        unreadable,
        lost: [],
        needing: [],
        files: [],
      };
      this.#byObject.set(object, damage);
    }
    return damage;
  }

  /**
   * Records that some snapshots cannot be read at all because of the damage.
   */
  lose(damage: Damage, ids: readonly string[]): void {
    damage.lost = [...new Set([...damage.lost, ...ids])].sort();
    this.need(damage, ids);
  }

  /** Records that snapshots need a damaged object. */
  need(damage: Damage, ids: readonly string[]): void {
    damage.needing = [...new Set([...damage.needing, ...ids])].sort();
  }

  /**
   * Records that a file of some snapshots cannot be read because of the damage.
   */
  harm(damage: Damage, path: string, ids: readonly string[]): void {
    let files = this.#harmed.get(damage.object);
    if (files === undefined) {
      files = new Map();
      this.#harmed.set(damage.object, files);
    }
    let file = files.get(path);
    if (file === undefined) {
      file = { path, snapshots: [] };
      files.set(path, file);
      damage.files.push(file);
    }
    file.snapshots = [...new Set([...file.snapshots, ...ids])].sort();
  }

  /**
   * Yields the damage that affects a file, with the ids of the affected
   * snapshots.
   */
  *harming(path: string): Generator<{ damage: Damage; ids: string[] }> {
    for (const [object, files] of this.#harmed) {
      const ids = files.get(path)?.snapshots;
      if (ids === undefined) continue;
      yield { damage: existing(this.#byObject, object), ids };
    }
  }

  /** Returns the recorded damage to an object; `undefined` if there is none. */
  of(object: string): Damage | undefined {
    return this.#byObject.get(object);
  }

  /**
   * Returns all damage, sorted by the name of the object. The files of each
   * element are sorted by path.
   */
  all(): Damage[] {
    for (const { files } of this.#byObject.values()) {
      files.sort((a, b) => comparePaths(a.path, b.path));
    }
    return [...this.#byObject.values()]
      .sort((a, b) => a.object < b.object ? -1 : 1);
  }
}

/**
 * Returns the message of a `DeltarError` without the name of the object, which
 * is shown separately. Throws the error again if it is not a `DeltarError`, or
 * if its code is `aborted`.
 */
export function messageOf(error: unknown): string {
  if (!(error instanceof DeltarError) || error.code === "aborted") throw error;
  const { message, object } = error;
  return object !== undefined && message.startsWith(`${object}: `)
    ? message.slice(object.length + 2)
    : message;
}
