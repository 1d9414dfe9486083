import type { Codec } from "../../archive/codec.ts";
import type { VolumeRecord } from "../../archive/object_writer.ts";
import { VolumeWriter } from "../../archive/volume_writer.ts";
import type { Storage } from "../../storage/storage.ts";
import { layerName, volumeName } from "../format/names.ts";
import {
  encodeRecord,
  type LayerRecord,
  type ObjectRecord,
  type SnapshotRecord,
} from "../format/snapshot_record.ts";
import { type TreeChange, writeTree } from "../layers/write_tree.ts";
import { signListing } from "../format/signed_listing.ts";
import { Run, type RunOptions } from "../runs/run.ts";
import type { Store } from "../store/store.ts";

/** Options for writing a snapshot. */
export interface SnapshotWriterOptions extends RunOptions {
  /** The maximum size of volumes, in bytes. Default: 64 MiB. */
  volumeSize?: number;
  /**
   * Called with each volume of content after it was stored. `abort` does not
   * delete volumes that were passed to this callback.
   */
  onStored?: (volume: VolumeRecord) => Promise<void>;
  /** The signal that ends the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** The default maximum size of volumes, in bytes. */
const DEFAULT_VOLUME_BYTES = 64 << 20;

/**
 * A writer that stores the objects of one snapshot in a run: first the content
 * and the signatures in volumes, then the tree in a layer, and last the commit
 * record. The snapshot exists once the record is stored.
 *
 * The caller must dispose of the writer. If no record was stored, all objects
 * that the writer stored are garbage, except for volumes with a checkpoint,
 * which a later run can take over.
 */
export class SnapshotWriter implements AsyncDisposable {
  /** The snapshot's id. */
  readonly id: string;
  /** The repository's storage, through which the run stores its objects. */
  readonly storage: Storage;
  /** The writer of the volumes of content. */
  readonly volumes: VolumeWriter;
  /** The writer of the volumes of signatures. */
  readonly signatures: VolumeWriter;
  readonly #codec: Codec;
  readonly #run: Run;
  readonly #store: Store;
  readonly #signal: AbortSignal | undefined;
  #stored = 0;

  /**
   * Creates a writer. Stores nothing yet.
   *
   * @param repository The repository.
   * @param options Options for writing the snapshot.
   */
  constructor(
    repository: Store,
    options: SnapshotWriterOptions,
  ) {
    const { id, volumeSize = DEFAULT_VOLUME_BYTES, onStored, signal } = options;
    this.id = id;
    this.#codec = repository.codec;
    this.#store = repository;
    this.#signal = signal;
    this.#run = new Run(repository, options);
    this.storage = this.#run.storage;
    this.volumes = this.#volumesIn("volumes", volumeSize, onStored);
    this.signatures = this.#volumesIn("signatures", volumeSize);
  }

  /**
   * The total size, in bytes, of the volumes and of the layer. The volumes are
   * counted after `closeVolumes`, and the layer after `writeTree`.
   */
  get stored(): number {
    return this.#stored;
  }

  /**
   * Stores a manifest of the objects that no manifest lists yet. See
   * {@linkcode Run.list}.
   */
  list(): Promise<void> {
    return this.#run.list();
  }

  /**
   * Stores the intent of the run, unless it has already been stored. See
   * {@linkcode Run.begin}.
   */
  begin(): Promise<void> {
    return this.#run.begin();
  }

  /** Checks that the run can continue. See {@linkcode Run.check}. */
  check(): Promise<void> {
    return this.#run.check();
  }

  /** Finishes the volumes, and returns the name, size and SHA-256 of each. */
  async closeVolumes(): Promise<ObjectRecord[]> {
    const objects = [
      ...await this.volumes.close(),
      ...await this.signatures.close(),
    ];
    for (const { size } of objects) this.#stored += size;
    return objects;
  }

  /**
   * Stores the layer of the snapshot's tree. See {@linkcode writeTree}.
   *
   * @param change The change from the parent's tree.
   * @returns All layers of the tree.
   */
  async writeTree(change: TreeChange): Promise<LayerRecord[]> {
    const name = layerName(this.id, this.#codec.name);
    const { layers, stored } = await writeTree(
      this.storage,
      name,
      this.#codec,
      change,
      this.#signal,
    );
    this.#stored += stored;
    return layers;
  }

  /**
   * Stores the record. Signs it if this machine has a signing key and the
   * record names a signer. See {@linkcode Run.commit}.
   *
   * @param record The record.
   * @param onStored Called after the record is stored, while the intent is
   * being checked.
   */
  async commit(
    record: SnapshotRecord,
    onStored?: () => Promise<void>,
  ): Promise<void> {
    const key = this.#store.signingKey;
    const bytes = encodeRecord(record);
    await this.#store.introduce();
    await this.#run.commit(
      key === undefined || record.signer === undefined
        ? bytes
        : await signListing(bytes, key),
      onStored,
    );
  }

  /**
   * Aborts the volumes that are being written, and deletes the stored volumes,
   * except for those that were passed to `onStored`. Has no effect after
   * `closeVolumes`.
   *
   * @param error The error that later calls of the volume writers throw.
   * Default: an error of code `aborted`.
   */
  async abort(error?: unknown): Promise<void> {
    await Promise.all([
      this.volumes.abort(error),
      this.signatures.abort(error),
    ]);
  }

  /** Ends the run. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#run[Symbol.asyncDispose]();
  }

  #volumesIn(
    folder: "volumes" | "signatures",
    volumeSize: number,
    onStored?: SnapshotWriterOptions["onStored"],
  ): VolumeWriter {
    return new VolumeWriter({
      storage: this.storage,
      name: (n) => volumeName(folder, this.id, n, this.#codec.name),
      codec: this.#codec,
      volumeSize,
      ...onStored && { onStored },
      signal: this.#signal,
    });
  }
}
