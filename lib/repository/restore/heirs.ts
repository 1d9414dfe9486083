import { withJson } from "../../tree/to_json.ts";
import type { HardLinkEntry } from "../../tree/entry.ts";
import type { TreeEntry, TreeFileEntry } from "../layers/tree_layer.ts";

/**
 * Decides what becomes of hard links if the first name of their file cannot be
 * restored. The next name becomes the file itself, and the names after it
 * become links to that name.
 */
export class Heirs {
  /** The files that cannot be restored under their own paths. */
  readonly #lost = new Map<string, TreeFileEntry>();
  /**
   * The paths of the hard links that become the lost files, by the paths of the
   * lost files.
   */
  readonly #heirs = new Map<string, string>();

  /** Records that an entry cannot be restored under its path. */
  lose(entry: TreeEntry): void {
    if (entry.kind === "file") this.#lost.set(entry.path, entry);
  }

  /**
   * Returns what to restore for an entry: the entry itself or, for a hard link,
   * the file or link that it becomes.
   *
   * @param entry The entry. Entries are passed after those that they link to.
   */
  of(entry: TreeEntry): TreeEntry {
    return entry.kind === "hardlink" ? this.ofLink(entry) : entry;
  }

  /** Returns the file or link that a hard link becomes. See {@linkcode of}. */
  ofLink(entry: HardLinkEntry): TreeFileEntry | HardLinkEntry {
    const { path } = entry;
    let { target } = entry;
    for (;;) {
      const lost = this.#lost.get(target);
      if (lost === undefined) {
        return target === entry.target ? entry : withJson({ ...entry, target });
      }
      const heir = this.#heirs.get(target);
      if (heir === undefined) {
        this.#heirs.set(target, path);
        return withJson({ ...lost, path });
      }
      target = heir;
    }
  }
}
