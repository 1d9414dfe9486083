import type { Codec } from "../../archive/codec.ts";
import { FrameQueue } from "../../archive/frame_queue.ts";
import { ObjectWriter } from "../../archive/object_writer.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256, sha256 } from "../../bytes/sha256.ts";
import { concat } from "../../bytes/source.ts";
import type { Storage } from "../../storage/storage.ts";
import { isSpecialKind, type Skipped } from "../../tree/entry.ts";
import { hasRawName } from "../../tree/entry_line.ts";
import { closingLine, type Line, openingLine } from "../../bytes/listing.ts";
import { encodeSkipped } from "../../tree/skipped_line.ts";
import {
  mostBytesOfFrame,
  mostBytesOfLayer,
  mostLinesOfFrame,
} from "./layer_limits.ts";
import { PathFilter } from "./path_filter.ts";
import type {
  LayerFrame,
  LayerRecord,
  ObjectRecord,
} from "../format/snapshot_record.ts";
import {
  encodeLayerLine,
  LAYER_FORMAT,
  LAYER_VERSION,
  type LayerLine,
} from "./tree_layer.ts";

/**
 * The minimum target size of a frame before compression, in bytes. It is used
 * in small layers.
 */
const MIN_FRAME_BYTES = 1 << 18;
/**
 * The maximum target size of a frame before compression, in bytes. It is used
 * in large layers.
 */
const MAX_FRAME_BYTES = 1 << 22;
/**
 * The target number of frames in a layer. The number is limited because a
 * commit record lists all frames.
 */
const TARGET_FRAMES = 128;
/** The approximate length of a line, in bytes. */
const LINE_BYTES = 300;
/** The maximum number of paths in a layer for which a filter is written. */
const MAX_FILTERED_PATHS = 2048;
/** The number of pending frames at which `ready` makes the caller wait. */
const MAX_PENDING_FRAMES = 4;
/**
 * The number of lines that `FullFrame.lines` does not count: the first and the
 * last line of the layer.
 */
const UNCOUNTED_LINES = 2;

/**
 * The minimum number of characters that are collected before they are encoded,
 * unless the frame is full earlier.
 */
const MIN_BATCH_CHARACTERS = 1 << 15;

const encoder = new TextEncoder();

/** Options for a `LayerWriter`. */
export interface LayerWriterOptions {
  /** The storage for the layer. */
  storage: Storage;
  /** The name of the layer. */
  name: string;
  /** The compression of frames. */
  codec: Codec;
  /** The approximate number of lines that will be added. */
  expected: number;
  /** Whether the layer is a full layer. Full layers have no path filter. */
  isFull: boolean;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** A frame that is ready to be compressed and stored. */
interface FullFrame {
  /** The lower bound of the frame's paths. Absent if the frame has no paths. */
  first?: string;
  /** The number of lines, not counting the first and last line of the layer. */
  lines: number;
  /** The buffer. Its first `used` bytes are the frame. */
  buffer: Uint8Array;
  used: number;
  /**
   * Whether this is the last frame of the layer. If the codec pads objects, the
   * padding follows this frame.
   */
  isLast: boolean;
}

/**
 * A writer of one layer. It takes the lines one by one, and divides them into
 * frames.
 */
export class LayerWriter {
  readonly #options: LayerWriterOptions;
  readonly #object: ObjectWriter;
  readonly #queue: FrameQueue<FullFrame>;
  readonly #frames: LayerFrame[] = [];
  readonly #sum = createSha256();
  readonly #frameSize: number;
  #text: string = openingLine(LAYER_FORMAT, LAYER_VERSION, {});
  readonly #spare: Uint8Array[] = [];
  #buffer: Uint8Array | undefined;
  #used = 0;
  #first: string | undefined;
  #last: string | undefined;
  /** The number of lines in the current frame. */
  #lines = 0;
  #entries = 0;
  /** The total size of the stored frames before compression, in bytes. */
  #plain = 0;
  #size = 0;
  #paths: string[] = [];
  /** Whether the layer has an entry of a named pipe or device. */
  #hasSpecial = false;
  /** Whether the layer has a sparse file. */
  #hasSparse = false;
  /** Whether the layer has a path or link target that is not valid UTF-8. */
  #hasRaw = false;

  /** Creates a writer for a layer. The layer must not exist yet. */
  constructor(options: LayerWriterOptions) {
    const { storage, name, codec, expected, signal } = options;
    this.#options = options;
    const size = expected * LINE_BYTES / TARGET_FRAMES;
    this.#frameSize = Math.min(
      MAX_FRAME_BYTES,
      Math.max(MIN_FRAME_BYTES, size),
    );
    this.#object = new ObjectWriter(storage, name, signal);
    this.#queue = new FrameQueue(codec, async (frame, packed) => {
      const { first, buffer, used } = frame;
      const content = this.#isReadable(frame, packed.length)
        ? packed
        : await codec.store(buffer.subarray(0, used));
      const bytes = frame.isLast && codec.padding !== undefined
        ? concat([content, ...codec.padding(this.#size + content.length)])
        : content;
      this.#spare.push(buffer);
      this.#plain += used;
      this.#size += bytes.length;
      this.#frames.push({
        length: bytes.length,
        sha256: toHex(sha256(bytes)),
        ...(first !== undefined && { first }),
      });
      await this.#object.write(bytes);
    }, MAX_PENDING_FRAMES);
  }

  /** Adds the next line. Lines must be added in path order. */
  add(line: LayerLine): void {
    const { path } = line;
    this.#first ??= separator(this.#last, path);
    this.#last = path;
    this.#entries++;
    if (this.#entries <= MAX_FILTERED_PATHS) this.#paths.push(path);
    this.#hasSpecial ||= isSpecialKind(line.kind);
    if (line.kind === "file" && line.sparse !== undefined) {
      this.#hasSparse = true;
    }
    this.#hasRaw ||= hasRawName(line);
    this.#write(encodeLayerLine(line));
  }

  /**
   * Returns a promise that resolves when the writer can take more lines, or
   * `undefined` if it can take more lines now. If writing the layer fails, the
   * promise rejects with the error.
   */
  ready(): Promise<void> | undefined {
    return this.#queue.ready();
  }

  /**
   * Writes the end of the layer. Resolves when the layer is stored.
   *
   * @param objects The volumes that the layer must name.
   * @param skipped The paths that the snapshot skipped or excluded.
   * @returns The record of the layer.
   * @throws The error with which writing the layer failed. The caller must then
   * call `abort`.
   */
  async close(
    objects: Iterable<ObjectRecord>,
    skipped: readonly Skipped[],
  ): Promise<LayerRecord> {
    for (const { name, size, sha256 } of objects) {
      this.#write({ object: { name, size, sha256 } });
    }
    for (const skip of skipped) this.#write(encodeSkipped(skip));
    this.#flush();
    this.#put(encoder.encode(closingLine(this.#sum.digest())));
    this.#send(true);
    await this.#queue.settled();
    this.#queue.check();
    const record = await this.#object.finish();
    const hasFilter = !this.#options.isFull && this.#entries > 0 &&
      this.#entries <= MAX_FILTERED_PATHS;
    return {
      ...record,
      entries: this.#entries,
      frames: this.#frames,
      ...(hasFilter && { filter: PathFilter.of(this.#paths).encode() }),
      ...(this.#hasSpecial && { special: true }),
      ...(this.#hasSparse && { sparse: true }),
      ...(this.#hasRaw && { raw: true }),
    };
  }

  /**
   * Aborts the write. Resolves when writing has stopped.
   *
   * @param reason The error with which the write fails.
   */
  async abort(reason: unknown): Promise<void> {
    this.#queue.fail(reason);
    await this.#object.abort(reason);
    await this.#queue.settled();
  }

  /**
   * Returns whether readers accept a frame that compresses to `packed` bytes.
   * Readers limit how many bytes and lines they decompress, in proportion to
   * the compressed size. A frame with many similar lines can exceed these
   * limits. Such a frame is stored uncompressed.
   */
  #isReadable({ used, lines }: FullFrame, packed: number): boolean {
    return used <= mostBytesOfFrame(packed) &&
      lines + UNCOUNTED_LINES <= mostLinesOfFrame(packed) &&
      this.#plain + used <= mostBytesOfLayer(this.#size + packed);
  }

  #write(line: Line): void {
    this.#lines++;
    this.#text += JSON.stringify(line) + "\n";
    const isFull = this.#used + this.#text.length >= this.#frameSize;
    if (isFull || this.#text.length >= MIN_BATCH_CHARACTERS) this.#flush();
    if (isFull) this.#send(false);
  }

  /** Encodes the collected text and appends it to the frame. */
  #flush(): void {
    const bytes = encoder.encode(this.#text);
    this.#text = "";
    this.#sum.update(bytes);
    this.#put(bytes);
  }

  #put(bytes: Uint8Array): void {
    const used = this.#used;
    this.#used += bytes.length;
    let buffer = this.#buffer ??= this.#spare.pop() ??
      new Uint8Array(this.#frameSize + 2 * MIN_BATCH_CHARACTERS);
    if (this.#used > buffer.length) {
      // A long line can exceed the space that is left in the buffer.
      buffer = new Uint8Array(this.#used + 2 * MIN_BATCH_CHARACTERS);
      buffer.set(this.#buffer.subarray(0, used));
      this.#buffer = buffer;
    }
    buffer.set(bytes, used);
  }

  /** Sends the frame to be compressed and stored, unless it is empty. */
  #send(isLast: boolean): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#queue.push({
      first: this.#first,
      lines: this.#lines,
      buffer,
      used: this.#used,
      isLast,
    }, buffer.subarray(0, this.#used));
    this.#first = undefined;
    this.#lines = 0;
    this.#buffer = undefined;
    this.#used = 0;
  }
}

/**
 * Returns the shortest prefix of `path` that sorts after `last` and does not
 * end inside a surrogate pair. If this prefix is not well-formed, returns the
 * whole path.
 *
 * @param last The path before `path` in the layer; `undefined` if `path` is the
 * first one.
 */
export function separator(last: string | undefined, path: string): string {
  let same = 0;
  if (last !== undefined) {
    const length = Math.min(last.length, path.length);
    while (same < length && last.charCodeAt(same) === path.charCodeAt(same)) {
      same++;
    }
  }
  const first = path.slice(0, same + 1);
  if (first.isWellFormed()) return first;
  // If the prefix ends inside a surrogate pair, one more code unit completes
  // the pair. Otherwise, the path is not valid UTF-8 and is not shortened.
  const longer = path.slice(0, same + 2);
  return longer.isWellFormed() ? longer : path;
}
