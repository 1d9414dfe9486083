import type { Metadata } from "./entry.ts";
import type { FileRange } from "./file_range.ts";
import { decodeName } from "./raw_name.ts";
import {
  DIRECTORY_TYPE,
  ENTRY,
  ENTRY_FLAG,
  HEAD,
  latin1,
  MAX_NAME_BYTES,
  nameWords,
  readBasics,
  readIdentity,
  readSize,
  TYPE_MASK,
  wordsOf,
} from "./state_layout.ts";
import { type StatePage, StatePages } from "./state_pages.ts";
import { type FileStat, type Identity, kindOf, STATX } from "./statx.ts";

const NO_BYTES = new Uint8Array(0);

/**
 * The state of a directory that a machine remembers between walks: the name and
 * the state of each entry of each folder, in the order in which the system
 * lists the entries. A folder is a block of 32-bit words. The blocks of all
 * folders are concatenated. A block has:
 *
 * - the number of entries, the number of words of the block, and the flags;
 * - the SHA-256 of the exclude rules, if the folder has the flag `ruled`,
 *   otherwise zeros;
 * - the entries: their flags and mode, owner, size, times, inode, number of
 *   links and device, the length of the name and the name, padded with zeros.
 *
 * In the entry of a directory, the size is replaced by the number of the first
 * word of the directory's block, or by 0 if the directory has no block. Methods
 * identify an entry by the number of its first word.
 */
export class TreeState {
  /** The total number of 32-bit words of all blocks. */
  readonly length: number;
  /** The pages; `undefined` if the blocks are in memory. */
  readonly #pages: StatePages | undefined;
  #page: StatePage;

  /**
   * Makes an instance that reads blocks that `StateWriter` wrote.
   *
   * @param blocks The blocks, in memory or in a file. Their length in bytes
   * must be a multiple of four. In memory, the array's offset in its buffer
   * must also be a multiple of four.
   */
  constructor(blocks: Uint8Array | FileRange) {
    if (blocks instanceof Uint8Array) {
      this.#page = { first: 0, words: wordsOf(blocks), bytes: blocks };
      this.length = this.#page.words.length;
    } else {
      this.#pages = new StatePages(blocks);
      this.#page = { first: 0, words: new Uint32Array(0), bytes: NO_BYTES };
      this.length = this.#pages.length;
    }
  }

  /**
   * The words in which `seek` finds an entry. Each call of `seek` can replace
   * them if the blocks are in a file.
   */
  get words(): Uint32Array {
    return this.#page.words;
  }

  /**
   * Finds an entry and returns its position in `words`. If the state has a
   * complete entry there, `words` contains all of it.
   *
   * @param entry The number of the first word of the entry.
   * @throws {DeltarError} The errors of `FileRange.read`.
   * @throws {RangeError} If there is too little memory for the state.
   */
  seek(entry: number): number {
    if (this.#pages === undefined) return entry;
    this.#page = this.#pages.around(entry);
    return entry - this.#page.first;
  }

  /**
   * Returns the folder of a block.
   *
   * @param at The number of the first word of the block. The block of the root
   * begins at word 0.
   * @returns The folder, or `undefined` if no complete block begins at this
   * word. The folder is valid until the next call of this method.
   * @throws {DeltarError} The errors of `FileRange.read`.
   * @throws {RangeError} If there is too little memory for the folder.
   */
  folder(at: number): FolderState | undefined {
    const page = this.#block(at);
    return isBlock(page, at) ? new FolderState(page, at) : undefined;
  }

  #block(at: number): StatePage {
    if (this.#pages === undefined) return this.#page;
    const { words } = this.#pages.copy(at, HEAD.length);
    return this.#pages.copy(at, words[HEAD.words] ?? 0);
  }

  /** Whether the blocks are in a file. */
  get isPaged(): boolean {
    return this.#pages !== undefined;
  }

  /**
   * Returns the words of an entry, which are valid until the next call of a
   * method.
   *
   * @throws {RangeError} If the entry is incomplete.
   */
  entry(entry: number): Uint32Array {
    const length = ENTRY.length + nameWords(this.nameLength(entry));
    const at = this.seek(entry);
    return this.words.subarray(at, at + length);
  }

  /** Returns the part of an entry's state that an index records. */
  basics(entry: number): Metadata & Pick<FileStat, "kind" | "size"> {
    const at = this.seek(entry);
    return readBasics(this.words, at);
  }

  /**
   * Returns an entry's name.
   *
   * @throws {RangeError} If the entry is incomplete.
   */
  name(entry: number): string {
    const length = this.nameLength(entry);
    const start = 4 * (this.seek(entry) + ENTRY.length);
    return decodeName(this.#page.bytes.subarray(start, start + length));
  }

  /**
   * Returns the length of an entry's name in bytes.
   *
   * @throws {RangeError} If the entry is incomplete.
   */
  nameLength(entry: number): number {
    const at = this.seek(entry);
    const { words } = this;
    if (endOfEntry(words, at, words.length) < 0) {
      throw new RangeError(`no complete entry begins at word ${entry}`);
    }
    return words[at + ENTRY.name];
  }

  /**
   * Returns the number of the first word of a directory's block; `undefined` if
   * the entry has no block.
   */
  blockOf(entry: number): number | undefined {
    const at = this.seek(entry);
    return blockOf(this.words, at) || undefined;
  }

  /** Returns an entry's kind. */
  kind(entry: number): FileStat["kind"] {
    const at = this.seek(entry);
    return kindOf(this.words[at]);
  }

  /** Returns whether an entry has the flag `plain`. */
  isPlain(entry: number): boolean {
    const at = this.seek(entry);
    return (this.words[at] & ENTRY_FLAG.plain) !== 0;
  }
}

/**
 * Returns whether a complete block begins at word `at`. Its number of entries
 * must be correct, its last entry must end where the block ends, and the blocks
 * of the directories in it must begin after `at`.
 */
function isBlock({ first, words }: StatePage, at: number): boolean {
  const start = at - first;
  if (start + HEAD.length > words.length) return false;
  const end = start + words[start + HEAD.words];
  if (end > words.length) return false;
  let count = 0;
  let entry = start + HEAD.length;
  for (; entry >= 0 && entry < end; count++) {
    const isFolder = (words[entry] & TYPE_MASK) === DIRECTORY_TYPE;
    const block = words[entry + ENTRY.size];
    if (isFolder && block !== 0 && block <= at) return false;
    entry = endOfEntry(words, entry, end);
  }
  return entry === end && count === words[start + HEAD.count];
}

/**
 * Returns the position in `words` of the word after an entry, or -1 if the
 * entry is invalid or ends after `end`.
 */
function endOfEntry(words: Uint32Array, entry: number, end: number): number {
  const name = entry + ENTRY.length;
  if (name > end) return -1;
  const length = words[entry + ENTRY.name];
  if (length > MAX_NAME_BYTES) return -1;
  const after = name + nameWords(length);
  return after <= end ? after : -1;
}

/**
 * Returns the number of the first word of a directory's block, or 0 if the
 * entry, which is at a position in `words`, has no block.
 */
function blockOf(words: Uint32Array, entry: number): number {
  const isDirectory = (words[entry] & TYPE_MASK) === DIRECTORY_TYPE;
  return isDirectory ? words[entry + ENTRY.size] : 0;
}

/**
 * One folder of a state. An entry is identified by the number of its first
 * word.
 */
export class FolderState {
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  /** The number, in the state, of the first word of `#words`. */
  readonly #first: number;
  /** The position of the block in `#words`. */
  readonly #at: number;
  #next: number;
  #byName: Map<string, number> | undefined;

  /**
   * Makes an instance for a block of a state.
   *
   * @param page Words of the state that contain the block.
   * @param at The number of the first word of the block.
   */
  constructor({ first, words, bytes }: StatePage, at: number) {
    this.#bytes = bytes;
    this.#words = words;
    this.#first = first;
    this.#at = at - first;
    this.#next = this.#at + HEAD.length;
  }

  /** The number of the first word of the block. */
  get place(): number {
    return this.#at + this.#first;
  }

  /** The number of entries. */
  get count(): number {
    return this.#words[this.#at + HEAD.count];
  }

  /** The flags of the folder. See {@linkcode FOLDER_FLAG}. */
  get flags(): number {
    return this.#words[this.#at + HEAD.flags];
  }

  /**
   * Finds the entry with a name. Names are found without a search if they are
   * looked up in the order in which the state lists them.
   *
   * @param bytes The array that contains the name.
   * @param start The offset of the name's first byte.
   * @param end The offset after the name's last byte.
   * @returns The number of the first word of the entry, or -1 if no entry has
   * this name.
   */
  find(bytes: Uint8Array, start: number, end: number): number {
    const entry = this.#next;
    if (entry < this.#end && this.#hasName(entry, bytes, start, end)) {
      this.#next = this.#after(entry);
      return entry + this.#first;
    }
    this.#byName ??= this.#indexNames();
    // Keys are only compared with each other, so one character for each byte is
    // enough, and the names need not be decoded.
    const key = latin1(bytes, start, end);
    const found = this.#byName.get(key);
    if (found === undefined) return -1;
    this.#next = this.#after(found);
    return found + this.#first;
  }

  /**
   * Returns whether an entry's state equals the state that the system returns
   * now. The device, the creation time and the size of a directory are not
   * compared.
   *
   * @param number The number of the first word of the entry.
   * @param stat The `struct statx` that the system returns, as 32-bit words.
   */
  isSame(number: number, stat: Uint32Array): boolean {
    const words = this.#words;
    const entry = number - this.#first;
    const mode = words[entry] & 0xffff;
    return mode === (stat[STATX.mode] & 0xffff) &&
      words[entry + ENTRY.uid] === stat[STATX.uid] &&
      words[entry + ENTRY.gid] === stat[STATX.gid] &&
      words[entry + ENTRY.mtime] === stat[STATX.mtime] &&
      words[entry + ENTRY.mtime + 1] === stat[STATX.mtime + 1] &&
      words[entry + ENTRY.mtime + 2] === stat[STATX.mtime + 2] &&
      words[entry + ENTRY.ctime] === stat[STATX.ctime] &&
      words[entry + ENTRY.ctime + 1] === stat[STATX.ctime + 1] &&
      words[entry + ENTRY.ctime + 2] === stat[STATX.ctime + 2] &&
      words[entry + ENTRY.inode] === stat[STATX.inode] &&
      words[entry + ENTRY.inode + 1] === stat[STATX.inode + 1] &&
      words[entry + ENTRY.links] === stat[STATX.links] &&
      ((mode & TYPE_MASK) === DIRECTORY_TYPE ||
        words[entry + ENTRY.size] === stat[STATX.size] &&
          words[entry + ENTRY.size + 1] === stat[STATX.size + 1]);
  }

  /**
   * Returns whether the SHA-256 of the folder's rules is `digest` (32 bytes).
   */
  hasRules(digest: Uint8Array): boolean {
    const start = 4 * (this.#at + HEAD.rules);
    return this.#bytes.subarray(start, start + 32)
      .every((byte, at) => byte === digest[at]);
  }

  /** Returns the device and inode of an entry. */
  identity(entry: number): Identity {
    return readIdentity(this.#words, entry - this.#first);
  }

  /**
   * Returns whether an entry's kind equals the kind in the `struct statx` that
   * the system returns now.
   */
  isSameKind(entry: number, stat: Uint32Array): boolean {
    const mode = this.#words[entry - this.#first];
    return (mode & TYPE_MASK) === (stat[STATX.mode] & TYPE_MASK);
  }

  /** Returns the size of a file in bytes. */
  size(entry: number): number {
    return readSize(this.#words, entry - this.#first);
  }

  /**
   * Returns an entry's flags, except `plain`. See {@linkcode ENTRY_FLAG}.
   */
  entryFlags(entry: number): number {
    return this.#words[entry - this.#first] & ~(0xffff | ENTRY_FLAG.plain);
  }

  /**
   * Returns the number of the first word of a directory's block, or 0 if the
   * entry has no block.
   */
  blockOf(entry: number): number {
    return blockOf(this.#words, entry - this.#first);
  }

  /** The block: its head and its entries, in 32-bit words. */
  get block(): Uint32Array {
    return this.#words.subarray(this.#at, this.#end);
  }

  /**
   * Yields the number of the first word of each entry, in the order in which
   * the system listed the entries.
   */
  *entries(): Generator<number> {
    for (let at = this.#at + HEAD.length; at < this.#end;) {
      yield at + this.#first;
      at = this.#after(at);
    }
  }

  get #end(): number {
    return this.#at + this.#words[this.#at + HEAD.words];
  }

  #after(entry: number): number {
    return entry + ENTRY.length + nameWords(this.#words[entry + ENTRY.name]);
  }

  #hasName(
    entry: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    if (this.#words[entry + ENTRY.name] !== end - start) return false;
    const known = this.#bytes;
    for (let from = 4 * (entry + ENTRY.length), at = start; at < end;) {
      if (known[from++] !== bytes[at++]) return false;
    }
    return true;
  }

  #indexNames(): Map<string, number> {
    const names = new Map<string, number>();
    for (const number of this.entries()) {
      const entry = number - this.#first;
      const start = 4 * (entry + ENTRY.length);
      const end = start + this.#words[entry + ENTRY.name];
      names.set(latin1(this.#bytes, start, end), entry);
    }
    return names;
  }
}
