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
  | "note";

/** A file that damage harms. */
export interface HarmedFile {
  /** Its path. */
  path: string;
  /** The ids of the snapshots in which it cannot be read, the oldest first. */
  snapshots: string[];
}

/** An object that is not what it should be, and what that harms. */
export interface Damage {
  /** The object's name. */
  object: string;
  /** The kind, on which the possible repairs depend. */
  kind: DamageKind;
  /** The fault, in words. */
  message: string;
  /** The ids of snapshots of which nothing can be read for it. */
  lost: string[];
  /** The ids of all snapshots that need it. */
  needing: string[];
  /** Whether it could not be read at all, whatever it holds. */
  unreadable: boolean;
  /** Files that cannot be read for it; those of lost snapshots not counted. */
  files: HarmedFile[];
}

/** Gathers what is wrong, object by object. */
export class Findings {
  readonly #byObject = new Map<string, Damage>();
  readonly #harmed = new Map<string, Map<string, HarmedFile>>();

  /**
   * Notes that an object is at fault; what was said first stays.
   *
   * @param fault What is wrong: in words, or what reading it threw; an error
   * that tells of no stored object is thrown again.
   * @returns What is known of it, to be added to.
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

  /** Notes that nothing of some snapshots can be read for a fault. */
  lose(damage: Damage, ids: readonly string[]): void {
    damage.lost = [...new Set([...damage.lost, ...ids])].sort();
    this.need(damage, ids);
  }

  /** Notes that snapshots need an object that is at fault. */
  need(damage: Damage, ids: readonly string[]): void {
    damage.needing = [...new Set([...damage.needing, ...ids])].sort();
  }

  /** Notes that a file of some snapshots cannot be read for a fault. */
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
   * Yields the damage that affects a file, and the snapshots in which it does.
   */
  *harming(path: string): Generator<{ damage: Damage; ids: string[] }> {
    for (const [object, files] of this.#harmed) {
      const ids = files.get(path)?.snapshots;
      if (ids === undefined) continue;
      yield { damage: existing(this.#byObject, object), ids };
    }
  }

  /** Returns the known damage of an object. */
  of(object: string): Damage | undefined {
    return this.#byObject.get(object);
  }

  /** Returns all that is wrong, by the names of objects and paths of files. */
  all(): Damage[] {
    for (const { files } of this.#byObject.values()) {
      files.sort((a, b) => comparePaths(a.path, b.path));
    }
    return [...this.#byObject.values()]
      .sort((a, b) => a.object < b.object ? -1 : 1);
  }
}

/** Returns the message of an error without the object, which is shown apart. */
export function messageOf(error: unknown): string {
  if (!(error instanceof DeltarError) || error.code === "aborted") throw error;
  const { message, object } = error;
  return object !== undefined && message.startsWith(`${object}: `)
    ? message.slice(object.length + 2)
    : message;
}
