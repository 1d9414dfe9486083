import { collectAtMost } from "../../bytes/source.ts";
import type { Storage } from "../../storage/storage.ts";
import type { LayerRecord } from "../format/snapshot_record.ts";

/**
 * The maximum size of a group of frames, in bytes. A larger frame is a group of
 * its own.
 */
const MAX_GROUP_BYTES = 1 << 19;

/** A group of frames that are adjacent in the object. */
interface Group {
  offset: number;
  length: number;
  frames: number[];
}

/**
 * A reader of the stored bytes of a layer's frames. Adjacent frames are read in
 * groups of at most `MAX_GROUP_BYTES`, with one request for each group. One
 * group is read ahead. The caller may need only the first frames, so the first
 * group has only one frame, and each further group can be four times as large
 * as the one before.
 */
export class PackedFrames {
  readonly #storage: Storage;
  readonly #record: LayerRecord;
  readonly #signal: AbortSignal | undefined;
  readonly #groups: Group[];
  /** The number of groups that have been requested. */
  #requested = 0;
  /** The requested frames that the caller has not taken yet. */
  readonly #frames = new Map<number, Promise<Uint8Array>>();

  /**
   * Creates a reader without reading anything.
   *
   * @param storage The storage of the layer.
   * @param record The record of the layer.
   * @param offsets The offset of each frame in the object, in bytes.
   * @param frames The numbers of the frames to read, in ascending order.
   * @param signal The signal that ends the reads with an error of code
   *   `aborted`.
   */
  constructor(
    storage: Storage,
    record: LayerRecord,
    offsets: readonly number[],
    frames: readonly number[],
    signal: AbortSignal | undefined,
  ) {
    this.#storage = storage;
    this.#record = record;
    this.#signal = signal;
    this.#groups = groupsOf(record, offsets, frames);
  }

  /**
   * Returns the stored bytes of a frame, without checking them. The frames must
   * be taken in order, and each frame only once.
   *
   * @param at The number of the frame.
   */
  async take(at: number): Promise<Uint8Array> {
    if (!this.#frames.has(at)) this.#request();
    const frame = this.#frames.get(at);
    this.#frames.delete(at);
    if (frame === undefined) {
      throw new TypeError(
        `frame ${at} is not one of the reader's frames, or was already taken`,
      );
    }
    const requested = this.#requested;
    const isFirst = this.#groups[requested - 1].frames[0] === at;
    const bytes = await frame;
    if (isFirst && this.#requested === requested) this.#request();
    return bytes;
  }

  /** Requests the next group. */
  #request(): void {
    const group = this.#groups[this.#requested];
    if (group === undefined) return;
    this.#requested++;
    const { name, frames } = this.#record;
    const { offset, length } = group;
    const bytes = collectAtMost(
      this.#storage.get(name, {
        offset,
        length,
        pieces: group.frames.map((at) => frames[at].length),
        signal: this.#signal,
      }),
      length,
      name,
    );
    let start = 0;
    for (const at of group.frames) {
      const [from, to] = [start, start += frames[at].length];
      const frame = bytes.then((bytes) => bytes.subarray(from, to));
      // The caller may stop before it takes this frame. Then a rejection must
      // not be reported as unhandled.
      frame.catch(() => {});
      this.#frames.set(at, frame);
    }
  }
}

/** Divides frames into the groups in which they are read. */
function groupsOf(
  { frames }: LayerRecord,
  offsets: readonly number[],
  numbers: readonly number[],
): Group[] {
  const groups: Group[] = [];
  let most = 0;
  for (const number of numbers) {
    const { length } = frames[number];
    const last = groups.at(-1);
    const isNext = last?.frames.at(-1) === number - 1;
    if (isNext && last.length + length <= most) {
      last.length += length;
      last.frames.push(number);
      continue;
    }
    most = Math.min(MAX_GROUP_BYTES, 4 * (last?.length ?? 0));
    groups.push({ offset: offsets[number], length, frames: [number] });
  }
  return groups;
}
