import { ContentFrames } from "../../archive/content_frames.ts";
import { concat } from "../../bytes/source.ts";
import type { DeltaChain } from "../../delta/delta_chain.ts";
import { NeededRanges } from "../../delta/needed_ranges.ts";
import type { OldParts } from "../../delta/old_parts.ts";
import type { RandomAccess } from "../../delta/random_access.ts";
import type { BasisContent } from "../../delta/refine.ts";
import type { Storage } from "../../storage/storage.ts";
import { Spool } from "../../tree/spool.ts";
import type { StoredPiece } from "../layers/tree_layer.ts";
import { followMoves } from "./follow_moves.ts";
import { KeptRanges } from "./kept_ranges.ts";

/**
 * Returns a reader of the whole content at the start of a chain. The content
 * must be compressed with zstd.
 *
 * @param storage The repository's storage.
 * @param piece The whole content.
 */
export function storedContent(
  storage: Storage,
  { reference, size }: StoredPiece,
): OldParts & BasisContent & Disposable {
  const frames = new ContentFrames(followMoves(storage), reference, size);
  const kept = new KeptRanges();
  return {
    size,
    get parts() {
      return frames.parts;
    },
    async load(offset) {
      await frames.load(offset);
    },
    keep: (start, end) => kept.keep(frames.parts, start, end),
    read: (ranges) =>
      kept.access(ranges, (missing) => spooled(frames, missing, size)),
    [Symbol.dispose]() {
      kept[Symbol.dispose]();
      frames[Symbol.dispose]();
    },
  };
}

/**
 * Returns a reader of the content that results from a chain.
 *
 * @param chain The deltas.
 * @param whole The whole content at the start of the chain.
 */
export function contentOf(
  chain: DeltaChain,
  whole: BasisContent,
): BasisContent {
  const { size } = chain.segments;
  return {
    size,
    async read(ranges) {
      const copied = NeededRanges.of(copiesOf(chain, ranges, size));
      const access = await whole.read(copied);
      return {
        size,
        read: (offset, length) =>
          throughChain(chain, access.read, offset, length),
        [Symbol.dispose]: () => access[Symbol.dispose](),
      };
    },
  };
}

/**
 * Yields the ranges of the whole content that the chain copies into the given
 * ranges of its result.
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

/**
 * Yields a range of a content in parts. Each part is valid until the next one
 * is requested.
 */
async function* piecesOf(
  frames: ContentFrames,
  start: number,
  length: number,
): AsyncGenerator<Uint8Array> {
  const end = start + length;
  for (let at = start; at < end;) {
    const { offset, bytes } = await frames.load(at);
    const piece = bytes.subarray(at - offset, end - offset);
    yield piece;
    at += piece.length;
  }
}

/**
 * Copies ranges of a content into a spool, and returns random access to them.
 */
async function spooled(
  frames: ContentFrames,
  ranges: NeededRanges,
  size: number,
): Promise<RandomAccess & Disposable> {
  const spool = new Spool();
  try {
    const cursor = ranges.cursor();
    for (
      let range = cursor.next(0, ranges.end);
      range !== undefined;
      range = cursor.next(range.end, ranges.end)
    ) {
      const { start, end } = range;
      for await (const piece of piecesOf(frames, start, end - start)) {
        spool.write(piece);
      }
    }
    const access = spool.access();
    return {
      size,
      read: (offset, length) => access.read(ranges.placeOf(offset), length),
      [Symbol.dispose]: () => spool.dispose(),
    };
  } catch (error) {
    spool.dispose();
    throw error;
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
