import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";

/** Files and folders. A folder includes everything in it. */
export class PathSet {
  /** The paths, each once. */
  readonly list: readonly string[];
  /** Identifies the paths: equal lists have equal keys. */
  readonly key: string;
  readonly #paths: ReadonlySet<string>;

  constructor(paths: Iterable<string>) {
    this.#paths = new Set(paths);
    this.list = [...this.#paths];
    const text = new TextEncoder().encode(JSON.stringify(this.list));
    this.key = toHex(sha256(text));
  }

  /**
   * The only path of the set, or the root: the folder or file that has
   * everything that is included.
   */
  get within(): string {
    return this.list.length === 1 ? this.list[0] : "";
  }

  /** Returns whether a path is one of the paths, or inside one of them. */
  includes(path: string): boolean {
    return this.around(path).length > 0;
  }

  /** Returns the paths that are a path or a folder above it, the outer first. */
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
