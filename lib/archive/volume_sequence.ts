import { release } from "../bytes/release.ts";
import type { Storage } from "../storage/storage.ts";
import type { Codec } from "./codec.ts";
import type { FramePlace } from "./content_reference.ts";
import type { Frame } from "./frame_filler.ts";
import { ObjectWriter, type VolumeRecord } from "./object_writer.ts";
import { BLOCK } from "./tar_member.ts";

/** The options of the writer that the sequence uses. */
export interface VolumeSequenceOptions {
  /** The storage of the volumes. */
  storage: Storage;
  /** The object name of volume `n`, counted from 0. */
  name: (n: number) => string;
  /** The compression of each volume's end. */
  codec: Codec;
  /** The maximum number of bytes of a volume. */
  volumeSize: number;
  /** Store one volume even if it is empty. */
  evenIfEmpty?: boolean;
  /**
   * Called with each volume when it is stored; from then on, `abort` does not
   * delete it. The next volume is not ended before the promise has resolved.
   */
  onStored?: (volume: VolumeRecord) => Promise<void>;
  /** Stops the storing. */
  signal?: AbortSignal;
}

/** The most that `plain` bytes can come to in frames of `frameSize`. */
export function worstCase(plain: number, frameSize: number): number {
  return Math.ceil(plain * 1.02) + 128 * Math.ceil(plain / frameSize);
}

/** Puts compressed frames into volumes, one volume after the other. */
export class VolumeSequence {
  readonly #options: VolumeSequenceOptions;
  /** The space that members larger than a frame need, in bytes. */
  readonly #wanted = new Map<FramePlace, number>();
  readonly #records: VolumeRecord[] = [];
  #volume: ObjectWriter | undefined;
  #count = 0;
  /** The storing of the volume before, which goes on beside. */
  #finishing: Promise<void> = Promise.resolve();
  #end: Promise<Uint8Array> | undefined;

  /** Makes a sequence; no volume is opened before it is needed. */
  constructor(options: VolumeSequenceOptions) {
    this.#options = options;
  }

  /** Foretells a member whose pieces must lie in one volume. */
  announce(place: FramePlace, room: number): void {
    this.#wanted.set(place, room);
  }

  /**
   * Writes a frame to the volume it belongs to and fills in its place.
   *
   * @param packed The frame compressed, in memory that is freed after use.
   * @throws The error of the storage.
   */
  async place(frame: Frame, packed: Uint8Array): Promise<void> {
    const { place } = frame;
    const begun = place.length > 0;
    if (!begun) {
      await this.#makeRoom(this.#wanted.get(place) ?? packed.length);
    }
    const volume = this.#volume ??= this.#open();
    if (!begun) {
      this.#wanted.delete(place);
      place.volume = volume.name;
      place.offset = volume.size;
    }
    place.length += packed.length;
    await volume.write(packed, () => release(packed));
  }

  /** Ends the last volume; resolves when all are stored. */
  async close(): Promise<VolumeRecord[]> {
    if (this.#count === 0 && this.#options.evenIfEmpty) {
      this.#volume = this.#open();
    }
    await this.#finish();
    await this.#finishing;
    return this.#records;
  }

  /**
   * Gives up the volume being written and deletes the others, unless somebody
   * was told of them.
   *
   * @param reason What the storage is told.
   * @param settled Resolves when no frame is being placed any more.
   */
  async abort(reason: unknown, settled: Promise<void>): Promise<void> {
    await this.#volume?.abort(reason);
    await settled;
    await this.#volume?.abort(reason);
    await this.#finishing.catch(() => {});
    if (this.#options.onStored !== undefined) return;
    for (const { name } of this.#records) {
      await this.#options.storage.delete(name).catch(() => {});
    }
  }

  #open(): ObjectWriter {
    const { storage, name, signal } = this.#options;
    return new ObjectWriter(storage, name(this.#count++), signal);
  }

  async #makeRoom(room: number): Promise<void> {
    if (this.#volume === undefined) return;
    const end = await this.#endOfTar();
    const size = this.#volume.size + room + end.length;
    if (size > this.#options.volumeSize) await this.#finish();
  }

  /** Ends a volume; its storing is awaited before the next one is ended. */
  async #finish(): Promise<void> {
    const volume = this.#volume;
    if (volume === undefined) return;
    await volume.write(await this.#endOfTar());
    await this.#finishing;
    this.#finishing = volume.finish().then((record) => {
      this.#records.push(record);
      return this.#options.onStored?.(record);
    });
    this.#finishing.catch(() => {});
    this.#volume = undefined;
  }

  #endOfTar(): Promise<Uint8Array> {
    return this.#end ??= this.#options.codec.compress(
      new Uint8Array(2 * BLOCK),
    );
  }
}
