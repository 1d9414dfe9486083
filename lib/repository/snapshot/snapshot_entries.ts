import type { PackedFacts, StoredContent } from "../../archive/data_packer.ts";
import { ChangeFinder } from "../../tree/change_finder.ts";
import { type Change, DiffIndex } from "../../tree/diff_index.ts";
import type { IndexEntry } from "../../tree/dir_index.ts";
import type { Metadata, Skipped } from "../../tree/entry.ts";
import type { EntryIndex } from "../../tree/entry_index.ts";
import { EntryList } from "../../tree/entry_list.ts";
import { isMadeUp } from "../../tree/kept_metadata.ts";
import { addEach, type KnownRun } from "../../tree/known_entries.ts";
import type { StateWriter } from "../../tree/state_writer.ts";
import type { KeptState } from "./kept_state.ts";
import { PackedEntries } from "./packed_entries.ts";
import { EntryTally } from "./snapshot_counts.ts";

/**
 * The entries of a snapshot in path order, and the changes since the parent.
 */
export class SnapshotEntries extends PackedEntries {
  /** The counts of the entries, and the owners and groups of the entries. */
  readonly tally: EntryTally = new EntryTally();
  readonly #changes: ChangeFinder;
  readonly #kept: KeptState | undefined;

  /**
   * Creates an empty list.
   *
   * @param states The writer of the states that the walk finds.
   * @param previous The index of the parent.
   * @param kept The earlier modes, owners and extended attributes of the
   * entries; `undefined` on a system that stores modes and owners.
   */
  constructor(states: StateWriter, previous: EntryIndex, kept?: KeptState) {
    super(new EntryList(states));
    this.list.reserve(previous.length);
    this.#kept = kept;
    this.#changes = new ChangeFinder(previous, (path) => this.list.get(path));
  }

  /** The number of changes, including deleted paths. */
  get changed(): number {
    return this.#changes.length;
  }

  /** See {@linkcode EntrySink.add}. */
  override add(
    found: IndexEntry,
    place: number,
    isChanged: boolean,
    facts: PackedFacts | undefined,
  ): void {
    const entry = this.#kept?.entry(found) ?? found;
    // A system that does not store modes and owners reports made-up ones, which
    // are stored in the remembered state. An entry with its earlier mode or
    // owner differs from that state, so it counts as changed.
    const isOther = isChanged || this.#kept !== undefined && !isMadeUp(entry);
    super.add(entry, place, isOther, facts);
    this.tally.add(entry);
    this.#changes.add(entry);
  }

  /** See {@linkcode EntrySink.keep}. */
  keep(run: KnownRun): number {
    if (this.#kept !== undefined) return addEach(run, this);
    const { entries, first, count } = run;
    this.list.keep(run);
    this.pieces.skip(count);
    this.#changes.keep(first, count);
    let bytes = 0;
    for (const summary of entries.summaries(first, count)) {
      this.tally.add(summary, summary.count);
      bytes += summary.size;
    }
    return bytes;
  }

  /**
   * Ends the list and returns the changes since the parent.
   *
   * @param root The state of the directory itself.
   * @param skipped The skipped paths. They do not count as deleted.
   */
  finish(root: Metadata, skipped: readonly Skipped[]): DiffIndex {
    this.#changes.finish(skipped.map(({ path }) => path));
    this.pieces.close();
    const changes = () => this.#changes.changes((at) => this.list.at(at));
    const bare = {
      *[Symbol.iterator]() {
        for (const [change] of changes()) yield change;
      },
    };
    return new DiffIndex(bare, root, this.#changes.counts());
  }

  /**
   * Yields the changes, each with the stored form of its new content;
   * `undefined` if no new content was stored.
   */
  *stored(): Generator<[change: Change, stored: StoredContent | undefined]> {
    const changes = this.#changes.changes((at) => this.list.at(at));
    for (const [change, number] of changes) {
      yield [change, number < 0 ? undefined : this.pieces.get(number)];
    }
  }
}
