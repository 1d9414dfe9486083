import type { DeltaWriter } from "./delta_writer.ts";
import type { OldPart } from "./old_parts.ts";

/** The number of bytes that are hashed together in the search for matches. */
const HASHED_BYTES = 24;
/**
 * The distance in bytes between the hashed offsets in the old content near
 * changed bytes. Every match of at least `HASHED_BYTES + STEP_BYTES - 1` bytes
 * contains all bytes that were hashed at one of these offsets.
 */
const STEP_BYTES = 8;
/**
 * The minimum distance in bytes between the hashed offsets in parts of the old
 * content that are searched for moved bytes.
 */
const MIN_SPARSE_STEP_BYTES = 32;
/**
 * The approximate maximum number of hashed offsets in parts of the old content
 * that are searched for moved bytes. If the parts are large, the distance
 * between these offsets is increased.
 */
const MAX_SPARSE_PLACES = 2 ** 18;
/**
 * The minimum length in bytes of a copy inside changed bytes. A shorter match
 * takes less space as a literal, because literals are compressed.
 */
const MIN_COPY_BYTES = 32;
/** The maximum number of hashed offsets that are tried for one hash. */
const MAX_PLACES = 8;
/** The multiplier of the rolling hash. */
const MULTIPLIER = 0x01000193;
/** `MULTIPLIER` to the power of `HASHED_BYTES`, modulo 2^32. */
const OUTGOING = Array.from({ length: HASHED_BYTES })
  .reduce<number>((power) => Math.imul(power, MULTIPLIER), 1);

/**
 * The copies before and after changed bytes, and the old content near these
 * copies. All offsets are in bytes.
 */
export interface ChangedPlace {
  /**
   * The parts of the old content that are searched for matches. No two parts
   * overlap.
   */
  parts: readonly OldPart[];
  /**
   * The end of the last copy before the changed bytes, as an offset in the old
   * content, or 0 if there is no such copy.
   */
  start: number;
  /**
   * The start of the next copy after the changed bytes, as an offset in the old
   * content, or the size of the old content if there is no such copy.
   */
  end: number;
  /** Whether the copy before the changed bytes is adjacent to them. */
  joinsStart: boolean;
  /** Whether the copy after the changed bytes is adjacent to them. */
  joinsEnd: boolean;
}

/**
 * Writes deltas with copies that can begin and end at any byte of the old
 * content. Copies next to changed bytes are extended. The remaining changed
 * bytes are searched for in the old content: candidates are found by a hash of
 * 24 bytes, and then compared byte by byte. xdelta and zstd's long-distance
 * matching find matches in a similar way.
 */
export class ByteMatcher {
  readonly #elsewhere: readonly OldPart[];
  #table: PlaceTable | undefined;

  /**
   * Makes a matcher.
   *
   * @param elsewhere The parts of the old content that are searched for moved
   *   bytes, at any distance from the changed bytes.
   */
  constructor(elsewhere: readonly OldPart[]) {
    this.#elsewhere = elsewhere;
  }

  /**
   * Writes the commands that produce changed bytes.
   *
   * @param writer The writer of the commands.
   * @param now The changed bytes.
   * @param place The copies before and after the changed bytes, and the old
   *   content near them.
   * @returns The end of the last copy from `place.parts`, as an offset in the
   *   old content in bytes, or `place.start` if nothing is copied from
   *   `place.parts`.
   */
  write(writer: DeltaWriter, now: Uint8Array, place: ChangedPlace): number {
    const { parts, start, end } = place;
    const isAscending = start <= end;
    let from = 0;
    let cursor = start;
    const before = parts.find((part) => holds(part, start, start + 1));
    if (place.joinsStart && before !== undefined) {
      const { bytes, offset } = before;
      const most = isAscending ? end - offset : bytes.length;
      from = sameAfter(now, 0, now.length, bytes, start - offset, most);
      writer.copy(start, from);
      cursor += from;
    }
    let tail = 0;
    const after = parts.find((part) => holds(part, end - 1, end));
    if (place.joinsEnd && after !== undefined) {
      const { bytes, offset } = after;
      const least = isAscending ? Math.max(0, cursor - offset) : 0;
      tail = sameBefore(now, now.length, from, bytes, end - offset, least);
    }
    const to = now.length - tail;
    const last = isAscending ? end - tail : Infinity;
    const gap: Gap = { from, to, least: cursor, most: last, isAscending };
    const isInPlace = isAscending && to - from === last - cursor;
    const whole = isInPlace
      ? parts.find((part) => holds(part, cursor, last))
      : undefined;
    if (whole === undefined) {
      cursor = this.#search(writer, now, parts, gap);
    } else {
      const shift = cursor - from;
      const place = shift - whole.offset;
      for (const run of equalRuns(now, from, to, whole.bytes, place)) {
        const before = { ...gap, from, to: run.from, least: shift + from };
        this.#search(writer, now, parts, { ...before, most: shift + run.from });
        writer.copy(shift + run.from, run.to - run.from);
        from = run.to;
      }
      const rest = { ...gap, from, least: shift + from };
      cursor = this.#search(writer, now, parts, rest);
    }
    writer.copy(end - tail, tail);
    return tail > 0 ? end : cursor;
  }

  /**
   * Searches for matches at any offset, and writes the commands that produce
   * the bytes of a gap between copies.
   *
   * @returns The end of the last copy from `parts`, as an offset in the old
   *   content in bytes, or `least` if nothing is copied from `parts`.
   */
  #search(
    writer: DeltaWriter,
    now: Uint8Array,
    parts: readonly OldPart[],
    { from, to, least, most, isAscending }: Gap,
  ): number {
    if (to - from < MIN_COPY_BYTES) {
      writer.literal(now.subarray(from, to));
      return least;
    }
    let cursor = least;
    const near = new PlaceTable(
      isAscending ? clipped(parts, least, most) : parts,
      STEP_BYTES,
    );
    const elsewhere = this.#table ??= sparseTable(this.#elsewhere);
    let hash: number | undefined;
    for (let at = from; at + HASHED_BYTES <= to;) {
      hash = hash === undefined ? hashAt(now, at) : roll(hash, now, at);
      let match: Match | undefined;
      if (near.mayHold(hash)) {
        const first = isAscending ? cursor : 0;
        match = near.find(hash, now, at, { from, to, least: first, most });
        if (match !== undefined) cursor = match.offset + match.length;
      }
      if (match === undefined && elsewhere.mayHold(hash)) {
        match = elsewhere.find(hash, now, at, { from, to });
      }
      if (match === undefined) {
        at++;
        continue;
      }
      writer.literal(now.subarray(from, match.at));
      writer.copy(match.offset, match.length);
      at = from = match.at + match.length;
      hash = undefined;
    }
    writer.literal(now.subarray(from, to));
    return cursor;
  }
}

/**
 * Changed bytes between copies, after the copies have been extended. All
 * offsets are in bytes.
 */
interface Gap {
  /** The start of the gap, as an offset in the changed bytes. */
  from: number;
  /** The end of the gap, as an offset in the changed bytes. */
  to: number;
  /**
   * The minimum offset in the old content at which a match near the copies can
   * begin, if `isAscending` is `true`.
   */
  least: number;
  /**
   * The maximum offset in the old content at which a match near the copies can
   * end.
   */
  most: number;
  /**
   * Whether matches near the copies must be in the order of the old content.
   */
  isAscending: boolean;
}

/**
 * Yields the runs of at least 32 bytes between `from` and `to` in `now` that
 * equal the bytes of `old` at the same offset plus `shift`.
 */
function* equalRuns(
  now: Uint8Array,
  from: number,
  to: number,
  old: Uint8Array,
  shift: number,
): Generator<{ from: number; to: number }> {
  for (let at = from; at < to; at++) {
    // At first, only every 32nd byte is compared, because every run that is
    // long enough contains such a byte.
    const probe = at + MIN_COPY_BYTES - 1;
    if (probe >= to) return;
    let start = probe;
    while (start >= at && now[start] === old[start + shift]) start--;
    if (start >= at) {
      at = start;
      continue;
    }
    let end = probe + 1;
    while (end < to && now[end] === old[end + shift]) end++;
    yield { from: at, to: end };
    at = end;
  }
}

/**
 * Returns the parts of the old content that overlap a range, cut at the bounds
 * of the range.
 */
function clipped(
  parts: readonly OldPart[],
  start: number,
  end: number,
): OldPart[] {
  const result: OldPart[] = [];
  for (const { offset, bytes } of parts) {
    const from = Math.max(0, start - offset);
    const to = Math.min(bytes.length, end - offset);
    if (from < to) {
      result.push({ offset: offset + from, bytes: bytes.subarray(from, to) });
    }
  }
  return result;
}

/** Returns whether a part contains a range of the old content. */
function holds({ offset, bytes }: OldPart, start: number, end: number) {
  return offset <= start && end <= offset + bytes.length;
}

/**
 * Returns the number of equal bytes that begin at `at` in `one` and at `place`
 * in `other`. Bytes from `end` on in `one`, and from `last` on in `other`, are
 * not compared.
 */
function sameAfter(
  one: Uint8Array,
  at: number,
  end: number,
  other: Uint8Array,
  place: number,
  last: number,
): number {
  const most = Math.min(end - at, last - place);
  let same = 0;
  while (same < most && one[at + same] === other[place + same]) same++;
  return same;
}

/**
 * Returns the number of equal bytes directly before `at` in `one` and before
 * `place` in `other`. Bytes before `start` in `one`, and before `first` in
 * `other`, are not compared.
 */
function sameBefore(
  one: Uint8Array,
  at: number,
  start: number,
  other: Uint8Array,
  place: number,
  first: number,
): number {
  const most = Math.min(at - start, place - first);
  let same = 0;
  while (same < most && one[at - 1 - same] === other[place - 1 - same]) same++;
  return same;
}

/** Returns the hash of the `HASHED_BYTES` bytes that begin at an offset. */
function hashAt(bytes: Uint8Array, at: number): number {
  let hash = 0;
  for (let index = at; index < at + HASHED_BYTES; index++) {
    hash = Math.imul(hash, MULTIPLIER) + bytes[index] | 0;
  }
  return hash;
}

/**
 * Returns the hash at an offset, computed from the hash at the previous offset.
 */
function roll(hash: number, bytes: Uint8Array, at: number): number {
  return Math.imul(hash, MULTIPLIER) + bytes[at + HASHED_BYTES - 1] -
      Math.imul(bytes[at - 1], OUTGOING) | 0;
}

/** A match between new and old bytes. All offsets are in bytes. */
interface Match {
  /** The offset of the match in the new bytes. */
  at: number;
  /** The offset of the match in the old content. */
  offset: number;
  /** The length of the match in bytes. */
  length: number;
}

/** The ranges that a match must lie within. All offsets are in bytes. */
interface Bounds {
  /** The start of the range of the new bytes. */
  from: number;
  /** The end of the range of the new bytes. */
  to: number;
  /** The start of the range of the old content. Default: 0. */
  least?: number;
  /** The end of the range of the old content. Default: no limit. */
  most?: number;
}

/**
 * A hash table of places. A place is an offset in the old content. The hash of
 * a place is the hash of the `HASHED_BYTES` bytes that begin there.
 */
class PlaceTable {
  readonly #parts: readonly OldPart[];
  readonly #step: number;
  /** For each part, the number of places in all parts before it. */
  readonly #firsts: number[] = [];
  /**
   * For each slot, one more than the number of its first place, or 0 if the
   * slot is free.
   */
  readonly #heads: Int32Array;
  /**
   * For each place, one more than the number of the next place in its slot, or
   * 0 for the last place in the slot.
   */
  readonly #next: Int32Array;
  /** The hash of each place. */
  readonly #hashes: Int32Array;
  readonly #shift: number;
  /**
   * Four bits for each slot, one for each quarter of the hashes that share the
   * slot. A bit is set if a place has a hash in that quarter. The bits can fit
   * in the processor's cache even if the slots do not.
   */
  readonly #filter: Uint32Array;

  constructor(parts: readonly OldPart[], step: number) {
    this.#parts = parts;
    this.#step = step;
    let count = 0;
    for (const { bytes } of parts) {
      this.#firsts.push(count);
      count += placesIn(bytes, step);
    }
    const bits = Math.max(4, Math.ceil(Math.log2(count + 1)) + 1);
    this.#heads = new Int32Array(2 ** bits);
    this.#next = new Int32Array(count);
    this.#hashes = new Int32Array(count);
    this.#shift = 32 - bits;
    this.#filter = new Uint32Array(2 ** (bits - 3));
    // The last places are entered first, so that a search finds the places in
    // ascending order.
    for (let part = parts.length - 1; part >= 0; part--) {
      const { bytes } = parts[part];
      for (let place = placesIn(bytes, step) - 1; place >= 0; place--) {
        const hash = hashAt(bytes, place * step);
        const slot = this.#slotOf(hash);
        const quarter = this.#quarterOf(hash);
        this.#filter[quarter >>> 5] |= 1 << quarter;
        const number = this.#firsts[part] + place;
        this.#hashes[number] = hash;
        this.#next[number] = this.#heads[slot];
        this.#heads[slot] = number + 1;
      }
    }
  }

  /** Returns whether the table might have a place with this hash. */
  mayHold(hash: number): boolean {
    const quarter = this.#quarterOf(hash);
    return (this.#filter[quarter >>> 5] >>> quarter & 1) !== 0;
  }

  /**
   * Returns a match of at least 32 bytes that includes the `HASHED_BYTES` bytes
   * at the offset `at` of `now`, or `undefined` if no match is found. `hash` is
   * the hash of these bytes.
   */
  find(
    hash: number,
    now: Uint8Array,
    at: number,
    bounds: Bounds,
  ): Match | undefined {
    let number = this.#heads[this.#slotOf(hash)];
    for (let tries = 0; number > 0 && tries < MAX_PLACES; tries++) {
      const match = this.#hashes[number - 1] === hash
        ? this.#around(number - 1, now, at, bounds)
        : undefined;
      if (match !== undefined) return match;
      number = this.#next[number - 1];
    }
    return undefined;
  }

  #around(
    number: number,
    now: Uint8Array,
    at: number,
    { from, to, least: first = 0, most: end = Infinity }: Bounds,
  ): Match | undefined {
    let low = 0;
    let high = this.#parts.length;
    while (high - low > 1) {
      const middle = low + high >>> 1;
      if (this.#firsts[middle] <= number) low = middle;
      else high = middle;
    }
    const { offset, bytes } = this.#parts[low];
    const place = (number - this.#firsts[low]) * this.#step;
    const least = Math.max(0, first - offset);
    const most = Math.min(bytes.length, end - offset);
    if (place < least) return undefined;
    const ahead = sameAfter(now, at, to, bytes, place, most);
    if (ahead < HASHED_BYTES) return undefined;
    const back = sameBefore(now, at, from, bytes, place, least);
    const length = back + ahead;
    if (length < MIN_COPY_BYTES) return undefined;
    return { at: at - back, offset: offset + place - back, length };
  }

  #quarterOf(hash: number): number {
    return Math.imul(hash, 0x9e3779b1) >>> this.#shift - 2;
  }

  #slotOf(hash: number): number {
    return Math.imul(hash, 0x9e3779b1) >>> this.#shift;
  }
}

/** Returns a table of places in parts that are searched for moved bytes. */
function sparseTable(parts: readonly OldPart[]): PlaceTable {
  const size = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
  let step = MIN_SPARSE_STEP_BYTES;
  while (size / step > MAX_SPARSE_PLACES) step *= 2;
  return new PlaceTable(parts, step);
}

/**
 * Returns the number of places in `bytes`: one at each multiple of `step` at
 * which at least `HASHED_BYTES` bytes are left.
 */
function placesIn(bytes: Uint8Array, step: number): number {
  return bytes.length < HASHED_BYTES
    ? 0
    : Math.floor((bytes.length - HASHED_BYTES) / step) + 1;
}
