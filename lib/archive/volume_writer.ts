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
 * The default maximum size of a frame before compression, in bytes. The size is
 * a compromise: one small file can be read faster from a small frame, and many
 * similar files compress better in a large frame. A file of 1 MiB fits in a
 * frame together with its header.
 */
const DEFAULT_FRAME_BYTES = 1.25 * MEBIBYTE;
/**
 * The maximum number of pending frames. When this number is reached, `ready`
 * makes the caller wait.
 */
const MAX_PENDING_FRAMES = 6;

/** Options for a `VolumeWriter`. */
export interface VolumeWriterOptions {
  /** The storage of the volumes. */
  storage: Storage;
  /**
   * Called when a volume is opened, with the number of the volume, counted
   * from 0. Returns the object name of the volume.
   */
  name: (n: number) => string;
  /** The codec that compresses the frames. */
  codec: Codec;
  /**
   * The maximum size of a volume before it is padded, in bytes, at least 4,096.
   */
  volumeSize: number;
  /**
   * The maximum size of a frame before compression, in bytes, at least 1,024.
   * Default: 1.25 MiB.
   */
  frameSize?: number;
  /**
   * Whether one volume is stored even if no member is added. Default: `false`.
   */
  evenIfEmpty?: boolean;
  /**
   * Called with each volume after the volume is stored and the positions of all
   * contents in it are set. From then on, `abort` does not delete this volume.
   */
  onStored?: (volume: VolumeRecord) => Promise<void>;
  /** The signal that aborts the write of the volumes. */
  signal?: AbortSignal;
}

/** The result of adding a member as a stream. */
export interface StreamedContent {
  /**
   * The position of the content. It is set by the time `close` has resolved.
   */
  reference: ContentReference;
  /**
   * The number of bytes that came from the source. The rest of the content is
   * zeros.
   */
  written: number;
}

/**
 * Writes members to volumes: tar archives that are cut into frames. A frame
 * holds one or more members, or a part of a large member. Each frame is
 * compressed separately, so that a member can be read without the rest of the
 * volume.
 *
 * A volume exceeds its maximum size only if it holds a single member that is
 * larger. If the caller waits for `ready()` between calls to `add()`, memory
 * holds only a few frames.
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
   * Makes a writer. Nothing is stored before the first frame is complete.
   *
   * @param options Options for writing.
   * @throws {RangeError} If `volumeSize` is less than 4,096 or `frameSize` is
   *   less than 1,024.
   */
  constructor(options: VolumeWriterOptions) {
    const { codec, volumeSize, signal, frameSize = DEFAULT_FRAME_BYTES } =
      options;
    if (!(volumeSize >= 4096)) {
      throw new RangeError(
        `volumeSize must be at least 4096 bytes: ${volumeSize}`,
      );
    }
    if (!(frameSize >= 2 * BLOCK)) {
      throw new RangeError(
        `frameSize must be at least 1024 bytes: ${frameSize}`,
      );
    }
    // The size of a frame is limited so that a full frame fits in a volume even
    // if it cannot be compressed.
    const room = Math.floor((volumeSize - 512) / 1.02);
    const most = Math.floor(Math.min(frameSize, room) / BLOCK) * BLOCK;
    this.#volumes = new VolumeSequence(options);
    this.#queue = new FrameQueue(
      codec,
      async (frame, packed) => {
        await this.#volumes.place(frame, packed);
        this.#filler.recycle(frame);
      },
      MAX_PENDING_FRAMES,
    );
    this.#filler = new FrameFiller(
      most,
      (frame, plain) => this.#queue.push(frame, plain),
    );
    this.#signal = signal;
    this.#onAbort = () =>
      this.abort(
        new DeltarError("aborted", "the volume writer was aborted", {
          cause: signal?.reason,
        }),
      );
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (signal?.aborted) this.#onAbort();
  }

  /**
   * Adds a member. Its content is copied before the call returns.
   *
   * @param member The member. For a file, `size` is the length of the content.
   * @param content The content. It is empty for all kinds except files.
   * @returns The position of the content. It is set by the time `close` has
   *   resolved.
   * @throws The error of an earlier write.
   * @throws {RangeError} If the length of the content is not `member.size`, or
   *   a number of the member is out of range.
   * @throws {TypeError} If the writer is closed or is adding a stream, or a tar
   *   cannot hold the member.
   */
  add(member: TarMember, content: Uint8Array): ContentReference {
    this.#check();
    if (content.length !== member.size) {
      throw new RangeError(
        `${member.path}: the content has ${content.length} bytes, but \`size\` is ${member.size}`,
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
   * Returns a promise that resolves when there is room for another member, or
   * `undefined` if there is room now.
   *
   * @throws The error of a write.
   */
  ready(): Promise<void> | undefined {
    return this.#queue.ready();
  }

  /**
   * Adds a file from a stream, in bounded memory. Exactly `member.size` bytes
   * are written to the archive: a shorter source is padded with zeros, and the
   * rest of a longer source is not read. The caller must not add another member
   * at the same time.
   *
   * @param member The member.
   * @param source The content.
   * @returns The position of the content, and the number of bytes from the
   *   source.
   * @throws The error of the source or of a write. If the source fails, the
   *   member is omitted or, if a part of it was already written, padded with
   *   zeros. The archive stays valid, and more members can be added.
   * @throws {RangeError} If a number of the member is out of range.
   * @throws {TypeError} As for `add`.
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
   * Ends the last volume. Resolves when all volumes are stored.
   *
   * @returns The volumes, in order.
   * @throws The error of a write. The caller must then call `abort`.
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
   * Aborts the write. The current volume is not stored. Volumes that were
   * already stored are deleted if the storage allows it, unless the writer has
   * an `onStored`. After `close` has resolved, `abort` has no effect.
   *
   * @param reason The error that later calls throw. Default: an error of code
   *   `aborted`.
   */
  abort(
    reason: unknown = new DeltarError(
      "aborted",
      "the volume writer was aborted",
    ),
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
      throw new TypeError(
        this.#state === "closed"
          ? "the volume writer is closed"
          : "the volume writer is adding a stream; await addStream() first",
      );
    }
  }

  /**
   * Adds a member that is larger than a frame. Waits for the storage if it is
   * slower than the source.
   */
  async #addPieces(
    member: TarMember,
    header: Uint8Array,
    source: ByteSource,
  ): Promise<StreamedContent> {
    let reference: PlacedContent | undefined;
    let written = 0;
    const append = (part: Uint8Array) => {
      // The member is begun only now, so that a source that cannot be opened
      // leaves nothing in the archive.
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
        // If the source is too short or fails, zeros up to the member's size
        // keep the archive valid. If a write fails, `append` or `check` throws
        // the error of the write.
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

  /** Begins a member whose frames hold no other members. */
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

/**
 * Passes the first `size` bytes of a source to `use`, or all bytes if the
 * source has fewer.
 */
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
