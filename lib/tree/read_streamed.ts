import { checkAborted } from "../bytes/abort.ts";
import { concat } from "../bytes/source.ts";
import { turnIfDue } from "../bytes/turns.ts";
import type { RandomAccess } from "../delta/random_access.ts";
import type { IndexFileEntry } from "./dir_index.ts";
import type { FileEntry } from "./entry.ts";
import type { FileFacts, FileReader, LargeFile } from "./file_reader.ts";
import { MAX_WHOLE_BYTES, readPieces } from "./read_file.ts";
import {
  condense,
  type DataRange,
  type SparseFile,
  SparseSource,
} from "./sparse.ts";
import { Spool } from "./spool.ts";

/** Options for reading a file from a stream. */
export interface StreamedFileOptions {
  /** A buffer of 1 MiB, for parts of large files. */
  buffer: Uint8Array;
  /**
   * Called while a file of more than 1 MiB is read, with the number of bytes
   * that have been read so far.
   */
  onRead?: (bytes: number) => void;
  /** A signal that ends the reading with the error code `aborted`. */
  signal?: AbortSignal;
}

/**
 * Passes a file with streamed content to a reader, as `readStable` passes a
 * file of a directory. A reader can read a file of more than 1 MiB twice, so
 * the content of such a file is first stored in memory or, if it has more than
 * 8 MiB, in a temporary file.
 *
 * @param entry The entry of the file. Its `size` is set to the length of the
 * content, in bytes.
 * @param body The content.
 * @param before The file at this path in the previous index.
 * @param reader The reader.
 * @param options The buffer, the callback for the progress, and the signal.
 * @returns The facts that the reader returns. Their `size` is the size of the
 * file in bytes, even if the file is stored in condensed form.
 */
export async function readStreamed<Facts extends FileFacts>(
  entry: FileEntry,
  body: AsyncIterable<Uint8Array>,
  before: IndexFileEntry | undefined,
  reader: FileReader<Facts>,
  { buffer, onRead, signal }: StreamedFileOptions,
): Promise<Facts> {
  if (body instanceof SparseSource && body.size > MAX_WHOLE_BYTES) {
    return await readSparse(entry, body, before, reader, buffer, signal);
  }
  const parts: Uint8Array[] = [];
  let size = 0;
  using spool = new Spool();
  for await (const part of body) {
    const turn = turnIfDue();
    if (turn !== undefined) await turn;
    checkAborted(signal);
    const wasSmall = size <= MAX_WHOLE_BYTES;
    size += part.length;
    if (size > MAX_WHOLE_BYTES) {
      if (wasSmall) { for (const one of parts.splice(0)) spool.write(one); }
      spool.write(part);
      onRead?.(size);
    } else parts.push(part.slice());
  }
  entry.size = size;
  if (size <= MAX_WHOLE_BYTES) {
    return await reader.whole(entry, concat(parts), before);
  }
  return await reader.pieces(entry, () => checked(spool.read(buffer)), before);

  function* checked(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
    for (const piece of pieces) {
      checkAborted(signal);
      yield piece;
    }
  }
}

/** Passes a sparse file of more than 1 MiB to a reader. */
async function readSparse<Facts extends FileFacts>(
  entry: FileEntry,
  source: SparseSource,
  before: IndexFileEntry | undefined,
  reader: FileReader<Facts>,
  buffer: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<Facts> {
  using file = await SpooledFile.of(source, signal);
  const { size } = source;
  entry.size = size;
  const condensed = reader.condenses
    ? await condense(file, size, buffer, signal)
    : undefined;
  if (condensed === undefined) {
    return await reader.pieces(
      entry,
      () => readPieces(file, size, buffer),
      before,
    );
  }
  const large: LargeFile = { ...entry, size: condensed.size, fileSize: size };
  const facts = await reader.pieces(
    large,
    () => condensed.pieces(buffer),
    before,
  );
  return Object.assign(facts, { size, sparse: condensed.size });
}

/** A range of data in a sparse file, and the offset of this data in a spool. */
interface SpooledRange extends DataRange {
  /** The offset of the data in the spool, in bytes. */
  start: number;
}

/** A sparse file with its data in a spool. */
class SpooledFile implements SparseFile, Disposable {
  readonly #size: number;
  readonly #spool = new Spool();
  readonly #ranges: SpooledRange[] = [];
  #data: RandomAccess | undefined;

  private constructor(size: number) {
    this.#size = size;
  }

  /** Reads the data of a sparse file into a spool. */
  static async of(
    { data, size }: SparseSource,
    signal: AbortSignal | undefined,
  ): Promise<SpooledFile> {
    const file = new SpooledFile(size);
    try {
      for await (const { offset, bytes } of data) {
        const turn = turnIfDue();
        if (turn !== undefined) await turn;
        checkAborted(signal);
        file.#add(offset, bytes);
      }
      file.#data = file.#spool.access();
      return file;
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  #add(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const last = this.#ranges.at(-1);
    const { length } = bytes;
    if (last !== undefined && last.offset + last.length === offset) {
      last.length += length;
    } else this.#ranges.push({ offset, length, start: this.#spool.size });
    this.#spool.write(bytes);
  }

  /** See `OpenFile.read`. */
  read(buffer: Uint8Array, offset: number): number {
    const end = Math.min(offset + buffer.length, this.#size);
    if (end <= offset) return 0;
    buffer.fill(0, 0, end - offset);
    for (let at = this.#rangeAfter(offset); at < this.#ranges.length; at++) {
      const range = this.#ranges[at];
      if (range.offset >= end) break;
      const from = Math.max(offset, range.offset);
      const to = Math.min(end, range.offset + range.length);
      const start = range.start + from - range.offset;
      const bytes = this.#data?.read(start, to - from) as Uint8Array;
      buffer.set(bytes, from - offset);
    }
    return end - offset;
  }

  /** See `OpenFile.nextData`. */
  nextData(offset: number): { start: number; end: number } | undefined {
    const range = this.#ranges[this.#rangeAfter(offset)];
    return range && {
      start: Math.max(offset, range.offset),
      end: range.offset + range.length,
    };
  }

  /** Frees the memory and deletes the temporary file, if any. */
  [Symbol.dispose](): void {
    this.#spool.dispose();
  }

  /**
   * Returns the position in `#ranges` of the first range that ends after an
   * offset; the number of ranges if no range does.
   */
  #rangeAfter(offset: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = low + high >>> 1;
      const { offset: start, length } = this.#ranges[middle];
      if (start + length > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
