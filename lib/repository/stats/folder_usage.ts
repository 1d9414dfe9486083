import { existing } from "../../bytes/existing.ts";
import type { StoredPiece, TreeEntry } from "../layers/tree_layer.ts";

/** The space that a folder or file uses. */
export interface PathUsage {
  /**
   * The path below the root; `""` for the files that are directly in the folder
   * `within`, but not in one of its subfolders.
   */
  path: string;
  /** The number of files. */
  files: number;
  /** The total size of the files, in bytes. */
  bytes: number;
  /**
   * The space used in the repository, in bytes.
   *
   * - If several folders share a frame, its size is divided among the folders
   *   in proportion to the lengths of their pieces.
   * - The space of a single file is the sum of the space of its pieces. The
   *   space of a piece is its length or the size of its frames, whichever is
   *   smaller.
   */
  stored: number;
}

/** A range of a volume that can have bytes of several folders. */
interface SharedRange {
  /** The length of the range in bytes. */
  length: number;
  /** The sum of the lengths in `parts`, in bytes. */
  total: number;
  /**
   * The total length in bytes of each folder's pieces in the range, before
   * compression, by the folder's path.
   */
  parts: Map<string, number>;
}

/** The space that the folders of a tree use, and the tree's largest files. */
export class FolderUsage {
  readonly #within: string;
  readonly #most: number;
  readonly #folders = new Map<string, PathUsage>();
  readonly #ranges = new Map<string, SharedRange>();
  #largest: PathUsage[] = [];

  /**
   * Creates an instance without entries. Call `add` to add entries.
   *
   * @param within The path of the folder in which each subfolder is counted
   * separately; `""` for the root.
   * @param most The maximum number of largest files to return.
   */
  constructor(within: string, most: number) {
    this.#within = within === "" ? "" : `${within}/`;
    this.#most = most;
  }

  /** Adds an entry inside the folder `within`. Only files are counted. */
  add(entry: TreeEntry): void {
    if (entry.kind !== "file") return;
    const below = entry.path.slice(this.#within.length);
    const end = below.indexOf("/");
    const path = end < 0 ? "" : this.#within + below.slice(0, end);
    let folder = this.#folders.get(path);
    if (folder === undefined) {
      folder = { path, files: 0, bytes: 0, stored: 0 };
      this.#folders.set(path, folder);
    }
    folder.files++;
    folder.bytes += entry.size;
    let stored = 0;
    for (const piece of piecesOf(entry)) {
      this.#share(piece, path);
      stored += Math.min(piece.size, piece.reference.length);
    }
    const { size: bytes } = entry;
    this.#largest.push({ path: entry.path, files: 1, bytes, stored });
    if (this.#largest.length >= 2 * this.#most + 1000) this.#cut();
  }

  /** Returns the folders, sorted by the space that they use, largest first. */
  folders(): PathUsage[] {
    const folders = new Map(
      [...this.#folders].map(([path, folder]) => [path, { ...folder }]),
    );
    for (const { length, total, parts } of this.#ranges.values()) {
      for (const [path, part] of parts) {
        existing(folders, path).stored += total === 0
          ? 0
          : length * part / total;
      }
    }
    for (const folder of folders.values()) {
      folder.stored = Math.round(folder.stored);
    }
    return [...folders.values()]
      .sort((a, b) => b.stored - a.stored || b.bytes - a.bytes);
  }

  /** Returns the files with the largest size, largest first. */
  largest(): PathUsage[] {
    this.#cut();
    return this.#largest;
  }

  #share({ size, reference }: StoredPiece, path: string): void {
    const { volume, offset, length } = reference;
    const key = `${volume}:${offset}`;
    let range = this.#ranges.get(key);
    if (range === undefined) {
      range = { length, total: 0, parts: new Map() };
      this.#ranges.set(key, range);
    }
    range.total += size;
    range.parts.set(path, (range.parts.get(path) ?? 0) + size);
  }

  #cut(): void {
    this.#largest.sort((a, b) => b.bytes - a.bytes);
    this.#largest = this.#largest.slice(0, this.#most);
  }
}

/** Returns all pieces of a file, including its signature. */
function piecesOf({ content = [], signature }: TreeEntry): StoredPiece[] {
  return signature === undefined ? content : [...content, signature];
}
