import type { StoredContent } from "../../archive/data_packer.ts";
import {
  type FrameLocation,
  PlacedContent,
} from "../../archive/content_reference.ts";
import { fillHex } from "../../bytes/hex.ts";
import { WordRows } from "../../bytes/word_rows.ts";
import type { EntryList } from "../../tree/entry_list.ts";

/**
 * The positions of the 32-bit words in a row. `length` is the number of words.
 * The words describe where an entry's content is stored.
 */
const WORD = { frame: 0, skip: 1, size: 2, length: 3 } as const;
/**
 * The kind of a row whose entry has no stored content, or a stored content that
 * a row cannot describe.
 */
const NONE = 0;
const WHOLE = 1;
const DELTA = 2;
/**
 * The kind of a row whose content is stored under the path of another entry.
 * The number of that entry is in the first word of the row.
 */
const SHARED = 3;
/** The size in bytes from which a content is too large for a row. */
const MIN_OVERSIZE_BYTES = 2 ** 30;

/**
 * A table of the stored contents of a snapshot's entries, in which contents can
 * be found by SHA-256. It takes 12 bytes for each entry, and 8 to 16 bytes for
 * each distinct content that was stored whole.
 */
export class PieceTable {
  readonly #entries: EntryList;
  readonly #rows = new WordRows(WORD.length);
  readonly #frames: FrameLocation[] = [];
  readonly #others = new Map<number, StoredContent>();
  /**
   * A hash table of the numbers of entries whose content was stored whole, each
   * increased by one; 0 is a free slot.
   */
  #slots = new Uint32Array(1 << 10);
  #used = 0;
  readonly #sum = new Uint8Array(32);
  readonly #sumWords = new Uint32Array(this.#sum.buffer);

  /** Creates a table for the entries of a list. */
  constructor(entries: EntryList) {
    this.#entries = entries;
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
      this.#sum.set(this.#entries.sumOf(number));
      const owner = this.#slots[this.#slot()] - 1;
      // In a stream, the entry under whose path the content was stored can be a
      // later one, whose number is not known yet.
      if (form === "delta" || owner < 0) this.#others.set(number, stored);
      else this.#set(number, owner, 0, SHARED);
      return;
    } else {
      const { frame, skip } = reference;
      if (this.#frames.at(-1) !== frame) this.#frames.push(frame);
      const kind = form === "whole" ? WHOLE : DELTA;
      this.#set(number, this.#frames.length - 1, skip, size * 4 + kind);
    }
    if (form === "whole" && size > 0 && path === undefined) this.#share(number);
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
    throw new RangeError(`no content of entry ${number} was stored`);
  }

  /**
   * Returns the location of the frame with the content of an entry; `undefined`
   * if no content was stored, or if the content was stored under the path of
   * another entry. The location's fields are set when the frame is stored.
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
   * Finds a content that was stored whole by its SHA-256. Returns the stored
   * form of the content, with the path under which it was stored; `undefined`
   * if there is none.
   */
  find(sha256: string): StoredContent | undefined {
    fillHex(this.#sum, sha256);
    const number = this.#slots[this.#slot()] - 1;
    return number < 0 ? undefined : this.#under(number);
  }

  /** Frees the hash table. After that, `find` must not be called. */
  close(): void {
    this.#slots = new Uint32Array(0);
  }

  #under(number: number): StoredContent {
    return { ...this.stored(number), path: this.#entries.path(number) };
  }

  #set(number: number, frame: number, skip: number, size: number): void {
    this.#rows.set(number, WORD.frame, frame);
    this.#rows.set(number, WORD.skip, skip);
    this.#rows.set(number, WORD.size, size);
  }

  #share(number: number): void {
    if (2 * ++this.#used > this.#slots.length) this.#grow();
    this.#put(number);
  }

  #put(number: number): void {
    this.#sum.set(this.#entries.sumOf(number));
    const slot = this.#slot();
    // If several entries have the same content, the first of them is kept.
    if (this.#slots[slot] === 0) this.#slots[slot] = number + 1;
  }

  #grow(): void {
    const numbers = this.#slots;
    this.#slots = new Uint32Array(2 * numbers.length);
    for (const number of numbers) if (number > 0) this.#put(number - 1);
  }

  /** Returns the slot of the SHA-256 in `#sum`, or the free slot for it. */
  #slot(): number {
    const mask = this.#slots.length - 1;
    for (let slot = this.#sumWords[0] & mask;; slot = slot + 1 & mask) {
      const number = this.#slots[slot] - 1;
      if (number < 0 || this.#entries.hasSum(number, this.#sumWords)) {
        return slot;
      }
    }
  }
}
