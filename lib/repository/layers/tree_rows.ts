import { DeltarError } from "../../bytes/errors.ts";
import { fillHex, toHex } from "../../bytes/hex.ts";
import { GrowingMemory } from "../../bytes/growing_memory.ts";
import { WordRows } from "../../bytes/word_rows.ts";
import type { Metadata } from "../../tree/entry.ts";
import { storedSize } from "../../tree/entry_line.ts";
import { makeDirectory, makeFile } from "../../tree/to_json.ts";
import { hasXattrs, NO_XATTRS } from "../../tree/xattrs.ts";
import {
  decodeLayerLine,
  encodeLayerLine,
  type TreeEntry,
  type TreeFileEntry,
} from "./tree_layer.ts";

/**
 * The offsets, in 32-bit words, of the values of a row. `length` is the number
 * of words. `text` is the offset of the name in `TreeRows.#texts`, and
 * `textLength` the length of the name in bytes. `stored` and `storedLength`
 * describe in the same way the path under which the content was stored, if it
 * differs from the path of the entry.
 */
const WORD = {
  mode: 0,
  owner: 1,
  mtime: 2,
  btime: 4,
  size: 6,
  sha256: 7,
  frame: 15,
  skip: 16,
  folder: 17,
  text: 18,
  textLength: 19,
  stored: 20,
  storedLength: 21,
  length: 22,
} as const;
/** The offsets of the values of a range of a volume. */
const FRAME = { volume: 0, offset: 1, length: 2, words: 3 } as const;

/** Flags in the word `mode` of a row, above the permission bits. */
const FLAG = {
  file: 1 << 16,
  directory: 1 << 17,
  btime: 1 << 18,
  xattrs: 1 << 19,
} as const;
const TWO_32 = 2 ** 32;
const MAX_TIME = 2n ** 63n;

/** The place and size of the stored content of an entry. */
export interface StoredAt {
  /**
   * The number of bytes of the content. Holes of sparse files are not counted.
   */
  size: number;
  /** The names of the volumes that contain the pieces and the signature. */
  volumes: readonly string[];
}

const NOTHING: StoredAt = { size: 0, volumes: [] };
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Entries of trees in a compact form, for trees with millions of entries. Most
 * entries take 88 bytes and their name. An entry with further values, such as a
 * link, a sparse file or a file with deltas, takes the bytes of its line in a
 * layer. JavaScript objects are created only on request, so two requests for
 * the same entry return two equal objects.
 */
export class TreeRows {
  readonly #rows = new WordRows(WORD.length);
  /** The owners and groups of runs of entries. */
  readonly #owners = new WordRows(2);
  /** The ranges of volumes of runs of entries. See `FRAME`. */
  readonly #frames = new WordRows(FRAME.words);
  /** The offsets and lengths of the paths of folders in `#texts`. */
  readonly #folders = new WordRows(2);
  readonly #volumes: string[] = [];
  readonly #volumeNumbers = new Map<string, number>();
  /** Names, paths and lines, in UTF-8. */
  readonly #texts = new GrowingMemory();
  #used = 0;
  /**
   * The folders that can contain the next entry, each inside the previous one.
   */
  readonly #open = [{ inside: "", number: 0 }];
  /** The folder of the entry that was requested last. */
  #folder = { inside: "", number: 0 };
  /** The last path under which a content was stored, and its place. */
  #stored = { path: "", start: 0, length: 0 };

  /** Makes an empty list. */
  constructor() {
    this.#folders.push();
  }

  /** The number of entries. */
  get length(): number {
    return this.#rows.length;
  }

  /**
   * Adds an entry and returns its number. If entries are added in path order,
   * they take the least memory.
   */
  add(entry: TreeEntry): number {
    const row = this.#rows.push();
    if (!isPlain(entry)) {
      const text = JSON.stringify(encodeLayerLine(entry));
      this.#putText(row, WORD.text, text);
      return row;
    }
    const { path, mode, mtime, btime, xattrs } = entry;
    const { inside, number } = this.#folderOf(path);
    this.#putText(row, WORD.text, path.slice(inside.length));
    const owner = this.#ownerOf(entry);
    const { words } = this.#rows;
    const at = WORD.length * row;
    words[at + WORD.mode] = mode |
      (entry.kind === "file" ? FLAG.file : FLAG.directory) |
      (btime === undefined ? 0 : FLAG.btime) |
      (xattrs === undefined ? 0 : FLAG.xattrs);
    words[at + WORD.owner] = owner;
    putTime(words, at + WORD.mtime, mtime);
    if (btime !== undefined) putTime(words, at + WORD.btime, btime);
    words[at + WORD.folder] = number;
    if (entry.kind === "file") this.#addFile(row, entry);
    return row;
  }

  #addFile(row: number, { size, sha256, content }: TreeFileEntry): void {
    const [{ reference, path }] = content;
    this.#rows.set(row, WORD.size, size);
    fillHex(this.#rows.bytes(row, WORD.sha256, 32), sha256);
    const { volume, offset, length, skip } = reference;
    let frame = this.#frames.length - 1;
    const isLast = frame >= 0 &&
      this.#volumes[this.#frames.get(frame, FRAME.volume)] === volume &&
      this.#frames.get(frame, FRAME.offset) === offset &&
      this.#frames.get(frame, FRAME.length) === length;
    if (!isLast) {
      frame = this.#frames.push();
      this.#frames.set(frame, FRAME.volume, this.#volumeOf(volume));
      this.#frames.set(frame, FRAME.offset, offset);
      this.#frames.set(frame, FRAME.length, length);
    }
    this.#rows.set(row, WORD.frame, frame);
    this.#rows.set(row, WORD.skip, skip);
    if (path === undefined) return;
    if (path !== this.#stored.path) {
      this.#putText(row, WORD.stored, path);
      const start = this.#rows.get(row, WORD.stored);
      const length = this.#rows.get(row, WORD.storedLength);
      this.#stored = { path, start, length };
    }
    this.#rows.set(row, WORD.stored, this.#stored.start);
    this.#rows.set(row, WORD.storedLength, this.#stored.length);
  }

  /** Returns an entry by its number. */
  at(number: number): TreeEntry {
    const { words } = this.#rows;
    const at = WORD.length * number;
    const flags = words[at + WORD.mode];
    if (flags === 0) return this.#decode(number);
    const owner = words[at + WORD.owner];
    const metadata: Metadata = {
      mode: flags & 0xffff,
      mtime: readTime(words, at + WORD.mtime),
      uid: this.#owners.get(owner, 0),
      gid: this.#owners.get(owner, 1),
      btime: flags & FLAG.btime ? readTime(words, at + WORD.btime) : undefined,
      xattrs: flags & FLAG.xattrs ? NO_XATTRS : undefined,
    };
    const path = this.path(number);
    if (flags & FLAG.directory) return makeDirectory(path, metadata);
    const size = words[at + WORD.size];
    const sha256 = toHex(this.#rows.bytes(number, WORD.sha256, 32));
    const frame = words[at + WORD.frame];
    const reference = {
      volume: this.#volumes[this.#frames.get(frame, FRAME.volume)],
      offset: this.#frames.get(frame, FRAME.offset),
      length: this.#frames.get(frame, FRAME.length),
      skip: words[at + WORD.skip],
    };
    const stored = words[at + WORD.storedLength] === 0
      ? undefined
      : this.#text(number, WORD.stored);
    const content: TreeFileEntry["content"] = [
      stored === undefined
        ? { form: "whole", size, reference }
        : { form: "whole", size, reference, path: stored },
    ];
    return Object.assign(makeFile(path, metadata, size, sha256), { content });
  }

  /** Returns the path of an entry by its number. */
  path(number: number): string {
    if (this.#rows.get(number, WORD.mode) === 0) {
      return this.#decode(number).path;
    }
    const folder = this.#rows.get(number, WORD.folder);
    if (folder !== this.#folder.number) {
      const start = this.#folders.get(folder, 0);
      const end = start + this.#folders.get(folder, 1);
      const inside = decoder.decode(this.#texts.bytes.slice(start, end));
      this.#folder = { inside, number: folder };
    }
    return this.#folder.inside + this.#text(number, WORD.text);
  }

  /**
   * Returns where the content of an entry is stored. This is faster than to
   * request the entry.
   */
  contentAt(number: number): StoredAt {
    const flags = this.#rows.get(number, WORD.mode);
    if (flags & FLAG.directory) return NOTHING;
    if (flags & FLAG.file) {
      const frame = this.#rows.get(number, WORD.frame);
      const volume = this.#volumes[this.#frames.get(frame, FRAME.volume)];
      return { size: this.#rows.get(number, WORD.size), volumes: [volume] };
    }
    const entry = this.#decode(number);
    const pieces = [...entry.content ?? []];
    if (entry.signature !== undefined) pieces.push(entry.signature);
    return {
      size: entry.kind === "file" ? storedSize(entry) : 0,
      volumes: pieces.map(({ reference }) => reference.volume),
    };
  }

  /** Yields all entries in the order in which they were added. */
  *[Symbol.iterator](): Generator<TreeEntry> {
    for (let number = 0; number < this.length; number++) yield this.at(number);
  }

  #decode(number: number): TreeEntry {
    const line = JSON.parse(this.#text(number, WORD.text));
    const entry = decodeLayerLine(line, "tree", 0);
    if (entry.kind !== "gone") return entry;
    throw new TypeError(`row ${number} is not an entry`);
  }

  /**
   * Returns the folder that contains a path. The folders that do not contain
   * the path are closed.
   */
  #folderOf(path: string): { inside: string; number: number } {
    const open = this.#open;
    let last = open[open.length - 1];
    while (!path.startsWith(last.inside)) {
      open.pop();
      last = open[open.length - 1];
    }
    const end = path.lastIndexOf("/") + 1;
    if (end === last.inside.length) return last;
    const inside = path.slice(0, end);
    const number = this.#folders.push();
    const start = this.#used;
    this.#folders.set(number, 0, start);
    this.#folders.set(number, 1, this.#put(inside));
    last = { inside, number };
    open.push(last);
    return last;
  }

  #ownerOf({ uid, gid }: TreeEntry): number {
    const last = this.#owners.length - 1;
    const isLast = last >= 0 && this.#owners.get(last, 0) === uid &&
      this.#owners.get(last, 1) === gid;
    if (isLast) return last;
    const owner = this.#owners.push();
    this.#owners.set(owner, 0, uid);
    this.#owners.set(owner, 1, gid);
    return owner;
  }

  #volumeOf(name: string): number {
    let number = this.#volumeNumbers.get(name);
    if (number === undefined) {
      number = this.#volumes.push(name) - 1;
      this.#volumeNumbers.set(name, number);
    }
    return number;
  }

  #putText(row: number, word: number, text: string): void {
    this.#rows.set(row, word, this.#used);
    this.#rows.set(row, word + 1, this.#put(text));
  }

  /** Appends a text. Returns its length in bytes. */
  #put(text: string): number {
    const bytes = encoder.encode(text);
    const end = this.#used + bytes.length;
    if (end >= TWO_32) {
      throw new DeltarError("limit", "the paths of the tree take 4 GiB");
    }
    this.#texts.reserve(end);
    this.#texts.bytes.set(bytes, this.#used);
    this.#used = end;
    return bytes.length;
  }

  #text(row: number, word: number): string {
    const start = this.#rows.get(row, word);
    const end = start + this.#rows.get(row, word + 1);
    return decoder.decode(this.#texts.bytes.slice(start, end));
  }
}

/** Returns whether a row can describe an entry without its line. */
function isPlain(entry: TreeEntry): boolean {
  const { kind, path, mode, mtime, btime = 0n, uid, gid, xattrs } = entry;
  if (
    kind !== "file" && kind !== "directory" || !path.isWellFormed() ||
    mode > 0xffff ||
    !isTime(mtime) || !isTime(btime) || uid >= TWO_32 || gid >= TWO_32 ||
    hasXattrs(xattrs)
  ) return false;
  if (kind === "directory") return true;
  const { size, sparse, content, signature } = entry;
  if (
    sparse !== undefined || signature !== undefined || content.length !== 1 ||
    size >= TWO_32
  ) return false;
  const [{ size: stored, path: other, reference }] = content;
  const { offset, length, skip } = reference;
  return stored === size && offset < TWO_32 && length < TWO_32 &&
    skip < TWO_32 &&
    (other === undefined || other !== "" && other.isWellFormed());
}

function isTime(time: bigint): boolean {
  return time < MAX_TIME && time >= -MAX_TIME;
}

function putTime(words: Uint32Array, at: number, time: bigint): void {
  words[at] = Number(BigInt.asUintN(32, time));
  words[at + 1] = Number(time >> 32n);
}

function readTime(words: Uint32Array, at: number): bigint {
  return BigInt(words[at + 1] | 0) << 32n | BigInt(words[at]);
}
