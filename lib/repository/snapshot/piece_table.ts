import type { StoredContent } from "../../archive/data_packer.ts";
import {
  type FrameLocation,
  PlacedContent,
} from "../../archive/content_reference.ts";
import { WordRows } from "../../bytes/word_rows.ts";
import { ContentTable } from "../../tree/content_table.ts";
import type { EntryList } from "../../tree/entry_list.ts";

/**
 * The positions of the 32-bit words in a row, which describes where an entry's
 * content is stored. The two lowest bits of the word `size` are the kind of the
 * row. `length` is the number of words.
 */
const WORD = { frame: 0, skip: 1, size: 2, length: 3 } as const;
/**
 * The kind of a row for an entry without stored content, or with a stored
 * content that a row cannot describe.
 */
const NONE = 0;
const WHOLE = 1;
const DELTA = 2;
/**
 * The kind of a row for an entry whose content is stored under the path of
 * another entry. The first word of the row is the number of the other entry.
 */
const SHARED = 3;
/** The minimum size, in bytes, of a content that is too large for a row. */
const MIN_OVERSIZE_BYTES = 2 ** 30;

/**
 * A table of the stored contents of a snapshot's entries. Contents that were
 * stored whole can be found by SHA-256. The table takes 12 bytes for each
 * entry, and 8 to 16 bytes for each distinct content that was stored whole.
 */
export class PieceTable {
  readonly #entries: EntryList;
  readonly #rows = new WordRows(WORD.length);
  readonly #frames: FrameLocation[] = [];
  readonly #others = new Map<number, StoredContent>();
  /** The entries with content that was stored whole, by SHA-256. */
  readonly #whole: ContentTable;

  /** Creates a table for the entries of a list. */
  constructor(entries: EntryList) {
    this.#entries = entries;
    this.#whole = new ContentTable(entries);
  }

  /** Records how the content of the list's last entry was stored, if at all. */
  add(stored: StoredContent | undefined): void {
    const number = this.#rows.push();
    if (stored === undefined) return;
    const { form, size, reference, path, replacesDeltas } = stored;
    if (
      !(reference instanceof PlacedContent) || size >= MIN_OVERSIZE_BYTES ||
      replacesDeltas
    ) this.#others.set(number, stored);
    else if (path !== undefined) {
      const owner = this.#whole.findSame(number);
      // The content of a stream might be stored under the path of a later
      // entry. The number of the later entry is not known yet, so the path
      // itself is kept.
      if (form === "delta" || owner < 0) this.#others.set(number, stored);
      else this.#set(number, owner, 0, SHARED);
      return;
    } else {
      const { frame, skip } = reference;
      if (this.#frames.at(-1) !== frame) this.#frames.push(frame);
      const kind = form === "whole" ? WHOLE : DELTA;
      this.#set(number, this.#frames.length - 1, skip, size * 4 + kind);
    }
    if (form === "whole" && size > 0 && path === undefined) {
      this.#whole.add(number);
    }
  }

  /**
   * Records that no content was stored for the last `count` entries of the
   * list.
   */
  skip(count: number): void {
    this.#rows.push(count);
  }

  /**
   * Returns the stored form of an entry's content, or `undefined` if the
   * content was not stored.
   */
  get(number: number): StoredContent | undefined {
    const word = this.#rows.get(number, WORD.size);
    const kind = word & 3;
    if (kind === NONE) return this.#others.get(number);
    const first = this.#rows.get(number, WORD.frame);
    if (kind === SHARED) return this.#under(first);
    const reference = new PlacedContent(
      this.#frames[first],
      this.#rows.get(number, WORD.skip),
    );
    const form = kind === WHOLE ? "whole" : "delta";
    return { form, size: word >>> 2, reference };
  }

  /**
   * Returns the stored form of an entry's content.
   *
   * @throws {RangeError} If the content was not stored.
   */
  stored(number: number): StoredContent {
    const content = this.get(number);
    if (content !== undefined) return content;
    throw new RangeError(`the content of entry ${number} was not stored`);
  }

  /**
   * Returns the location of the frame in which this run stored the content of
   * an entry; `undefined` if this run stored no content for the entry, or
   * stored it under the path of another entry. The fields of the location are
   * set when the frame is written to a volume.
   */
  frame(number: number): FrameLocation | undefined {
    const kind = this.#rows.get(number, WORD.size) & 3;
    if (kind === WHOLE || kind === DELTA) {
      return this.#frames[this.#rows.get(number, WORD.frame)];
    }
    if (kind === SHARED) return undefined;
    const { reference, path } = this.#others.get(number) ?? {};
    return reference instanceof PlacedContent && path === undefined
      ? reference.frame
      : undefined;
  }

  /**
   * Returns the stored form of the content with the given SHA-256 in
   * hexadecimal, with the path under which it was stored; `undefined` if no
   * such content was stored whole.
   */
  find(sha256: string): StoredContent | undefined {
    const number = this.#whole.find(sha256);
    return number < 0 ? undefined : this.#under(number);
  }

  /** Frees the hash table. After that, `add` and `find` must not be called. */
  close(): void {
    this.#whole.close();
  }

  #under(number: number): StoredContent {
    return { ...this.stored(number), path: this.#entries.path(number) };
  }

  #set(number: number, frame: number, skip: number, size: number): void {
    this.#rows.set(number, WORD.frame, frame);
    this.#rows.set(number, WORD.skip, skip);
    this.#rows.set(number, WORD.size, size);
  }
}
