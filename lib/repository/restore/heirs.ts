import { withJson } from "../../tree/to_json.ts";
import {
  canHaveLinks,
  type HardLinkEntry,
  type SpecialEntry,
} from "../../tree/entry.ts";
import type { TreeEntry, TreeFileEntry } from "../layers/tree_layer.ts";

/** An entry that can have hard links. */
export type LinkableEntry = TreeFileEntry | SpecialEntry;

/** Returns whether an entry can have hard links. */
export function isLinkable(entry: TreeEntry): entry is LinkableEntry {
  return canHaveLinks(entry.kind);
}

/**
 * Decides what is restored for hard links if the first name of their file,
 * named pipe or device cannot be restored. The next name becomes the entry
 * itself, and the names after it become links to that name.
 */
export class Heirs {
  /** The entries that cannot be restored under their own paths, by path. */
  readonly #lost = new Map<string, LinkableEntry>();
  /**
   * The paths of the hard links that are restored in place of the lost entries,
   * by the paths of the lost entries.
   */
  readonly #heirs = new Map<string, string>();

  /** Records that an entry cannot be restored under its path. */
  lose(entry: TreeEntry): void {
    if (isLinkable(entry)) this.#lost.set(entry.path, entry);
  }

  /**
   * Returns what to restore for an entry: for a hard link, the result of
   * {@linkcode ofLink}; for any other entry, the entry itself.
   *
   * @param entry The entry. A hard link must be passed after the entry that it
   * links to.
   */
  of(entry: TreeEntry): TreeEntry {
    return entry.kind === "hardlink" ? this.ofLink(entry) : entry;
  }

  /**
   * Returns what to restore for a hard link: the link itself if the entry that
   * it links to can be restored. Otherwise returns the linked entry under the
   * path of the link or, if an earlier link has already taken the place of the
   * linked entry, a hard link to that earlier link.
   */
  ofLink(entry: HardLinkEntry): LinkableEntry | HardLinkEntry {
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
