import { DeltarError } from "../bytes/errors.ts";
import { toHex } from "../bytes/hex.ts";
import { sha256 } from "../bytes/sha256.ts";
import { signBytes } from "../delta/sign.ts";
import { Signature } from "../delta/signature.ts";
import type { Storage } from "../storage/storage.ts";
import type { IndexEntry } from "../tree/dir_index.ts";
import { ContentReader } from "./content.ts";
import type { Tree } from "./tree.ts";
import type { TreeEntry } from "./tree_layer.ts";

/** Deltas that a file's content may be made of; then it is stored whole. */
const MOST_DELTAS = 8;
/** Blocks of a small file whose old content is at hand, in bytes. */
const SMALL_BLOCK = 256;

/**
 * What a changed file's delta is made against: the stored signature of a large
 * file; the old content itself of a small one, which costs no more than
 * reading it and allows for small blocks.
 */
export function basisFrom(
  parent: Tree,
  storage: Storage,
): (before: IndexEntry) => Promise<Signature | undefined> | undefined {
  const reader = new ContentReader(storage);
  return (before) => {
    const entry = parent.byPath.get(before.path);
    if (entry?.content === undefined || entry.size === 0) return undefined;
    if (entry.content.length > MOST_DELTAS) return undefined;
    return load(entry).catch((error) => {
      // What cannot be read can be no basis; the file is stored whole.
      if (error instanceof DeltarError && error.code !== "aborted") {
        return undefined;
      }
      throw error;
    });
  };

  async function load(entry: TreeEntry): Promise<Signature | undefined> {
    if (entry.signature !== undefined) {
      const bytes = await reader.readPiece(entry.signature, entry.path);
      const object = entry.signature.reference.volume;
      return Signature.decode(bytes, { object });
    }
    const content = await reader.read(entry);
    if (!(content instanceof Uint8Array)) return undefined;
    if (toHex(sha256(content)) !== entry.sha256) return undefined;
    return signBytes(content, { blockSize: SMALL_BLOCK });
  }
}
