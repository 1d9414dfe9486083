import { DeltarError } from "../bytes/errors.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import type { Storage } from "../storage/storage.ts";
import type { Codec } from "./codec.ts";
import type { ContentReference, PlacedContent } from "./content_reference.ts";
import { type Frame, FrameFiller } from "./frame_filler.ts";
import { FrameQueue } from "./frame_queue.ts";
import type { VolumeRecord } from "./object_writer.ts";
import { encodeHeader, headerScratch } from "./tar_header.ts";
import { BLOCK, padding, type TarMember } from "./tar_member.ts";
import { VolumeSequence, worstCase } from "./volume_sequence.ts";

const MEBIBYTE = 1024 * 1024;
/**
 * Bytes of a frame: what is worth reading for one small file, and enough that
 * files like each other meet in one; a file of 1 MiB has room with its header.
 */
const FRAME = 1.25 * MEBIBYTE;
/** The number of frames in progress at which `ready` makes the caller wait. */
const MOST_PENDING = 6;

/** Options for a `VolumeWriter`. */
export interface VolumeWriterOptions {
  /** The storage of the volumes. */
  storage: Storage;
  /** The object name of volume `n`, counted from 0. */
  name: (n: number) => string;
  /** The compression of frames. */
  codec: Codec;
  /** The maximum size of a volume in bytes, at least 4,096. */
  volumeSize: number;
  /** The bytes of a frame before compression, default 1.25 MiB. */
  frameSize?: number;
  /** Store one volume even if no member is added, default false. */
  evenIfEmpty?: boolean;
  /**
   * Called with each volume when it is stored and all references to it are
   * filled in. Such volumes stay when the writing is aborted.
   */
  onStored?: (volume: VolumeRecord) => Promise<void>;
  /** Aborts the writing. */
  signal?: AbortSignal;
}

/** The result of adding a member as a stream. */
export interface StreamedContent {
  /** The location of the content, set when `close` has resolved. */
  reference: ContentReference;
  /** The number of bytes that came from the source; the rest are zeros. */
  written: number;
}

/**
 * Writes members to volumes: tar archives that are cut into frames, runs of
 * members (or pieces of a large one) which are compressed one by one, so that
 * each member can be read by a small byte range.
 *
 * A volume does not exceed the size asked for, except by one member that is
 * larger by itself. At most seven frames are held, plain and compressed, as long
 * as the caller waits for `ready()` between calls of `add()`.
 */
export class VolumeWriter {
  readonly #volumes: VolumeSequence;
  readonly #queue: FrameQueue<Frame>;
  readonly #filler: FrameFiller;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  readonly #scratch = headerScratch();
  #state: "open" | "streaming" | "closed" = "open";
  #aborted: Promise<void> | undefined;

  /**
   * Makes a writer; nothing is stored before there is a frame.
   *
   * @param options Where and how to write.
   * @throws {RangeError} If a size is too small.
   */
  constructor(options: VolumeWriterOptions) {
    const { codec, volumeSize, signal, frameSize = FRAME } = options;
    if (!(volumeSize >= 4096)) {
      throw new RangeError(`volumeSize ${volumeSize} is not at least 4096`);
    }
    if (!(frameSize >= 2 * BLOCK)) {
      throw new RangeError(`frameSize ${frameSize} is not at least 1024`);
    }
    // A full frame fits a volume even if it does not compress.
    const room = Math.floor((volumeSize - 512) / 1.02);
    const most = Math.floor(Math.min(frameSize, room) / BLOCK) * BLOCK;
    this.#volumes = new VolumeSequence(options);
    this.#queue = new FrameQueue(
      codec,
      async (frame, packed) => {
        await this.#volumes.place(frame, packed);
        this.#filler.recycle(frame);
      },
      MOST_PENDING,
    );
    this.#filler = new FrameFiller(
      most,
      (frame, plain) => this.#queue.push(frame, plain),
    );
    this.#signal = signal;
    this.#onAbort = () =>
      this.abort(
        new DeltarError("aborted", "the writing was aborted", {
          cause: signal?.reason,
        }),
      );
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (signal?.aborted) this.#onAbort();
  }

  /**
   * Adds a member at once; its content is copied.
   *
   * @param member What it is; for a file, `size` is the content's length.
   * @param content Its content, empty for all but files.
   * @returns Where the content will lie; filled in when `close` has resolved.
   * @throws The error of the write since the last call.
   */
  add(member: TarMember, content: Uint8Array): ContentReference {
    this.#check();
    if (content.length !== member.size) {
      throw new RangeError(
        `${member.path}: ${content.length} bytes of content, not ${member.size}`,
      );
    }
    const header = encodeHeader(member, this.#scratch);
    const length = header.length + content.length + padding(content.length);
    if (length <= this.#filler.size) return this.#filler.add(header, content);
    const reference = this.#begin(member, header);
    this.#filler.append(content);
    this.#filler.end(member.size);
    return reference;
  }

  /**
   * Resolves when there is room for more; `undefined` if there is room now.
   *
   * @throws The error of the write.
   */
  ready(): Promise<void> | undefined {
    return this.#queue.ready();
  }

  /**
   * Adds a file from a stream, in bounded memory. Exactly `member.size` bytes
   * go into the archive: what a shorter source lacks is zeros, what a longer
   * one has beyond is not read. Nothing else may be added meanwhile.
   *
   * @param member What it is.
   * @param source Its content.
   * @returns Where the content will lie, and how much of it came.
   * @throws What the source or the writing failed with. If it is the source, the
   * member is left out or, once part of it was written, filled up with zeros;
   * the archive stays whole and more may be added.
   */
  async addStream(
    member: TarMember,
    source: ByteSource,
  ): Promise<StreamedContent> {
    this.#check();
    const header = encodeHeader(member);
    const whole = header.length + member.size + padding(member.size);
    this.#state = "streaming";
    try {
      await this.ready();
      if (whole > this.#filler.size) {
        return await this.#addPieces(member, header, source);
      }
      const content = new Uint8Array(member.size);
      let written = 0;
      await take(source, member.size, (part) => {
        content.set(part, written);
        written += part.length;
      });
      this.#state = "open";
      return { reference: this.add(member, content), written };
    } finally {
      this.#state = "open";
    }
  }

  /**
   * Ends the last volume and resolves when all is stored.
   *
   * @returns The volumes, in order.
   * @throws The error of the write; then call `abort`.
   */
  async close(): Promise<VolumeRecord[]> {
    this.#check();
    this.#state = "closed";
    this.#filler.seal();
    await this.#queue.settled();
    this.#queue.check();
    const records = await this.#volumes.close();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#queue.check();
    this.#aborted = Promise.resolve();
    return records;
  }

  /**
   * Gives up: the volume being written does not appear, and those that were
   * stored already are deleted as far as the storage lets it. After `close` has
   * resolved, nothing happens.
   *
   * @param reason What other calls fail with from now on, by default an error
   * of code `aborted`.
   */
  abort(
    reason: unknown = new DeltarError("aborted", "the writing was aborted"),
  ): Promise<void> {
    this.#aborted ??= (async () => {
      this.#signal?.removeEventListener("abort", this.#onAbort);
      this.#queue.fail(reason);
      await this.#volumes.abort(reason, this.#queue.settled());
    })();
    return this.#aborted;
  }

  #check(): void {
    this.#queue.check();
    if (this.#state !== "open") {
      throw new TypeError(`the volume writer is ${this.#state}`);
    }
  }

  /** A member that is larger than a frame, with backpressure. */
  async #addPieces(
    member: TarMember,
    header: Uint8Array,
    source: ByteSource,
  ): Promise<StreamedContent> {
    let reference: PlacedContent | undefined;
    let written = 0;
    const append = (part: Uint8Array) => {
      // Only now, so that a source that cannot be opened leaves no trace.
      reference ??= this.#begin(member, header);
      this.#filler.append(part);
      return this.ready();
    };
    try {
      await take(source, member.size, (part) => {
        written += part.length;
        return append(part);
      });
      reference ??= this.#begin(member, header);
    } finally {
      if (reference !== undefined) {
        // So that the archive stays whole. This throws if it is not the source
        // that failed.
        const zeros = new Uint8Array(MEBIBYTE);
        for (let left = member.size - written; left > 0; left -= MEBIBYTE) {
          await append(zeros.subarray(0, left));
        }
        this.#queue.check();
        this.#filler.end(member.size);
      }
    }
    return { reference, written };
  }

  /** Starts a member that has frames of its own. */
  #begin(member: TarMember, header: Uint8Array): PlacedContent {
    const whole = header.length + member.size + padding(member.size);
    const reference = this.#filler.begin(header);
    this.#volumes.announce(
      reference.frame,
      worstCase(whole, this.#filler.size),
    );
    return reference;
  }
}

/** Passes the first `size` bytes of a source to `use`, if it has that many. */
async function take(
  source: ByteSource,
  size: number,
  use: (part: Uint8Array) => Promise<void> | void,
): Promise<void> {
  if (size === 0) return;
  let left = size;
  for await (const chunk of chunks(source)) {
    const part = chunk.subarray(0, left);
    left -= part.length;
    await use(part);
    if (left === 0) return;
  }
}
