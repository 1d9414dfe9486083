import type { Codec } from "../../archive/codec.ts";
import { FrameQueue } from "../../archive/frame_queue.ts";
import { ObjectWriter } from "../../archive/object_writer.ts";
import { toHex } from "../../bytes/hex.ts";
import { createSha256, sha256 } from "../../bytes/sha256.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Skipped } from "../../tree/entry.ts";
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

/** A frame is about so long before compression, in a layer of few entries. */
const LEAST_FRAME = 1 << 18;
/** The same for a layer of any number. */
const MOST_FRAME = 1 << 22;
/** The number of frames of a layer; a commit record names each. */
const FRAMES = 128;
/** About how long a line is. */
const LINE = 300;
/** The maximum number of lines of a layer with a filter of their paths. */
const MOST_FILTERED = 2048;
/** The number of frames in progress at which `ready` makes the caller wait. */
const MOST_PENDING = 4;
/** The first and the last line of a layer, which are no entries. */
const BESIDES = 2;

/** The number of characters that are encoded at a time. */
const PIECE = 1 << 15;

const encoder = new TextEncoder();

/** Options for a `LayerWriter`. */
export interface LayerWriterOptions {
  /** Where the layer is stored. */
  storage: Storage;
  /** Its name. */
  name: string;
  /** The compression of frames. */
  codec: Codec;
  /** About how many lines it will have. */
  expected: number;
  /** Whether it lies on no other, so that each path is looked up in it. */
  isFull: boolean;
  /** Ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** A frame on its way. */
interface FullFrame {
  first?: string;
  lines: number;
  /** The buffer that its first `used` bytes are in. */
  buffer: Uint8Array;
  used: number;
}

/** Writes a layer line by line, cut into frames. */
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
  /** The lines of the frame that is being filled. */
  #lines = 0;
  #entries = 0;
  /** The bytes of the frames that are stored, before and after compression. */
  #plain = 0;
  #size = 0;
  #paths: string[] = [];

  /** Starts a layer; it must not be there yet. */
  constructor(options: LayerWriterOptions) {
    const { storage, name, codec, expected, signal } = options;
    this.#options = options;
    const size = expected * LINE / FRAMES;
    this.#frameSize = Math.min(MOST_FRAME, Math.max(LEAST_FRAME, size));
    this.#object = new ObjectWriter(storage, name, signal);
    this.#queue = new FrameQueue(codec, async (frame, packed) => {
      const { first, buffer, used } = frame;
      const bytes = this.#isReadable(frame, packed.length)
        ? packed
        : await codec.store(buffer.subarray(0, used));
      this.#spare.push(buffer);
      this.#plain += used;
      this.#size += bytes.length;
      this.#frames.push({
        length: bytes.length,
        sha256: toHex(sha256(bytes)),
        ...(first !== undefined && { first }),
      });
      await this.#object.write(bytes);
    }, MOST_PENDING);
  }

  /** Adds the next line; lines come in path order. */
  add(line: LayerLine): void {
    const { path } = line;
    this.#first ??= separator(this.#last, path);
    this.#last = path;
    this.#entries++;
    if (this.#entries <= MOST_FILTERED) this.#paths.push(path);
    this.#write(encodeLayerLine(line));
  }

  /**
   * Resolves when there is room for more; `undefined` if there is room now.
   *
   * @throws What the writing failed with.
   */
  ready(): Promise<void> | undefined {
    return this.#queue.ready();
  }

  /**
   * Ends the layer and resolves when it is stored.
   *
   * @param objects The volumes that it has to name.
   * @param skipped What the snapshot left out.
   * @throws What the writing failed with; then call `abort`.
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
    this.#send();
    await this.#queue.settled();
    this.#queue.check();
    const record = await this.#object.finish();
    const hasFilter = !this.#options.isFull && this.#entries > 0 &&
      this.#entries <= MOST_FILTERED;
    return {
      ...record,
      entries: this.#entries,
      frames: this.#frames,
      ...(hasFilter && { filter: PathFilter.of(this.#paths).encode() }),
    };
  }

  /** Gives up; resolves when nothing is stored. */
  async abort(reason: unknown): Promise<void> {
    this.#queue.fail(reason);
    await this.#object.abort(reason);
    await this.#queue.settled();
  }

  /**
   * Returns whether a reader accepts a frame of `packed` compressed bytes. Many
   * lines that are alike may compress better than a reader's limit allows.
   */
  #isReadable({ used, lines }: FullFrame, packed: number): boolean {
    return used <= mostBytesOfFrame(packed) &&
      lines + BESIDES <= mostLinesOfFrame(packed) &&
      this.#plain + used <= mostBytesOfLayer(this.#size + packed);
  }

  #write(line: Line): void {
    this.#lines++;
    this.#text += JSON.stringify(line) + "\n";
    const isFull = this.#used + this.#text.length >= this.#frameSize;
    if (isFull || this.#text.length >= PIECE) this.#flush();
    if (isFull) this.#send();
  }

  /** Puts the text into the frame. */
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
      new Uint8Array(this.#frameSize + 2 * PIECE);
    if (this.#used > buffer.length) {
      // A line is longer than is to be thought of.
      buffer = new Uint8Array(this.#used + 2 * PIECE);
      buffer.set(this.#buffer.subarray(0, used));
      this.#buffer = buffer;
    }
    buffer.set(bytes, used);
  }

  /** Sends the frame, if there is anything in it. */
  #send(): void {
    const buffer = this.#buffer;
    if (buffer === undefined) return;
    this.#queue.push({
      first: this.#first,
      lines: this.#lines,
      buffer,
      used: this.#used,
    }, buffer.subarray(0, this.#used));
    this.#first = undefined;
    this.#lines = 0;
    this.#buffer = undefined;
    this.#used = 0;
  }
}

/** Returns the shortest beginning of `path` that comes behind `last`. */
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
  // It ends within a pair of surrogates.
  const longer = path.slice(0, same + 2);
  return longer.isWellFormed() ? longer : path;
}
