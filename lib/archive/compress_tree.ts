import type { Storage } from "../storage/storage.ts";
import type { Skipped } from "../tree/entry.ts";
import { type TarVolumeOptions, TarVolumeWriter } from "./tar_volume_writer.ts";
import type { TreeSource } from "./tree_sink.ts";
import type { VolumeIndex } from "./volume_index.ts";

/** Options for storing a tree. */
export interface CompressOptions extends TarVolumeOptions {
  /** Called with each path that is left out or could not be read unchanged. */
  onSkip?: (skipped: Skipped) => void;
}

/**
 * Stores a whole tree as an archive. A file that cannot be read is reported and
 * left out; one that gets shorter meanwhile is reported and filled with zeros.
 *
 * @param tree The tree.
 * @param storage Where to.
 * @param key What the names of the archive's objects start with.
 * @param options How.
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
