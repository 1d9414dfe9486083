import { checkAborted } from "../bytes/abort.ts";
import { codeOf, DeltarError, errorMessage } from "../bytes/errors.ts";
import { type ByteSource, chunks } from "../bytes/source.ts";
import { turnIfDue } from "../bytes/turns.ts";
import type { Storage } from "../storage/storage.ts";
import type { Entry, Skipped } from "../tree/entry.ts";
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
  const lost = new Set<string>();
  try {
    for await (const entry of tree.walk({ onSkip, signal })) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(signal);
      if (entry.target !== undefined && lost.has(entry.target)) {
        const detail = `is another name of ${entry.target}`;
        onSkip?.({ path: entry.path, reason: "unreadable", detail });
        continue;
      }
      const skipped = await addEntry(writer, tree, entry);
      if (skipped === undefined) continue;
      if (skipped.reason !== "changed") lost.add(entry.path);
      onSkip?.(skipped);
    }
    return await writer.close();
  } catch (error) {
    await writer.abort(error);
    throw error;
  }
}

/** Adds an entry; tells what was wrong if it is the source that failed. */
async function addEntry(
  writer: TarVolumeWriter,
  tree: TreeSource,
  entry: Entry,
): Promise<Skipped | undefined> {
  let fault: { cause: unknown } | undefined;
  const guarded = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks(tree.open(entry.path));
    } catch (cause) {
      fault = { cause };
      throw cause;
    }
  };
  try {
    const source: ByteSource | undefined = entry.kind === "file"
      ? guarded()
      : undefined;
    await writer.add(entry, source);
    return undefined;
  } catch (error) {
    if (fault !== undefined) return explain(entry.path, fault.cause);
    if (error instanceof DeltarError && error.code === "changed") {
      return { path: entry.path, reason: "changed", detail: error.message };
    }
    throw error;
  }
}

function explain(path: string, cause: unknown): Skipped {
  const code = codeOf(cause);
  const gone = code === "ENOENT" || code === "not-found";
  return {
    path,
    reason: gone ? "vanished" : "unreadable",
    detail: errorMessage(cause),
  };
}
