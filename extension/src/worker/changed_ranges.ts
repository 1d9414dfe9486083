import { Buffer } from "node:buffer";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Repository } from "../../../mod.ts";
import { checkAborted } from "../../../lib/bytes/abort.ts";
import { turnIfDue } from "../../../lib/bytes/turns.ts";
import type { Segments } from "../../../lib/delta/segments.ts";
import {
  ContentReader,
  keyOf,
} from "../../../lib/repository/content/content.ts";
import type { TreeFileEntry } from "../../../lib/repository/layers/tree_layer.ts";
import { Spool } from "../../../lib/tree/spool.ts";
import type {
  ChangedRange,
  ChangedRanges,
  VersionPath,
} from "../shared/protocol.ts";
import { fileEntry } from "./file_entry.ts";

/** The maximum number of ranges to return. */
const MAX_RANGES = 1000;

/**
 * The minimum number of equal bytes that separate two ranges in a byte-by-byte
 * comparison. Ranges that are closer together are joined.
 */
const MIN_GAP_BYTES = 4096;

/** The number of bytes of a file on the disk that are read at a time. */
const READ_BYTES = 1 << 18;

/** A version of a file to compare. */
interface Version {
  /** The length of the content in bytes. */
  size: number;
  /** The entry, if the version is in a snapshot. */
  entry?: TreeFileEntry;
  /** Returns the bytes of the content. They are read as they are consumed. */
  read(): Promise<AsyncIterable<Uint8Array>>;
}

/**
 * Returns the ranges of bytes in which two versions of a file differ. If the
 * newer version is stored as deltas against the older one, only the deltas are
 * read. Otherwise, the contents are compared byte by byte. The memory use does
 * not depend on the size of the file.
 *
 * @throws {DeltarError} `not-found` if a snapshot does not have the file;
 * `aborted` if the signal fired; the errors of `Repository.readFile`.
 * @throws {Error} The system's error if a file on the disk cannot be read.
 */
export async function changedRanges(
  repository: Repository,
  directory: string,
  before: VersionPath,
  after: VersionPath,
  signal: AbortSignal,
): Promise<ChangedRanges> {
  const find = (version: VersionPath) =>
    findVersion(repository, directory, version, signal);
  const [old, now] = await Promise.all([find(before), find(after)]);
  const list = new RangeList();
  if (!await addStored(repository, old, now, list, signal)) {
    await addDifferent(await old.read(), await now.read(), list, signal);
  }
  const { ranges, count } = list;
  return { before: old.size, after: now.size, count, ranges };
}

class RangeList {
  readonly ranges: ChangedRange[] = [];
  count = 0;

  add(offset: number, before: number, after: number): void {
    this.count++;
    if (this.ranges.length < MAX_RANGES) {
      this.ranges.push({ offset, before, after });
    }
  }
}

async function findVersion(
  repository: Repository,
  directory: string,
  { id, path }: VersionPath,
  signal: AbortSignal,
): Promise<Version> {
  if (id === undefined) {
    const file = join(directory, path);
    const { size } = await stat(file);
    const options = { highWaterMark: READ_BYTES, signal };
    return {
      size,
      read: () => Promise.resolve(createReadStream(file, options)),
    };
  }
  const record = await repository.find(id);
  const entry = await fileEntry(repository, record, path, signal);
  return {
    size: entry.size,
    entry,
    read: () => repository.readFile(record, path, { signal }),
  };
}

/**
 * Adds the changed ranges that the deltas of the newer version against the
 * older one show. Returns `false` without adding any range if there are no such
 * deltas, if a version is sparse, or if the deltas copy parts of the older
 * version in a different order.
 */
async function addStored(
  { storage }: Repository,
  { entry: old, size }: Version,
  { entry: now }: Version,
  list: RangeList,
  signal: AbortSignal,
): Promise<boolean> {
  if (old === undefined || now === undefined) return false;
  if (old.sha256 === now.sha256) return true;
  // The deltas of a sparse file apply to its condensed form, so their offsets
  // are not offsets in the file.
  if (old.sparse !== undefined || now.sparse !== undefined) return false;
  const { length } = old.content;
  const isDeltaToOld = now.content.length > length &&
    old.content.every((piece, at) => keyOf(piece) === keyOf(now.content[at]));
  if (!isDeltaToOld) return false;
  const content = [old.content[0], ...now.content.slice(length)];
  using literals = new Spool();
  const { segments } = await new ContentReader(storage)
    .deltas({ ...now, content }, literals, signal);
  // If the deltas copy parts of the old version in a different order, for
  // example because a part was moved, a range of the new version does not
  // correspond to a single range of the old version.
  if (!segments.isInOrder) return false;
  addSegments(segments, size, list);
  return true;
}

function addSegments(segments: Segments, size: number, list: RangeList): void {
  /** The offset of the next segment in the new version. */
  let at = 0;
  /** The end of the last copied segment in the old version. */
  let old = 0;
  let literals = 0;
  for (const { kind, offset, length } of segments.all()) {
    if (kind === "literal") literals += length;
    else {
      if (literals > 0 || offset !== old) {
        list.add(at - literals, offset - old, literals);
      }
      literals = 0;
      old = offset + length;
    }
    at += length;
  }
  if (literals > 0 || old < size) {
    list.add(at - literals, size - old, literals);
  }
}

/**
 * Adds the ranges in which two contents have different bytes at the same
 * offsets. If one content is longer, its last bytes count as different.
 */
async function addDifferent(
  before: AsyncIterable<Uint8Array>,
  after: AsyncIterable<Uint8Array>,
  list: RangeList,
  signal: AbortSignal,
): Promise<void> {
  let at = 0;
  let range: { start: number; end: number } | undefined;
  const end = (before: number, after: number) => {
    if (range === undefined) return;
    const length = range.end - range.start;
    list.add(range.start, length + before, length + after);
    range = undefined;
  };
  const mark = (start: number, stop: number) => {
    if (range !== undefined && start - range.end < MIN_GAP_BYTES) {
      range.end = stop;
      return;
    }
    end(0, 0);
    range = { start, end: stop };
  };
  const [old, now] = [before, after].map((source) =>
    source[Symbol.asyncIterator]()
  );
  try {
    let [one, two] = [await nextPart(old), await nextPart(now)];
    while (one.length > 0 && two.length > 0) {
      const turn = turnIfDue();
      if (turn !== undefined) await turn;
      checkAborted(signal);
      const length = Math.min(one.length, two.length);
      const [left, right] = [one.subarray(0, length), two.subarray(0, length)];
      if (Buffer.compare(left, right) !== 0) {
        for (let byte = 0; byte < length; byte++) {
          if (left[byte] !== right[byte]) mark(at + byte, at + byte + 1);
        }
      }
      at += length;
      one = one.length > length ? one.subarray(length) : await nextPart(old);
      two = two.length > length ? two.subarray(length) : await nextPart(now);
    }
    const [more, added] = [
      await lengthOf(one, old, signal),
      await lengthOf(two, now, signal),
    ];
    if (more + added > 0) mark(at, at);
    end(more, added);
  } finally {
    await Promise.all([old.return?.(), now.return?.()]);
  }
}

/** Returns the next part that is not empty, or an empty part at the end. */
async function nextPart(
  parts: AsyncIterator<Uint8Array>,
): Promise<Uint8Array> {
  while (true) {
    const { done, value } = await parts.next();
    if (done) return new Uint8Array();
    if (value.length > 0) return value;
  }
}

/**
 * Returns the number of bytes from the start of a part to the end of the
 * content.
 */
async function lengthOf(
  part: Uint8Array,
  parts: AsyncIterator<Uint8Array>,
  signal: AbortSignal,
): Promise<number> {
  let length = 0;
  while (part.length > 0) {
    checkAborted(signal);
    length += part.length;
    part = await nextPart(parts);
  }
  return length;
}
