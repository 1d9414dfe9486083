import type { PackedFacts, StoredContent } from "../../archive/data_packer.ts";
import type { IndexEntry } from "../../tree/dir_index.ts";
import { storedSize } from "../../tree/entry_line.ts";
import type { EntryList, EntrySink } from "../../tree/entry_list.ts";
import type { KeptContent, VolumeContents } from "./checkpoint.ts";
import { PieceTable } from "./piece_table.ts";

/**
 * Entries and the stored forms of their content, in the order in which the
 * content is stored. Each entry takes only about 150 bytes of memory, because
 * it is kept in typed arrays rather than as a JavaScript object.
 */
export class PackedEntries implements EntrySink<PackedFacts>, VolumeContents {
  /** The entries, in the order in which they were added. */
  readonly list: EntryList;
  /** The stored forms of the entries' content. */
  protected readonly pieces: PieceTable;
  /** The number of entries that `next` has examined. */
  #told = 0;

  /**
   * Creates an empty collection of entries.
   *
   * @param list An empty list, to which the entries are added.
   */
  constructor(list: EntryList) {
    this.list = list;
    this.pieces = new PieceTable(list);
  }

  /** See {@linkcode EntrySink.add}. */
  add(
    entry: IndexEntry,
    place: number,
    isOther: boolean,
    facts: PackedFacts | undefined,
  ): void {
    this.list.add(entry, place, isOther);
    this.pieces.add(facts?.stored);
  }

  /**
   * Returns the stored form of the content with the given SHA-256 in
   * hexadecimal, with the path of the entry for which it was stored. Returns
   * `undefined` if the content was not stored whole for an earlier entry.
   */
  findStored(sha256: string): StoredContent | undefined {
    return this.pieces.find(sha256);
  }

  /** See {@linkcode VolumeContents.next}. */
  next(volume: string): KeptContent | undefined {
    for (; this.#told < this.list.length; this.#told++) {
      const frame = this.pieces.frame(this.#told);
      if (frame === undefined) continue;
      if (frame.volume !== volume) return undefined;
      const piece = this.pieces.stored(this.#told);
      // A checkpoint does not record whether a delta replaces earlier deltas. A
      // later run could not tell what such a delta applies to, so it is
      // omitted.
      if (piece.replacesDeltas) continue;
      const number = this.#told++;
      const path = this.list.path(number);
      const sha256 = this.list.sha256(number);
      const entry = this.list.at(number);
      const size = piece.form === "whole" || entry.kind !== "file"
        ? piece.size
        : storedSize(entry);
      return { path, sha256, size, piece };
    }
    return undefined;
  }
}
