import type { PackedFacts, StoredContent } from "../../archive/data_packer.ts";
import { ChangeFinder } from "../../tree/change_finder.ts";
import { type Change, DiffIndex } from "../../tree/diff_index.ts";
import type { DirIndex, IndexEntry } from "../../tree/dir_index.ts";
import type { Metadata, Skipped } from "../../tree/entry.ts";
import { storedSize } from "../../tree/entry_line.ts";
import { EntryList, type EntrySink } from "../../tree/entry_list.ts";
import { isMadeUp } from "../../tree/kept_metadata.ts";
import type { StateWriter } from "../../tree/state_writer.ts";
import type { KeptContent, VolumeContents } from "./checkpoint.ts";
import type { KeptState } from "./kept_state.ts";
import { PieceTable } from "./piece_table.ts";
import { EntryTally } from "./snapshot_counts.ts";

/**
 * The entries that a snapshot finds and the stored forms of their content. Each
 * entry takes about 150 bytes of memory. JavaScript objects are made only on
 * request.
 */
export class SnapshotEntries implements EntrySink<PackedFacts>, VolumeContents {
  /** The entries. */
  readonly list: EntryList;
  /** The number of entries of each kind, and the total length of the files. */
  readonly tally: EntryTally = new EntryTally();
  readonly #pieces: PieceTable;
  readonly #changes: ChangeFinder;
  readonly #kept: KeptState | undefined;
  /** The number of entries that `next` has examined. */
  #told = 0;

  /**
   * Makes an empty list.
   *
   * @param states The writer of the states that the walk finds.
   * @param previous The index of the parent.
   * @param kept The modes and owners that the entries had before, on a system
   * that does not store them.
   */
  constructor(states: StateWriter, previous: DirIndex, kept?: KeptState) {
    this.#kept = kept;
    this.list = new EntryList(states);
    this.#pieces = new PieceTable(this.list);
    this.#changes = new ChangeFinder(previous, (path) => this.list.find(path));
  }

  /** The number of changes, including deleted paths. */
  get changed(): number {
    return this.#changes.length;
  }

  /** See {@linkcode EntrySink.add}. */
  add(
    found: IndexEntry,
    place: number,
    isChanged: boolean,
    facts: PackedFacts | undefined,
  ): void {
    const entry = this.#kept?.entry(found) ?? found;
    // The remembered state has the mode and owner that the system made up, so
    // an entry with another mode or owner is not the same as in that state.
    const isOther = isChanged || this.#kept !== undefined && !isMadeUp(entry);
    this.list.add(entry, place, isOther);
    this.tally.add(entry);
    this.#changes.add(entry);
    this.#pieces.add(facts?.stored);
  }

  /**
   * Returns a content that was stored whole for an earlier entry, with the path
   * of that entry.
   */
  findStored(sha256: string): StoredContent | undefined {
    return this.#pieces.find(sha256);
  }

  /** See {@linkcode VolumeContents.next}. */
  next(volume: string): KeptContent | undefined {
    for (; this.#told < this.list.length; this.#told++) {
      const frame = this.#pieces.frame(this.#told);
      if (frame === undefined) continue;
      if (frame.volume !== volume) return undefined;
      const piece = this.#pieces.stored(this.#told);
      // A checkpoint does not record that a piece replaces deltas, and without
      // this fact the piece cannot be used.
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

  /**
   * Ends the list and returns the changes since the parent.
   *
   * @param root The state of the directory itself.
   * @param skipped The skipped paths, which do not count as deleted.
   */
  finish(root: Metadata, skipped: readonly Skipped[]): DiffIndex {
    this.#changes.finish(skipped.map(({ path }) => path));
    this.#pieces.close();
    const changes = () => this.#changes.changes((at) => this.list.at(at));
    const bare = {
      *[Symbol.iterator]() {
        for (const [change] of changes()) yield change;
      },
    };
    return new DiffIndex(bare, root, this.#changes.counts());
  }

  /**
   * Yields the changes, each with the stored form of its new content, if any.
   */
  *stored(): Generator<[change: Change, stored: StoredContent | undefined]> {
    const changes = this.#changes.changes((at) => this.list.at(at));
    for (const [change, number] of changes) {
      yield [change, number < 0 ? undefined : this.#pieces.get(number)];
    }
  }
}
