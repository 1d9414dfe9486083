import { release } from "../bytes/release.ts";
import type { Storage } from "../storage/storage.ts";
import type { Codec } from "./codec.ts";
import type { FrameLocation } from "./content_reference.ts";
import type { Frame } from "./frame_filler.ts";
import { ObjectWriter, type VolumeRecord } from "./object_writer.ts";
import { BLOCK } from "./tar_member.ts";

/** Options for a sequence of volumes. */
export interface VolumeSequenceOptions {
  /** The storage of the volumes. */
  storage: Storage;
  /**
   * Called when a volume is opened, with the number of the volume, counted
   * from 0. Returns the object name of the volume.
   */
  name: (n: number) => string;
  /**
   * The codec that compresses the two blocks of zeros at the end of each
   * volume, and pads the volume.
   */
  codec: Codec;
  /** The maximum size of a volume before it is padded, in bytes. */
  volumeSize: number;
  /**
   * Whether an empty volume is stored if no frame is written. Default: `false`.
   */
  evenIfEmpty?: boolean;
  /**
   * Called with each volume after it has been stored. From then on, `abort`
   * does not delete this volume. The next volume is ended only after the
   * returned promise has resolved.
   */
  onStored?: (volume: VolumeRecord) => Promise<void>;
  /** The signal that aborts the write of the volumes. */
  signal?: AbortSignal;
}

/**
 * Returns the maximum size in bytes that `plain` bytes can have after they are
 * compressed in frames of `frameSize` bytes.
 */
export function worstCase(plain: number, frameSize: number): number {
  return Math.ceil(plain * 1.02) + 128 * Math.ceil(plain / frameSize);
}

/** Writes compressed frames to volumes, one volume after the other. */
export class VolumeSequence {
  readonly #options: VolumeSequenceOptions;
  /**
   * The maximum space in bytes that each announced member needs, indexed by the
   * location of the member's frames.
   */
  readonly #wanted = new Map<FrameLocation, number>();
  readonly #records: VolumeRecord[] = [];
  #volume: ObjectWriter | undefined;
  #count = 0;
  /**
   * A promise that resolves when the previous volume is stored and its
   * `onStored` has resolved. The current volume is written in the meantime.
   */
  #finishing: Promise<void> = Promise.resolve();
  #end: Promise<Uint8Array> | undefined;

  /** Makes a sequence. A volume is opened only when it is needed. */
  constructor(options: VolumeSequenceOptions) {
    this.#options = options;
  }

  /**
   * Announces a member whose frames must all be in one volume.
   *
   * @param place The location that the member's frames share.
   * @param room The maximum total size of the member's frames after
   *   compression, in bytes.
   */
  announce(place: FrameLocation, room: number): void {
    this.#wanted.set(place, room);
  }

  /**
   * Writes a frame to the current volume or the next one, and sets the frame's
   * location.
   *
   * @param packed The compressed frame. Its memory is freed after the frame has
   *   been written.
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

  /**
   * Ends the last volume. Returns the records of all volumes after they are
   * stored.
   */
  async close(): Promise<VolumeRecord[]> {
    if (this.#count === 0 && this.#options.evenIfEmpty) {
      this.#volume = this.#open();
    }
    await this.#finish();
    await this.#finishing;
    return this.#records;
  }

  /**
   * Aborts the current volume, and deletes the earlier volumes except for those
   * that were passed to `onStored`.
   *
   * @param reason The reason that is passed to the storage.
   * @param settled A promise that resolves when no more frames are being
   *   written.
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

  /**
   * Ends the current volume. The next volume is ended only after this one is
   * stored.
   */
  async #finish(): Promise<void> {
    const volume = this.#volume;
    if (volume === undefined) return;
    await volume.write(await this.#endOfTar());
    await this.#finishing;
    const { codec } = this.#options;
    this.#finishing = volume.finish(codec).then((record) => {
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
