import { DeltarError, isDamage } from "../../bytes/errors.ts";
import { toHex } from "../../bytes/hex.ts";
import { sha256 } from "../../bytes/sha256.ts";
import { turnIfDue } from "../../bytes/turns.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Line } from "../../bytes/listing.ts";
import type { Skipped } from "../../tree/entry.ts";
import { comparePaths, isWithin } from "../../tree/path.ts";
import { codecOf } from "../format/names.ts";
import { directLines } from "./direct_lines.ts";
import {
  mostBytesOfFrame,
  mostBytesOfLayer,
  mostLinesOfFrame,
  tooManyLines,
} from "./layer_limits.ts";
import { PackedFrames } from "./packed_frames.ts";
import { PathFilter } from "./path_filter.ts";
import type { LayerRecord } from "../format/snapshot_record.ts";
import {
  decodeLayerLine,
  decodeLayerPart,
  type LayerLine,
  type LayerPart,
} from "./tree_layer.ts";

/** The maximum number of frames that are cached for the next look-ups. */
const MAX_KEPT_FRAMES = 4;
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Options for reading a layer. */
export interface ReadLayerOptions {
  /**
   * The path of a folder or file. Only frames that can contain this path or
   * paths in it are read. By default, all frames are read.
   */
  within?: string;
  /**
   * Whether to omit most lines of paths in subfolders of `within` without
   * decoding these lines. The caller must filter out the rest of them. Default:
   * `false`.
   */
  isShallow?: boolean;
  /** Whether to set the field `since` of the lines. Default: `false`. */
  isDated?: boolean;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** Options for decoding a frame. */
interface DecodeOptions extends Pick<ReadLayerOptions, "isDated"> {
  /**
   * The path of a folder. Most lines of paths in its subfolders are omitted. By
   * default, no lines are omitted.
   */
  onlyIn?: string;
}

/**
 * A reader of one layer of a tree. It reads the layer frame by frame, and
 * checks each frame against its SHA-256 before decoding it.
 */
export class LayerReader {
  readonly #storage: Storage;
  readonly #record: LayerRecord;
  readonly #filter: PathFilter | undefined;
  /** The offset of each frame in the object, in bytes. */
  readonly #offsets: number[] = [];
  /** The numbers of the frames that have paths, in ascending order. */
  readonly #withPaths: number[] = [];
  /**
   * The lower bounds of the paths of the frames in `#withPaths`, in the same
   * order.
   */
  readonly #firsts: string[] = [];
  /** The numbers of the frames whose sizes have been added to `#bytes`. */
  readonly #seen = new Set<number>();
  /** The total decompressed size of the frames in `#seen`, in bytes. */
  #bytes = 0;
  /**
   * The last line that `find` found in the text of a frame: the number of the
   * frame, the path of the line, and the position of the newline before the
   * line.
   */
  #last = { frame: -1, path: "", start: 0 };
  /** The texts of the frames that `find` read last, by the frame's number. */
  readonly #recent = new Map<number, Promise<string>>();

  /**
   * Creates a reader without reading anything.
   *
   * @throws {DeltarError} `corrupt` if the record's filter is invalid.
   */
  constructor(storage: Storage, record: LayerRecord) {
    this.#storage = storage;
    this.#record = record;
    let offset = 0;
    for (const [at, { length, first }] of record.frames.entries()) {
      this.#offsets.push(offset);
      offset += length;
      if (first === undefined) continue;
      this.#withPaths.push(at);
      this.#firsts.push(first);
    }
    if (record.filter === undefined) return;
    this.#filter = PathFilter.decode(record.filter);
    if (this.#filter === undefined) throw this.#corrupt("invalid path filter");
  }

  /**
   * Returns the line of a path, or `undefined` if the layer has no such line.
   * At most one frame is read. This frame is cached for the next look-ups.
   *
   * @throws {DeltarError} The errors of `parts`.
   */
  async find(
    path: string,
    signal?: AbortSignal,
  ): Promise<LayerLine | undefined> {
    return await this.#find(path, false, signal);
  }

  /** Returns the same line as `find`, with the field `since`. */
  async findDated(path: string): Promise<LayerLine | undefined> {
    return await this.#find(path, true);
  }

  async #find(
    path: string,
    isDated: boolean,
    signal?: AbortSignal,
  ): Promise<LayerLine | undefined> {
    if (this.#filter?.has(path) === false) return undefined;
    const at = this.#withPaths[this.#lastUpTo(path)];
    if (at === undefined) return undefined;
    const text = await this.#text(at, signal);
    // Lines are sorted by path, so the search for a later path can begin at the
    // line that was found last.
    const last = this.#last;
    const isFurther = last.frame === at && comparePaths(path, last.path) >= 0;
    const found = findLine(text, path, isFurther ? last.start : 0);
    if (found !== undefined) {
      this.#last = { frame: at, path, start: found.start };
      const offset = this.#offsets[at];
      return decodeLayerLine(
        this.#parse(found.text, offset),
        this.#record.name,
        offset,
        isDated,
      );
    }
    if (PATH_LINE.test(text)) return undefined;
    // The frame has no line of a path in the form that deltar writes. Another
    // program may have written the fields in a different order, so all lines
    // are decoded.
    const { lines } = await this.#read(at, signal, { isDated });
    return lines.find((line) => line.path === path);
  }

  /**
   * Returns whether `find` can look up a path without reading a frame from the
   * storage.
   */
  knows(path: string): boolean {
    if (this.#filter?.has(path) === false) return true;
    const at = this.#withPaths[this.#lastUpTo(path)];
    return at === undefined || this.#recent.has(at);
  }

  /**
   * Returns whether the layer can have a line of a path, according to its path
   * filter. Returns `undefined` if the layer has no filter.
   */
  mayHave(path: string): boolean | undefined {
    return this.#filter?.has(path);
  }

  /**
   * Yields the lines of the layer, frame by frame. One group of frames is read
   * ahead.
   *
   * @throws {DeltarError} `corrupt`, `truncated`, `unsafe`, `unsupported`,
   * `limit` or `not-found` if the layer is damaged or missing; also the errors
   * of the storage, such as `aborted`.
   */
  async *parts(options: ReadLayerOptions = {}): AsyncGenerator<LayerPart> {
    const { within = "", isShallow = false, isDated, signal } = options;
    const frames = isShallow
      ? this.#framesOf(within).filter((at) => !this.#isBelow(at, within))
      : this.#framesOf(within);
    const packed = this.#packed(frames, signal);
    let entries = 0;
    const ahead = (at: number) =>
      this.#ahead(at, packed, {
        ...isShallow && { onlyIn: within },
        isDated,
      });
    let next = frames.length > 0 ? ahead(frames[0]) : undefined;
    for (let at = 0; next !== undefined; at++) {
      const part: LayerPart = await next;
      next = at + 1 < frames.length ? ahead(frames[at + 1]) : undefined;
      entries += part.lines.length;
      if (entries > this.#record.entries) throw this.#otherCount(entries);
      yield part;
    }
    if (within === "" && !isShallow && entries !== this.#record.entries) {
      throw this.#otherCount(entries);
    }
  }

  /**
   * Yields the entries and tombstones that a filter accepts, in path order, in
   * one batch for each frame. Only these lines are decoded. One group of frames
   * is read ahead.
   *
   * @param isWanted Called with the path of each entry and tombstone, and with
   * its line as text. Returns whether the line is wanted.
   * @param options Options for reading. `within` only limits which frames are
   * read. The filter must refuse the lines of these frames that are not in
   * `within`.
   * @throws {DeltarError} The errors of `parts`.
   */
  async *select(
    isWanted: (path: string, text: string) => boolean,
    options: Omit<ReadLayerOptions, "isShallow"> = {},
  ): AsyncGenerator<LayerLine[]> {
    const { within = "", isDated, signal } = options;
    const frames = this.#framesOf(within);
    const packed = this.#packed(frames, signal);
    const ahead = (at: number): Promise<Uint8Array> => {
      const plain = this.#plain(frames[at], packed.take(frames[at]));
      plain.catch(() => {});
      return plain;
    };
    let entries = 0;
    let next = frames.length > 0 ? ahead(0) : undefined;
    for (let at = 0; next !== undefined; at++) {
      const plain: Uint8Array = await next;
      next = at + 1 < frames.length ? ahead(at + 1) : undefined;
      this.#checkSize(frames[at], plain.length);
      const lines = this.#selected(plain, frames[at], isWanted, isDated);
      entries += lines.length;
      if (entries > this.#record.entries) throw this.#otherCount(entries);
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      yield lines;
    }
  }

  #selected(
    plain: Uint8Array,
    at: number,
    isWanted: (path: string, text: string) => boolean,
    isDated: boolean | undefined,
  ): LayerLine[] {
    const { name, frames } = this.#record;
    const offset = this.#offsets[at];
    const most = mostLinesOfFrame(frames[at].length);
    const all = decoder.decode(plain);
    const lines: LayerLine[] = [];
    let count = 0;
    for (let start = 0; start < all.length;) {
      if (++count > most) throw tooManyLines(most, name, offset);
      const newline = all.indexOf("\n", start);
      const end = newline < 0 ? all.length : newline;
      const text = all.slice(start, end);
      start = end + 1;
      const path = this.#pathOf(text, offset);
      if (path === undefined || !isWanted(path, text)) continue;
      const line = this.#parse(text, offset);
      lines.push(decodeLayerLine(line, name, offset, isDated));
    }
    return lines;
  }

  /**
   * Returns the path of an entry or tombstone, or `undefined` for other lines.
   * Parses a line only if its path has escapes, or if the line does not have
   * the form that deltar writes.
   */
  #pathOf(text: string, offset: number): string | undefined {
    if (text === "" || OTHER_LINE.test(text)) return undefined;
    if (text.startsWith('{"path":"') || text.startsWith('{"gone":"')) {
      const path = text.slice(PATH_START, text.indexOf('"', PATH_START));
      if (!path.includes("\\")) return path;
    }
    const { path, gone } = this.#parse(text, offset);
    if (typeof path === "string") return path;
    return typeof gone === "string" ? gone : undefined;
  }

  /**
   * Returns the paths that the snapshot of this layer skipped or excluded, with
   * the reasons. The lines of these paths follow all entries, so only the last
   * frame with entries or tombstones and the frames after it are read.
   *
   * @throws {DeltarError} The errors of `parts`.
   */
  async skipped(signal?: AbortSignal): Promise<Skipped[]> {
    const skipped: Skipped[] = [];
    const start = this.#withPaths.at(-1) ?? 0;
    for (let at = start; at < this.#offsets.length; at++) {
      skipped.push(...(await this.#read(at, signal)).skipped);
    }
    return skipped;
  }

  /**
   * Yields an object for each frame of the layer. `part` has the lines of the
   * frame; it is absent if the frame is damaged or missing. `from` is the lower
   * bound of the frame's paths, or `undefined` if the frame has no paths. `to`
   * is the lower bound of the next frame with paths, or `undefined` if there is
   * no such frame.
   */
  async *salvage(): AsyncGenerator<
    { part?: LayerPart; from?: string; to?: string }
  > {
    for (const [at, { first: from }] of this.#record.frames.entries()) {
      const to = this.#following(at);
      try {
        yield { part: await this.#read(at), from, to };
      } catch (error) {
        if (!isDamage(error)) throw error;
        yield { from, to };
      }
    }
  }

  #framesOf(within: string): number[] {
    if (within === "") return this.#record.frames.map((_, at) => at);
    const first = Math.max(0, this.#lastUpTo(within));
    let end = first;
    while (
      end < this.#withPaths.length &&
      isReached(within, this.#firsts[end])
    ) end++;
    return this.#withPaths.slice(first, end);
  }

  /**
   * Returns whether all paths of a frame are in one subfolder of a folder,
   * according to the lower bounds of the frame and the next frame.
   */
  #isBelow(at: number, within: string): boolean {
    const { first } = this.#record.frames[at];
    const following = this.#following(at);
    if (first === undefined || following === undefined) return false;
    const start = within === "" ? 0 : within.length + 1;
    if (within !== "" && !isInside(first, within)) return false;
    const end = first.indexOf("/", start);
    if (end < 0) return false;
    return isInside(following, first.slice(0, end));
  }

  /**
   * Returns the lower bound of the next frame with paths, or `undefined` if
   * there is no such frame.
   */
  #following(at: number): string | undefined {
    let low = -1;
    let high = this.#withPaths.length;
    while (high - low > 1) {
      const middle = low + high >>> 1;
      if (this.#withPaths[middle] <= at) low = middle;
      else high = middle;
    }
    const next = this.#withPaths[high];
    return next === undefined ? undefined : this.#record.frames[next].first;
  }

  /**
   * Returns the index in `#withPaths` of the last frame whose lower bound does
   * not sort after a path; -1 if there is no such frame.
   */
  #lastUpTo(path: string): number {
    let low = -1;
    let high = this.#withPaths.length;
    while (high - low > 1) {
      const middle = low + high >>> 1;
      if (comparePaths(this.#firsts[middle], path) <= 0) low = middle;
      else high = middle;
    }
    return low;
  }

  #ahead(
    at: number,
    packed: PackedFrames,
    options: DecodeOptions,
  ): Promise<LayerPart> {
    const part = this.#decode(at, packed.take(at), options);
    // The caller may stop before it awaits this promise. Then a rejection must
    // not be reported as unhandled.
    part.catch(() => {});
    return part;
  }

  /**
   * Returns a frame as text, with a newline before its first line. The last few
   * frames are cached.
   */
  #text(at: number, signal?: AbortSignal): Promise<string> {
    let text = this.#recent.get(at);
    if (text === undefined) {
      text = this.#plain(at, this.#packed([at], signal).take(at))
        .then((plain) => `\n${decoder.decode(plain)}`);
      this.#recent.set(at, text);
      if (this.#recent.size > MAX_KEPT_FRAMES) {
        const [oldest] = this.#recent.keys();
        this.#recent.delete(oldest);
      }
    }
    return text;
  }

  /** Returns a reader of the stored bytes of frames. */
  #packed(frames: readonly number[], signal?: AbortSignal): PackedFrames {
    const [storage, record] = [this.#storage, this.#record];
    return new PackedFrames(storage, record, this.#offsets, frames, signal);
  }

  /** Checks the SHA-256 of a frame and returns the decompressed frame. */
  async #plain(at: number, stored: Promise<Uint8Array>): Promise<Uint8Array> {
    const { name } = this.#record;
    const { length, sha256: sum } = this.#record.frames[at];
    const offset = this.#offsets[at];
    const packed = await stored;
    if (toHex(sha256(packed)) !== sum) {
      throw this.#corrupt(
        "the SHA-256 of the frame differs from the recorded one",
        offset,
      );
    }
    const most = mostBytesOfFrame(length);
    return await codecOf(name)
      .decompressBlock(packed, most, { object: name, offset });
  }

  /** Reads and decodes a frame. */
  #read(
    at: number,
    signal?: AbortSignal,
    options?: DecodeOptions,
  ): Promise<LayerPart> {
    return this.#decode(at, this.#packed([at], signal).take(at), options);
  }

  /**
   * Decodes a frame.
   *
   * @param stored The stored bytes of the frame.
   */
  async #decode(
    at: number,
    stored: Promise<Uint8Array>,
    { onlyIn, isDated }: DecodeOptions = {},
  ): Promise<LayerPart> {
    const { name } = this.#record;
    const { first, length } = this.#record.frames[at];
    const offset = this.#offsets[at];
    const plain = await this.#plain(at, stored);
    this.#checkSize(at, plain.length);
    const most = mostLinesOfFrame(length);
    const text = onlyIn === undefined ? plain : directLines(plain, onlyIn);
    const part = await decodeLayerPart(text, name, at === 0, most, isDated);
    const { lines } = part;
    const [head, tail] = [lines.at(0), lines.at(-1)];
    const following = this.#following(at);
    const isOther = head === undefined || tail === undefined
      ? first !== undefined && onlyIn === undefined
      : first === undefined || comparePaths(first, head.path) > 0 ||
        following !== undefined && comparePaths(tail.path, following) >= 0;
    if (isOther) {
      throw this.#corrupt(
        "the paths of the frame do not match the commit record",
        offset,
      );
    }
    if (lines.some(({ path }) => this.#filter?.has(path) === false)) {
      throw this.#corrupt(
        "a path of the layer is missing from the layer's path filter",
        offset,
      );
    }
    return part;
  }

  /**
   * Adds the decompressed size of a frame to `#bytes`, unless it has already
   * been added. Throws an error if the sum is larger than `mostBytesOfLayer`
   * allows.
   */
  #checkSize(at: number, length: number): void {
    if (this.#seen.has(at)) return;
    this.#seen.add(at);
    this.#bytes += length;
    const { name, size } = this.#record;
    const most = mostBytesOfLayer(size);
    if (this.#bytes <= most) return;
    throw new DeltarError(
      "limit",
      `the layer decompresses to more than ${most} bytes`,
      { object: name },
    );
  }

  #otherCount(entries: number): DeltarError {
    return this.#corrupt(
      `the number of entries and tombstones of the layer is ${entries}` +
        (entries > this.#record.entries ? " or more" : "") +
        `, expected ${this.#record.entries}`,
    );
  }

  #parse(line: string, offset: number): Line {
    try {
      return JSON.parse(line);
    } catch {
      throw this.#corrupt("a line of the frame is not valid JSON", offset);
    }
  }

  #corrupt(what: string, offset = 0): DeltarError {
    const object = this.#record.name;
    return new DeltarError("corrupt", what, { object, offset });
  }
}

/** Returns whether a text begins with the path of a folder and a `/`. */
function isInside(text: string, folder: string): boolean {
  return text.startsWith(`${folder}/`);
}

/**
 * The pattern of the newline before the line of an entry or tombstone, and of
 * the beginning of this line, in the form that deltar writes.
 */
const PATH_LINE = /\n{"(?:path|gone)":"/;

/**
 * The position of the first character of the path in a line, in the form that
 * deltar writes.
 */
const PATH_START = '{"path":"'.length;

/** The pattern of the beginning of a line without an entry or tombstone. */
const OTHER_LINE = /^\{"(?:object|skipped|sha256|format)":/;

/**
 * Searches for the line of a path, in the form that deltar writes. Returns the
 * line and the position of the newline before it, or `undefined` if the path
 * has no such line at or after `from`.
 *
 * @param lines The text of a frame, with a newline before each line.
 * @param from The position of the newline where the search begins.
 */
function findLine(
  lines: string,
  path: string,
  from: number,
): { text: string; start: number } | undefined {
  const name = JSON.stringify(path);
  for (const opening of [`\n{"path":${name}`, `\n{"gone":${name}`]) {
    const start = lines.indexOf(opening, from);
    if (start < 0) continue;
    const end = lines.indexOf("\n", start + 1);
    return { text: lines.slice(start + 1, end), start };
  }
  return undefined;
}

/**
 * Returns whether a frame with the lower bound `first` can contain paths in
 * `within`.
 */
function isReached(within: string, first: string): boolean {
  return comparePaths(first, within) <= 0 || isWithin(first, within);
}
