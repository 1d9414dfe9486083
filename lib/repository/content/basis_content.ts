import {
  type ContentFrame,
  contentFrames,
} from "../../archive/content_frames.ts";
import { concat } from "../../bytes/source.ts";
import type { DeltaChain } from "../../delta/delta_chain.ts";
import { NeededRanges } from "../../delta/needed_ranges.ts";
import type { RandomAccess } from "../../delta/random_access.ts";
import type { BasisContent } from "../../delta/refine.ts";
import type { Storage } from "../../storage/storage.ts";
import { storedSize } from "../../tree/entry_line.ts";
import { Spool } from "../../tree/spool.ts";
import { codecOf } from "../format/names.ts";
import type { TreeFileEntry } from "../layers/tree_layer.ts";
import { followMoves } from "./follow_moves.ts";

/**
 * Returns access to ranges of a file's content, as it is stored. When ranges
 * are read, the needed frames of the whole content at the start of the file's
 * chain are read once, and the needed bytes are spooled.
 *
 * @param storage The repository's storage.
 * @param entry The file.
 * @param chain The deltas of the file. By default, the content at the start of
 *   the chain is returned.
 */
export function basisContent(
  storage: Storage,
  entry: TreeFileEntry,
  chain?: DeltaChain,
): BasisContent {
  const [base] = entry.content;
  const size = chain === undefined ? base.size : storedSize(entry);
  return {
    size,
    async read(ranges) {
      const spool = new Spool();
      try {
        const needed = chain === undefined
          ? ranges
          : NeededRanges.of(copiesOf(chain, ranges, size));
        const { reference } = base;
        const codec = codecOf(reference.volume);
        const frames = contentFrames(followMoves(storage), reference, codec);
        await fill(spool, frames, needed);
        const access = spool.access();
        const read = (offset: number, length: number) =>
          access.read(needed.placeOf(offset), length);
        return {
          size,
          read: chain === undefined
            ? read
            : (offset, length) => throughChain(chain, read, offset, length),
          [Symbol.dispose]: () => spool.dispose(),
        };
      } catch (error) {
        spool.dispose();
        throw error;
      }
    },
  };
}

/**
 * Yields the ranges of the whole content that are copied into the given ranges
 * of the chain's result.
 */
function* copiesOf(chain: DeltaChain, ranges: NeededRanges, size: number) {
  const cursor = ranges.cursor();
  for (
    let range = cursor.next(0, size);
    range !== undefined;
    range = cursor.next(range.end, size)
  ) {
    const { start, end } = range;
    for (const origin of chain.segments.origins(start, end - start)) {
      if (origin.kind === "copy") yield origin;
    }
  }
}

/** Writes the needed ranges of a content to a spool, one after the other. */
async function fill(
  spool: Spool,
  frames: AsyncIterable<ContentFrame>,
  needed: NeededRanges,
): Promise<void> {
  const cursor = needed.cursor();
  for await (const frame of frames) {
    const { end } = frame;
    for (
      let range = cursor.next(Math.max(0, frame.start), end);
      range !== undefined;
      range = cursor.next(range.end, end)
    ) {
      const length = range.end - range.start;
      spool.write(await frame.read(range.start, length));
    }
    if (end >= needed.end) break;
  }
}

/** Reads a range of the result of a chain. */
async function throughChain(
  chain: DeltaChain,
  read: RandomAccess["read"],
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (const origin of chain.segments.origins(offset, length)) {
    const from = origin.kind === "copy" ? read : chain.literals.read;
    parts.push(
      (await from.call(chain.literals, origin.offset, origin.length)).slice(),
    );
  }
  return concat(parts);
}
