import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";

/** A set of files and folders. A folder includes everything in it. */
export class PathSet {
  /** The paths, without duplicates. */
  readonly list: readonly string[];
  /** A key that identifies the paths. Equal lists have equal keys. */
  readonly key: string;
  readonly #paths: ReadonlySet<string>;

  constructor(paths: Iterable<string>) {
    this.#paths = new Set(paths);
    this.list = [...this.#paths];
    const text = new TextEncoder().encode(JSON.stringify(this.list));
    this.key = toHex(sha256(text));
  }

  /**
   * The path of a folder or file that contains everything in the set: the only
   * path of the set or, if there are several, the root (`""`).
   */
  get within(): string {
    return this.list.length === 1 ? this.list[0] : "";
  }

  /**
   * Returns whether the set contains a path, or a folder that the path is in.
   */
  includes(path: string): boolean {
    return this.around(path).length > 0;
  }

  /**
   * Returns the paths of the set that are equal to `path` or are folders above
   * `path`, from the outermost to the innermost.
   */
  around(path: string): string[] {
    const found = this.#paths.has("") ? [""] : [];
    for (let end = -1; end < path.length;) {
      const next = path.indexOf("/", end + 1);
      end = next < 0 ? path.length : next;
      const folder = path.slice(0, end);
      if (this.#paths.has(folder)) found.push(folder);
    }
    return found;
  }
}
