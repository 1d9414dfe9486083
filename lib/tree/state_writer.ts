import { GrowingMemory } from "../bytes/growing_memory.ts";
import { decodeName } from "./raw_name.ts";
import { type Identity, STATX } from "./statx.ts";
import type { FolderState } from "./tree_state.ts";
import {
  DIRECTORY_TYPE,
  ENTRY,
  ENTRY_FLAG,
  type EntryState,
  HEAD,
  nameWords,
  readBasics,
  readIdentity,
  readSize,
  readState,
  TYPE_MASK,
} from "./state_layout.ts";

/** Writes the blocks of a state, one per folder. `TreeState` reads them. */
export class StateWriter {
  readonly #memory: GrowingMemory;
  #used = 0;
  #block = 0;

  /**
   * Makes a writer.
   *
   * @param room The initial capacity in bytes, a multiple of four. Default:
   * 65,536 bytes.
   */
  constructor(room: number = 1 << 16) {
    this.#memory = new GrowingMemory(room);
  }

  /**
   * Begins the block of a folder. The entries that are added next belong to
   * this block.
   *
   * @returns The position of the block, in words.
   */
  begin(): number {
    this.#block = this.#used;
    this.#reserve(HEAD.length);
    this.#memory.words.fill(0, this.#used, this.#used + HEAD.length);
    this.#memory.words[this.#used + HEAD.words] = HEAD.length;
    this.#used += HEAD.length;
    return this.#block;
  }

  /**
   * Adds an entry.
   *
   * @param bytes The buffer that contains the name.
   * @param start The offset of the name's first byte.
   * @param end The offset after the name's last byte.
   * @param stat The entry's `struct statx`. If it is `undefined`, the entry is
   * flagged as doubtful.
   * @returns The position of the entry, in words.
   */
  add(
    bytes: Uint8Array,
    start: number,
    end: number,
    stat: Uint32Array | undefined,
  ): number {
    const length = end - start;
    const size = ENTRY.length + nameWords(length);
    this.#reserve(size);
    const at = this.#used;
    const words = this.#memory.words;
    if (stat === undefined) {
      words.fill(0, at, at + ENTRY.length);
      words[at] = ENTRY_FLAG.doubtful;
    } else {
      words[at + ENTRY.mode] = stat[STATX.mode] & 0xffff;
      words[at + ENTRY.uid] = stat[STATX.uid];
      words[at + ENTRY.gid] = stat[STATX.gid];
      words[at + ENTRY.size] = stat[STATX.size];
      words[at + ENTRY.size + 1] = stat[STATX.size + 1];
      for (let word = 0; word < 3; word++) {
        words[at + ENTRY.mtime + word] = stat[STATX.mtime + word];
        words[at + ENTRY.ctime + word] = stat[STATX.ctime + word];
        words[at + ENTRY.btime + word] = stat[STATX.btime + word];
      }
      words[at + ENTRY.inode] = stat[STATX.inode];
      words[at + ENTRY.inode + 1] = stat[STATX.inode + 1];
      words[at + ENTRY.links] = stat[STATX.links];
      words[at + ENTRY.device] = stat[STATX.device];
      words[at + ENTRY.device + 1] = stat[STATX.device + 1];
      if ((stat[STATX.mode] & TYPE_MASK) === DIRECTORY_TYPE) {
        words[at + ENTRY.size] = words[at + ENTRY.size + 1] = 0;
      }
    }
    words[at + ENTRY.name] = length;
    words[at + size - 1] = 0;
    const target = this.#memory.bytes;
    for (let from = start, to = 4 * (at + ENTRY.length); from < end;) {
      target[to++] = bytes[from++];
    }
    this.#used += size;
    this.#memory.words[this.#block + HEAD.count]++;
    this.#memory.words[this.#block + HEAD.words] = this.#used - this.#block;
    return at;
  }

  /**
   * Adds a copy of a folder's block.
   *
   * @returns The position of the copy, in words.
   */
  copy(folder: FolderState): number {
    const { block } = folder;
    this.#reserve(block.length);
    this.#block = this.#used;
    this.#memory.words.set(block, this.#used);
    this.#used += block.length;
    return this.#block;
  }

  /** Returns an entry's state. */
  state(entry: number): EntryState {
    return readState(this.#memory.words, entry);
  }

  /** Returns the size in bytes of an entry other than a directory. */
  size(entry: number): number {
    return readSize(this.#memory.words, entry);
  }

  /** Returns the device and inode of an entry. */
  identity(entry: number): Identity {
    return readIdentity(this.#memory.words, entry);
  }

  /** Returns the part of an entry's state that an index records. */
  basics(entry: number): ReturnType<typeof readBasics> {
    return readBasics(this.#memory.words, entry);
  }

  /** Returns whether an entry has only one name, as every directory does. */
  isSingle(entry: number): boolean {
    return this.#memory.words[entry + ENTRY.links] === 1 ||
      (this.#memory.words[entry] & TYPE_MASK) === DIRECTORY_TYPE;
  }

  /** Returns the `st_mode` of an entry; 0 if the system did not return it. */
  mode(entry: number): number {
    return this.#memory.words[entry] & 0xffff;
  }

  /** Returns an entry's name, decoded by {@linkcode decodeName}. */
  name(entry: number): string {
    const start = 4 * (entry + ENTRY.length);
    const end = start + this.#memory.words[entry + ENTRY.name];
    return decodeName(this.#memory.bytes.subarray(start, end));
  }

  /** The position of the block that was begun or copied last, in words. */
  get block(): number {
    return this.#block;
  }

  /**
   * Sets a flag of a folder and, if given, the checksum of its rules.
   *
   * @param block The position of the folder's block, in words.
   * @param flag The flag; see `FOLDER_FLAG`.
   * @param rules The SHA-256 of the rules that apply in the folder.
   */
  markFolder(block: number, flag: number, rules?: Uint8Array): void {
    this.#memory.words[block + HEAD.flags] |= flag;
    if (rules) this.#memory.bytes.set(rules, 4 * (block + HEAD.rules));
  }

  /**
   * Sets a flag of the entry at word `entry`. See {@linkcode ENTRY_FLAG}.
   */
  mark(entry: number, flag: number): void {
    this.#memory.words[entry] |= flag;
  }

  /**
   * Records in a directory's entry where the directory's block is.
   *
   * @param entry The position of the entry, in words.
   * @param block The position of the block, in words.
   */
  link(entry: number, block: number): void {
    this.#memory.words[entry + ENTRY.size] = block;
  }

  /**
   * Discards a block and all blocks after it.
   *
   * @param block The position of the first discarded block, in words.
   */
  forget(block: number): void {
    this.#used = block;
  }

  /**
   * Returns all blocks. The bytes are valid until an entry or a block is added.
   */
  finish(): Uint8Array {
    return this.#memory.bytes.subarray(0, 4 * this.#used);
  }

  #reserve(words: number): void {
    this.#memory.reserve(4 * (this.#used + words));
  }
}
