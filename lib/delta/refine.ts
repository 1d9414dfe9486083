import { checkAborted } from "../bytes/abort.ts";
import { turnIfDue } from "../bytes/turns.ts";
import { concat } from "../bytes/source.ts";
import { ByteMatcher } from "./byte_matcher.ts";
import { DeltaWriter } from "./delta_writer.ts";
import { NeededRanges } from "./needed_ranges.ts";
import type { OldPart } from "./old_parts.ts";
import type { RandomAccess } from "./random_access.ts";
import { readSegments } from "./read_segments.ts";
import type { Segments } from "./segments.ts";

/** The minimum size in bytes of each yielded chunk except the last one. */
const MIN_YIELD_BYTES = 2 ** 16;
/** The maximum number of changed bytes that are compared at a time. */
const MAX_CHANGED_BYTES = 2 ** 18;
/**
 * The number of old bytes, next to each adjacent copy, with which a change is
 * compared. If the number of old bytes between the two copies exceeds twice the
 * length of the change by at most `MARGIN_BYTES`, all of them are compared.
 */
const MARGIN_BYTES = 2 ** 12;

/**
 * The maximum number of old bytes that are searched for moved bytes. Only the
 * old bytes that the delta does not copy are searched. They are held in memory.
 */
const MAX_UNUSED_BYTES = 2 ** 26;

/** The old content. Ranges of it can be read. */
export interface BasisContent {
  /** The size of the old content in bytes. */
  readonly size: number;
  /**
   * Reads ranges, and returns random access to their bytes. The offsets are
   * those in the old content. This method is called once.
   */
  read(ranges: NeededRanges): Promise<RandomAccess & Disposable>;
}

/** Options for refining a delta. */
export interface RefineOptions {
  /** The signal that aborts the work with an error of code `aborted`. */
  signal?: AbortSignal;
}

/** A range of the old content or of the delta. */
interface Range {
  /** The offset of the range in bytes. */
  offset: number;
  /** The length of the range in bytes. */
  length: number;
}

/** A copy or a change of a delta that is being refined. */
type Step = { kind: "copy" } & Range | { kind: "change" } & Change;

/** Changed bytes of the new content. */
interface Change {
  /** The ranges of the delta that hold the bytes, in order. */
  literals: Range[];
  /** The ranges of the old content that are searched for matches. */
  ranges: Range[];
  /**
   * The start of the next copy, as an offset in the old content in bytes, or
   * the size of the old content if no copy follows.
   */
  end: number;
  /** Whether a copy is directly before the bytes. */
  joinsStart: boolean;
  /** Whether a copy is directly after the bytes. */
  joinsEnd: boolean;
}

/**
 * Makes a delta smaller with the help of the old content. A delta that was made
 * from a signature copies whole blocks, and all bytes between these blocks are
 * literals. The literals are compared with the old content near the adjacent
 * copies, and with old content that is not copied. Only the bytes that are
 * found in neither place remain literals. Yields the smaller delta, in the same
 * format.
 *
 * @param delta The delta, which is read twice.
 * @param basis The old content. Only the ranges that literals are compared with
 *   are read.
 * @param options The signal that aborts the work.
 * @throws {DeltarError} `corrupt` or `truncated` if the delta is invalid,
 *   `limit` if its result has more than 2^22 parts or 2^53 - 1 bytes, `aborted`
 *   if the signal fired, and the errors of `delta` and `basis`.
 */
export async function* refineDelta(
  delta: RandomAccess,
  basis: BasisContent,
  { signal }: RefineOptions = {},
): AsyncGenerator<Uint8Array> {
  const segments = await readSegments(delta, { signal });
  const unused = [...unusedRanges(segments, basis.size)];
  using content = await basis.read(
    NeededRanges.of(rangesOf(segments, basis.size, unused)),
  );
  const oldParts = async (ranges: readonly Range[]): Promise<OldPart[]> => {
    const parts: OldPart[] = [];
    for (const { offset, length } of ranges) {
      const bytes = await content.read(offset, length);
      parts.push({ offset, bytes: bytes.slice() });
    }
    return parts;
  };
  const matcher = new ByteMatcher(await oldParts(unused));
  const writer = new DeltaWriter(MIN_YIELD_BYTES);
  let cursor = 0;
  for (const step of steps(segments, basis.size)) {
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    checkAborted(signal);
    if (step.kind === "copy") {
      writer.copy(step.offset, step.length);
      cursor = step.offset + step.length;
    } else {
      const now = await joined(delta, step.literals);
      const parts = await oldParts(step.ranges);
      cursor = matcher.write(writer, now, { ...step, parts, start: cursor });
    }
    if (writer.waiting >= MIN_YIELD_BYTES) yield writer.take().slice();
  }
  writer.end();
  yield writer.take().slice();
}

/**
 * Yields the ranges of the old content that a refinement reads: the ranges that
 * the changes are compared with, and the ranges that the delta does not copy.
 */
function* rangesOf(
  segments: Segments,
  size: number,
  unused: readonly Range[],
): Generator<Range> {
  for (const step of steps(segments, size)) {
    if (step.kind === "change") yield* step.ranges;
  }
  yield* unused;
}

/** Yields the copies and the changes of a delta, in the order of its result. */
function* steps(segments: Segments, size: number): Generator<Step> {
  let start = 0;
  let joinsStart = false;
  let literals: Range[] = [];
  for (const { kind, offset, length } of segments.all()) {
    if (kind === "literal") literals.push({ offset, length });
    else {
      const neighbours = { start, end: offset, joinsStart, joinsEnd: true };
      yield* changes(literals, neighbours, size);
      yield { kind, offset, length };
      literals = [];
      start = offset + length;
      joinsStart = true;
    }
  }
  yield* changes(
    literals,
    { start, end: size, joinsStart, joinsEnd: false },
    size,
  );
}

/**
 * Yields changed bytes in parts, each with the old ranges that the part is
 * compared with.
 */
function* changes(
  literals: readonly Range[],
  { start, end, joinsStart, joinsEnd }: Omit<Change, "literals" | "ranges"> & {
    start: number;
  },
  size: number,
): Generator<Step> {
  const pieces = [...cut(literals, MAX_CHANGED_BYTES)];
  const total = literals.reduce((sum, { length }) => sum + length, 0);
  const gap = end - start;
  const isNear = gap >= 0 && gap <= 2 * total + MARGIN_BYTES;
  for (const [at, piece] of pieces.entries()) {
    const isFirst = at === 0;
    const isLast = at === pieces.length - 1;
    const ranges: Range[] = [];
    const add = (from: number, to: number) => {
      const offset = Math.max(0, from);
      const length = Math.min(size, to) - offset;
      if (length > 0) ranges.push({ offset, length });
    };
    if (isNear) {
      const share = (index: number) =>
        start + Math.round(gap * index / pieces.length);
      add(
        Math.max(start, share(at) - MARGIN_BYTES),
        Math.min(end, share(at + 1) + MARGIN_BYTES),
      );
    } else {
      if (isFirst) add(start, start + MARGIN_BYTES);
      if (isLast) add(end - MARGIN_BYTES, end);
    }
    yield {
      kind: "change",
      literals: piece,
      ranges,
      end,
      joinsStart: joinsStart && isFirst,
      joinsEnd: joinsEnd && isLast,
    };
  }
}

/**
 * Yields the given ranges in groups of at most `most` bytes. A range that does
 * not fit into a group continues in the next group.
 */
function* cut(ranges: readonly Range[], most: number): Generator<Range[]> {
  let group: Range[] = [];
  let room = most;
  for (let { offset, length } of ranges) {
    while (length > 0) {
      const part = Math.min(length, room);
      group.push({ offset, length: part });
      offset += part;
      length -= part;
      room -= part;
      if (room > 0) continue;
      yield group;
      group = [];
      room = most;
    }
  }
  if (group.length > 0) yield group;
}

async function joined(
  delta: RandomAccess,
  literals: readonly Range[],
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (const { offset, length } of literals) {
    parts.push((await delta.read(offset, length)).slice());
  }
  return concat(parts);
}

/**
 * Yields the ranges of the old content that are not copied, up to a total of 64
 * MiB.
 */
function* unusedRanges(segments: Segments, size: number): Generator<Range> {
  const cursor = NeededRanges.of(segments.copies()).cursor();
  let room = MAX_UNUSED_BYTES;
  for (let at = 0; at < size && room > 0;) {
    const copied = cursor.next(at, size);
    const length = Math.min((copied?.start ?? size) - at, room);
    if (length > 0) yield { offset: at, length };
    room -= length;
    at = copied?.end ?? size;
  }
}
