import { sep } from "node:path";

/**
 * The pattern of the names of the settings, of leases, and of all objects whose
 * names have an id after one or two folders. Other objects, such as key files,
 * have other names.
 */
const STORED =
  /^(?:deltar\.json$|lease\/\d+\.json$|(?:[a-z]+\/){1,2}\d{8}T\d{6}Z-)/;

/**
 * Returns whether a name is that of an object in a repository. Does not
 * recognize the objects whose names `STORED` does not match.
 */
export function isStored(object: string): boolean {
  return STORED.test(object);
}

/** The locations of the repositories that a command opens, for messages. */
export class OpenedRepositories {
  readonly #locations: string[] = [];

  /** The locations, in the order of opening. */
  get locations(): readonly string[] {
    return this.#locations;
  }

  /** Adds the location of a repository that is about to be opened. */
  add(location: string): void {
    if (!this.#locations.includes(location)) this.#locations.push(location);
  }

  /**
   * Returns whether the object of an error belongs to an opened repository: the
   * object is the location of an opened repository, or a repository is open and
   * `isStored` returns `true` for the object.
   */
  holds(object: string): boolean {
    return this.#locations.length > 0 &&
      (isStored(object) || this.#locations.includes(object));
  }

  /** Returns the locations of the repositories at or above a path. */
  around(file: string): readonly string[] {
    return this.#locations.filter((location) =>
      file === location || file.startsWith(location + sep)
    );
  }
}
