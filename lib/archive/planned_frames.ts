import { collectAtMost } from "../bytes/source.ts";
import { NeededRanges } from "../delta/needed_ranges.ts";
import { release } from "../bytes/release.ts";
import { inTurns } from "../bytes/turns.ts";
import type { Storage } from "../storage/storage.ts";
import type { ContentReference } from "./content_reference.ts";
import { type FrameTable, readFrameTable } from "./frame_table.ts";
import { decompressAside } from "./zstd_codec.ts";

/** The default of `maxRecentBytes`, in bytes. */
const DEFAULT_MAX_RECENT_BYTES = 33 << 20;

/**
 * The size in bytes that is added to the size of each decompressed frame in
 * memory, so that the limit in bytes also limits the number of tiny frames.
 */
const FRAME_OVERHEAD_BYTES = 4096;

/** The maximum number of frames that are decompressed ahead of the reads. */
const MAX_FRAMES_AHEAD = 3;

/**
 * The maximum number of decompressions in a plan, as a multiple of the number
 * of frames in the table. A frame that has left the memory is decompressed
 * again when a long range of it is needed.
 */
const MAX_REPEATS = 2;

/**
 * The maximum length in bytes of a range that is kept when its frame leaves the
 * memory.
 */
const MAX_KEPT_RANGE_BYTES = 2 ** 14;

/**
 * The maximum total length in bytes of the kept ranges of one frame. If the
 * short ranges of a frame are longer in total, the frame is decompressed again.
 */
const MAX_KEPT_FRAME_BYTES = 2 ** 16;

/** The maximum total length in bytes of all kept ranges. */
const MAX_KEPT_BYTES = 8 << 20;

/** The maximum number of kept ranges. */
const MAX_KEPT_RANGES = 2 ** 18;

/**
 * The maximum number of steps of a plan. Each step plans the read of the part
 * of a range that is in one frame.
 */
const MAX_PLAN_STEPS = 2 ** 24;

/** The number of steps of a plan after which `planOf` yields. */
const STEPS_BETWEEN_TURNS = 1024;

/**
 * The maximum number of planned frames that `#take` searches for a needed frame
 * that is not being decompressed yet.
 */
const MAX_FRAMES_SEARCHED = 16;

/** Options for planning the reads of a content. */
export interface PlannedFramesOptions {
  /** The storage of the volume. It must be fast at reading short ranges. */
  storage: Storage;
  /** The range of a volume with the content, compressed with zstd. */
  reference: ContentReference;
  /** The offset in the content after the last needed byte, in bytes. */
  end: number;
  /**
   * The ranges of the content in the order in which they will be read, as
   * offsets and lengths in bytes. No range is empty.
   */
  ranges: Iterable<{ offset: number; length: number }>;
  /**
   * The maximum total size in bytes of the decompressed frames in memory, with
   * 4 KiB added to the size of each frame. The frame that was used last always
   * stays in memory. Default: 33 MiB.
   */
  maxRecentBytes?: number;
  /**
   * The signal that aborts the planning and the reads with an error of code
   * `aborted`.
   */
  signal?: AbortSignal;
}

/**
 * A content that is read in ranges, in an order that is known in advance. The
 * ranges can overlap and can be in any order.
 *
 * The frames that were used last stay in memory, up to 33 MiB by default, and
 * the next needed frames are decompressed in advance on other threads. Some
 * contents, such as databases, are read in many short ranges that are far from
 * each other. Short ranges that are needed after their frame has left the
 * memory are copied when the frame is decompressed for the first time.
 */
export class PlannedFrames implements Disposable {
  readonly #options: PlannedFramesOptions;
  readonly #table: FrameTable;
  /**
   * The indexes of the planned frames in the table, in the order in which the
   * frames are decompressed.
   */
  readonly #order: Uint32Array;
  /** The index in `#order` of the next frame to decompress. */
  #next = 0;
  /** The frames that are decompressed in advance, in the order of `#order`. */
  readonly #coming: { frame: number; bytes: Promise<Uint8Array> }[] = [];
  readonly #recent: RecentFrames<Uint8Array>;
  /** The short ranges that are needed after their frame has left the memory. */
  readonly #kept: NeededRanges;
  readonly #keptBytes: Uint8Array;
  /** The frames whose short ranges have been copied to `#keptBytes`. */
  readonly #seen = new Set<number>();
  /** The offset in bytes in the content at which the last used frame begins. */
  #start = 0;
  /** The decompressed bytes of the last used frame. */
  #bytes: Uint8Array = new Uint8Array(0);

  private constructor(
    options: PlannedFramesOptions,
    table: FrameTable,
    { order, kept }: Plan,
  ) {
    this.#options = options;
    this.#table = table;
    this.#order = Uint32Array.from(order);
    this.#recent = new RecentFrames(maxRecentBytesOf(options));
    this.#kept = NeededRanges.of(
      [...kept].map(([offset, length]) => ({ offset, length })),
    );
    this.#keptBytes = new Uint8Array(this.#kept.size);
  }

  /**
   * Finds the frames of a content, and plans the order in which the frames are
   * decompressed. To find the frames, the compressed bytes are read once.
   *
   * @param options The content and the ranges that will be read.
   * @returns The content; `undefined` if `readFrameTable` returns no table, if
   *   too many frames would be decompressed more than once, or if the plan
   *   would take more than 2^24 steps.
   * @throws {DeltarError} `aborted` if the signal fired, and the errors of the
   *   storage.
   */
  static async plan(
    options: PlannedFramesOptions,
  ): Promise<PlannedFrames | undefined> {
    const { storage, reference, end, signal } = options;
    const { volume, offset, length, skip } = reference;
    const table = await readFrameTable(
      storage.get(volume, { offset, length, signal }),
      { place: offset, length, skip, end },
    );
    if (table === undefined) return undefined;
    const plan = await inTurns(planOf(table, options), signal);
    return plan && new PlannedFrames(options, table, plan);
  }

  /**
   * Returns the next bytes of a planned range. The caller reads the ranges in
   * the planned order, and calls `read` until it has all bytes of a range.
   *
   * @param offset The offset in the content of the next byte, in bytes.
   * @param most The number of bytes from this offset to the end of the range.
   * @returns At least one byte and at most `most` bytes. The bytes are valid
   *   until the next call of `read`.
   * @throws {DeltarError} `corrupt` if a frame is damaged, `aborted` if the
   *   signal fired, and the errors of the storage.
   */
  read(offset: number, most: number): Uint8Array | Promise<Uint8Array> {
    const skip = offset - this.#start;
    if (skip >= 0 && skip < this.#bytes.length) {
      return this.#bytes.subarray(skip, skip + most);
    }
    const frame = frameAt(this.#table, offset);
    const bytes = this.#recent.use(frame);
    if (bytes !== undefined) return this.#partOf(frame, bytes, offset, most);
    const kept = this.#seen.has(frame) ? this.#kept.lengthAt(offset) : 0;
    if (kept === 0) return this.#load(frame, offset, most);
    // A kept range can continue in the next frame. The bytes of that frame may
    // not have been copied yet, so they are left to the next call.
    const rest = this.#table.starts[frame + 1] - offset;
    const place = this.#kept.placeOf(offset);
    return this.#keptBytes.subarray(place, place + Math.min(kept, most, rest));
  }

  /** Frees the frames in memory. Called at the end of a `using` block. */
  [Symbol.dispose](): void {
    for (const { bytes } of this.#coming) bytes.then(release, () => {});
    this.#recent.clear().forEach(release);
  }

  async #load(
    frame: number,
    offset: number,
    most: number,
  ): Promise<Uint8Array> {
    const next = this.#take(frame);
    this.#request();
    const bytes = await (next ?? this.#decompress(frame));
    this.#recent.add(frame, bytes.length, bytes).forEach(release);
    if (!this.#seen.has(frame)) this.#keep(frame, bytes);
    return this.#partOf(frame, bytes, offset, most);
  }

  /**
   * Returns the content of a frame that is being decompressed or is one of the
   * next planned frames, and discards the planned frames before this one.
   * Returns `undefined` for any other frame.
   */
  #take(frame: number): Promise<Uint8Array> | undefined {
    this.#request();
    let before = this.#coming.findIndex((next) => next.frame === frame);
    if (before < 0) {
      const later = this.#order.subarray(
        this.#next,
        this.#next + MAX_FRAMES_SEARCHED,
      ).indexOf(frame);
      if (later < 0) return undefined;
      this.#next += later;
      before = this.#coming.length;
    }
    // The frames before this one are not needed after all. The bytes for which
    // they were planned were read from kept ranges.
    for (const { bytes } of this.#coming.splice(0, before)) {
      bytes.then(release, () => {});
    }
    this.#request();
    return this.#coming.shift()?.bytes;
  }

  /** Copies the short ranges that are needed later from a frame. */
  #keep(frame: number, bytes: Uint8Array): void {
    this.#seen.add(frame);
    const start = this.#table.starts[frame];
    const end = this.#table.starts[frame + 1];
    const cursor = this.#kept.cursor(start);
    for (
      let range = cursor.next(start, end);
      range !== undefined;
      range = cursor.next(range.end, end)
    ) {
      this.#keptBytes.set(
        bytes.subarray(range.start - start, range.end - start),
        this.#kept.placeOf(range.start),
      );
    }
  }

  #partOf(
    frame: number,
    bytes: Uint8Array,
    offset: number,
    most: number,
  ): Uint8Array {
    this.#start = this.#table.starts[frame];
    this.#bytes = bytes;
    const skip = offset - this.#start;
    return bytes.subarray(skip, skip + most);
  }

  /** Starts to decompress the next planned frames, up to the maximum number. */
  #request(): void {
    while (
      this.#coming.length < MAX_FRAMES_AHEAD && this.#next < this.#order.length
    ) {
      const frame = this.#order[this.#next++];
      const bytes = this.#decompress(frame);
      // An error is thrown when the frame is needed. Until then, it must not be
      // reported as an unhandled rejection.
      bytes.catch(() => {});
      this.#coming.push({ frame, bytes });
    }
  }

  async #decompress(frame: number): Promise<Uint8Array> {
    const { storage, reference: { volume: object }, signal } = this.#options;
    const { starts, places } = this.#table;
    const offset = places[frame];
    const length = places[frame + 1] - offset;
    const packed = await collectAtMost(
      storage.get(object, { offset, length, signal }),
      length,
      object,
    );
    const size = starts[frame + 1] - starts[frame];
    return await decompressAside(packed, size, { object, offset });
  }
}

/** A plan for reading ranges. */
interface Plan {
  /**
   * The indexes of the frames in the table, in the order in which the frames
   * are decompressed.
   */
  order: number[];
  /**
   * The lengths in bytes of the short ranges that are needed after their frame
   * has left the memory, by the offset of each range in the content.
   */
  kept: Map<number, number>;
}

function maxRecentBytesOf({ maxRecentBytes }: PlannedFramesOptions): number {
  return maxRecentBytes ?? DEFAULT_MAX_RECENT_BYTES;
}

/**
 * Returns the plan for reading ranges; `undefined` if too many frames would be
 * decompressed more than once, or if the plan would take too many steps. Yields
 * after every 1,024 steps.
 */
function* planOf(
  table: FrameTable,
  options: PlannedFramesOptions,
): Generator<undefined, Plan | undefined, void> {
  const { starts } = table;
  const most = MAX_REPEATS * starts.length;
  const recent = new RecentFrames<true>(maxRecentBytesOf(options));
  /** The total length in bytes of the kept ranges of each frame in `order`. */
  const keptOf = new Map<number, number>();
  const plan: Plan = { order: [], kept: new Map() };
  let total = 0;
  let steps = 0;
  let start = 0;
  let end = 0;
  for (const { offset, length } of options.ranges) {
    const stop = offset + length;
    for (let at = offset; at < stop; at = end) {
      if (++steps > MAX_PLAN_STEPS) return undefined;
      if (steps % STEPS_BETWEEN_TURNS === 0) yield;
      if (at >= start && at < end) continue;
      const frame = frameAt(table, at);
      [start, end] = [starts[frame], starts[frame + 1]];
      if (recent.use(frame)) continue;
      const part = Math.min(stop, end) - at;
      const more = Math.max(0, part - (plan.kept.get(at) ?? 0));
      const sum = (keptOf.get(frame) ?? Infinity) + more;
      const isKept = part <= MAX_KEPT_RANGE_BYTES &&
        sum <= MAX_KEPT_FRAME_BYTES && total + more <= MAX_KEPT_BYTES &&
        plan.kept.size < MAX_KEPT_RANGES;
      if (isKept) {
        if (more > 0) plan.kept.set(at, part);
        keptOf.set(frame, sum);
        total += more;
        // The kept range is read without its frame. After this assignment, the
        // frame of the next range is looked up again.
        start = end = at + part;
        continue;
      }
      if (plan.order.length >= most) return undefined;
      plan.order.push(frame);
      recent.add(frame, end - start, true);
      if (!keptOf.has(frame)) keptOf.set(frame, 0);
    }
  }
  return plan;
}

/** Returns the index of the frame with the byte at an offset in the content. */
function frameAt({ starts }: FrameTable, offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (high - low > 1) {
    const middle = low + high >>> 1;
    if (starts[middle] <= offset) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * The frames that were used last, each with a value, up to a maximum total size
 * of their contents.
 */
class RecentFrames<Value extends object | true> {
  /** The frames by index in the table, with the last used frame at the end. */
  readonly #frames = new Map<number, { size: number; value: Value }>();
  readonly #maxBytes: number;
  #size = 0;

  /** Makes an empty list of frames with a maximum total size in bytes. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /**
   * Returns the value of a frame, and marks the frame as the last one used.
   * Returns `undefined` if the frame has been removed or was never added.
   */
  use(frame: number): Value | undefined {
    const found = this.#frames.get(frame);
    if (found === undefined) return undefined;
    this.#frames.delete(frame);
    this.#frames.set(frame, found);
    return found.value;
  }

  /**
   * Adds a frame as the last one used. `size` is the size of its content in
   * bytes.
   *
   * @returns The values of the frames that were removed to make room.
   */
  add(frame: number, size: number, value: Value): Value[] {
    const removed: Value[] = [];
    this.#size += size + FRAME_OVERHEAD_BYTES;
    for (const [oldest, { size, value }] of this.#frames) {
      if (this.#size <= this.#maxBytes) break;
      this.#frames.delete(oldest);
      this.#size -= size + FRAME_OVERHEAD_BYTES;
      removed.push(value);
    }
    this.#frames.set(frame, { size, value });
    return removed;
  }

  /** Removes all frames, and returns their values. */
  clear(): Value[] {
    const removed = [...this.#frames.values()].map(({ value }) => value);
    this.#frames.clear();
    return removed;
  }
}
