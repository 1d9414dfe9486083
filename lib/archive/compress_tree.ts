import type { Storage } from "../storage/storage.ts";
import type { Skipped } from "../tree/entry.ts";
import { type TarVolumeOptions, TarVolumeWriter } from "./tar_volume_writer.ts";
import type { TreeSource } from "./tree_sink.ts";
import type { VolumeIndex } from "./volume_index.ts";

/** Options for storing a tree. */
export interface CompressOptions extends TarVolumeOptions {
  /**
   * Called with each path that was skipped or excluded, or that changed while
   * it was read.
   */
  onSkip?: (skipped: Skipped) => void;
}

/**
 * Stores a whole tree as an archive. For files that cannot be read completely,
 * see {@linkcode TarVolumeWriter.addTree}.
 *
 * @param tree The tree to store.
 * @param storage The storage of the archive.
 * @param key The prefix of the object names of the archive.
 * @param options Options for writing the archive, and a callback for skipped
 *   paths.
 * @returns The stored index.
 */
export async function compressTree(
  tree: TreeSource,
  storage: Storage,
  key: string,
  options: CompressOptions,
): Promise<VolumeIndex> {
  const { onSkip, signal } = options;
  const writer = new TarVolumeWriter(storage, key, options);
  try {
    await writer.addTree(tree, { onSkip, signal });
    return await writer.close();
  } catch (error) {
    await writer.abort(error);
    throw error;
  }
}
